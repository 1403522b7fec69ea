"""Rows of a comparison that nobody ran."""

from packager.comparison.rows import Row

KIB = 1024


def own(name, kib, loss, **changed):
    """One of our recipes."""
    told = {
        "recipe": name,
        "format": "coreml" if name.startswith("coreml") else "tflite",
        "verdict": "passed",
        "bytes": int(2 * kib * KIB),
        "bytes_on_wire": int(kib * KIB),
        "skill_loss_percent": loss,
        "skill_loss_low": loss - 0.2,
        "skill_loss_high": loss + 0.2,
        "summary": "Made for a test.",
        "buckets": {"1-6": loss, "7-12": loss / 2, "13-24": -0.1, "25-48": loss},
    }
    return Row(**told | changed)


def peer(name, kib, loss, **changed):
    """What a stock tool made."""
    return own(name, kib, loss, **{"kind": "peer", "source": "member"} | changed)


def failed(name, reason="The converter died of SIGKILL."):
    """A recipe that came to nothing."""
    return Row(name, "tflite", reason=reason)
