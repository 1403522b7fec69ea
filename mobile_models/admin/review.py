"""What speaks for a release and against it: the page's figures, its gate and its signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mobile_models import comparison, selectors
from mobile_models.comparison import Compared
from mobile_models.errors import DeliveryError
from mobile_models.models import DEFAULT_CHANNEL, Bundle, Release, Rollout
from mobile_models.plots import line_plot
from mobile_models.services.gating import judge_release
from mobile_models.signing import pending
from mobile_models.signing.services import development_signers, is_initialised
from packager.contract import Contract

OPEN_FOR_REVIEW = (Release.State.DRAFT, Release.State.IN_REVIEW)
PLOTTED = ("temperature", "wind_speed", "precipitation")


@dataclass(frozen=True)
class Signature:
    """How far the signing of a release is, and what to do next."""

    signed: bool
    needed: bool
    standings: Sequence[str]
    can_sign_here: bool
    command: str


def context(release: Release) -> dict[str, Any]:
    """Everything that the release's page shows beside its own fields."""
    reference = reference_of(release)
    candidate, live = _bundles(release), _bundles(reference) if reference else []
    compared = comparison.compare(candidate, live, _contract(release))
    return {
        "reference": reference,
        "compared": [{"variant": one, "plots": _plots(release, reference, one)} for one in compared],
        "buckets": [f"{bucket} h" for bucket in comparison.BUCKETS],
        "gone": comparison.gone(candidate, live),
        "gate": judge_release(release) if release.state in OPEN_FOR_REVIEW else release.gate,
        "signed": signature(release),
    }


def reference_of(release: Release) -> Release | None:
    """What to hold a release against: what is live; for the live one itself what was there before it."""
    try:
        live = selectors.live_release(DEFAULT_CHANNEL)
    except DeliveryError:
        return None
    if live != release:
        return live
    before = Rollout.objects.filter(channel__name=DEFAULT_CHANNEL).exclude(release=release)
    last = before.select_related("release").order_by("-release_counter").first()
    return last.release if last else None


def signature(release: Release) -> Signature:
    """Whether the offline keys have signed a release."""
    if release.signed_at is not None or not is_initialised():
        return Signature(release.signed_at is not None, is_initialised(), (), can_sign_here=False, command="")
    standings = [str(standing) for standing in pending.standings(list(pending.waiting(release)))]
    approved = release.state not in {Release.State.DRAFT, Release.State.IN_REVIEW, Release.State.WITHDRAWN}
    here = approved and _has_development_keys()
    command = f"manage.py sign_release {release.version}"
    return Signature(False, True, standings, here, "" if here else command)


def _has_development_keys() -> bool:
    try:
        return bool(development_signers())
    except DeliveryError:
        return False


def _bundles(release: Release) -> list[Bundle]:
    return sorted(release.bundles.all(), key=lambda bundle: bundle.variant)


def _contract(release: Release) -> Contract:
    """The contract that its bundles fulfil: its outputs say what was scored, in which units."""
    served = selectors.served_contracts()
    first: Bundle | None = next(iter(release.bundles.all()), None)
    return served.get(first.contract_sha256 if first else "", next(iter(served.values())))


def _plots(release: Release, reference: Release | None, one: Compared) -> list[Any]:
    """The main variables over the lead time, both releases in one drawing each."""
    drawn = []
    for row in one.rows:
        if row.variable in PLOTTED:
            series = {release.version: comparison.by_lead(one.candidate, row.variable)}
            if one.live is not None and reference is not None:
                series[f"{reference.version} (live)"] = comparison.by_lead(one.live, row.variable)
            drawn.append(
                line_plot(
                    series,
                    title=f"{one.candidate.variant}: {row.variable.replace('_', ' ')}",
                    x_label="lead, hours",
                    y_label=row.measure,
                    width=340,
                    height=220,
                )
            )
    return drawn
