"""Why a device's own forecast differs from the public one, or why there is none, in both languages."""

from weatherapp.personal.models import Place
from weatherapp.personal.sentences import CHINESE


def correction(language: str, *, reports: int, hours: float, changes: bool) -> str:
    """What a correction was learned from.

    Args:
        language: en or zh.
        reports: of the device's own at the place.
        hours: since the last of them.
        changes: whether anything is changed yet.
    """
    if language == CHINESE:
        learned = f"您在此处的 {reports} 次报告（最近一次在 {hours:.0f} 小时前）"
        return (
            f"修正来自{learned}；随预报时效和时间逐渐减弱。"
            if changes
            else f"{learned}还不足以确定此处与预报不同，因此未作修正。"
        )
    learned = f"{_count(reports, 'report')} of your own here, the last {hours:.0f} h ago"
    return (
        f"Learned from {learned}; it fades with lead and age."
        if changes
        else f"{learned}: not enough yet to be sure that this place differs, so nothing is changed."
    )


def feels_like(language: str, *, votes: int) -> str:
    """What feels-like was worked out from."""
    if language == CHINESE:
        index = "普通人的体感指数（UTCI），按天空状况计入日照。"
        return f"{index}已按您的 {votes} 次投票调整为您的感受。" if votes else index
    if not votes:
        return "The index of an average person (UTCI), in sun or shade as the sky has it."
    said = "your one vote says" if votes == 1 else f"your {votes} votes say"
    return f"The same index, moved to where {said} that you feel the same."


def unavailable(language: str, place: Place) -> str:
    """Why there is no forecast for a place; without its coordinates."""
    if language == CHINESE:
        return f"地点 {place.pk} 暂无数据：150 公里内没有可用的预报站。"
    return f"No data is available for place {place.pk}: no station with a forecast is within 150 km."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
