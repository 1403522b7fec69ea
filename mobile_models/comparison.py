"""A candidate beside what is live, variant by variant: bytes and measured skill. Pure.

Scores are what packaging measured by running the shipped file on stations it never saw; lower is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mobile_models.gate import Measured
from mobile_models.models import Bundle
from packager.contract import Contract, Output
from packager.verify.skill import LEAD_BUCKETS, metric_of

BUCKETS = ("1-6", "7-12", "13-24", "25-48", "1-48")
# A difference that is not worth a colour, in per cent of the live score.
SAME_PERCENT = 0.05
WORDS = {"degC": "°C", "m s-1": "m/s", "1": ""}


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of both; the change in per cent of the live one."""

    candidate: float | None
    live: float | None

    @property
    def percent(self) -> float | None:
        """How much more the candidate has; None where there is nothing to compare."""
        if self.candidate is None or not self.live:
            return None
        return 100 * (self.candidate / self.live - 1)

    @property
    def size_said(self) -> str:
        """How large the change is, without its sign."""
        return f"{abs(self.percent or 0):.1f}"

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `same` or empty: less is better of every figure here."""
        if self.percent is None:
            return ""
        if abs(self.percent) < SAME_PERCENT:
            return "same"
        return "better" if self.percent < 0 else "worse"


@dataclass(frozen=True, slots=True)
class Row:
    """One variable: its score in each lead bucket."""

    variable: str
    measure: str
    cells: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One variant of both releases."""

    candidate: Bundle
    live: Bundle | None
    size: Change
    wire: Change
    rows: tuple[Row, ...]

    @property
    def same_bytes(self) -> bool:
        """Whether the live release has this very bundle."""
        return self.live is not None and self.live.sha256 == self.candidate.sha256

    @property
    def worse(self) -> int:
        """How many figures over all leads are worse."""
        return sum(row.cells[-1].verdict == "worse" for row in self.rows)


def scores_of(bundle: Bundle) -> Mapping[str, Mapping[str, float]]:
    """What packaging measured of a bundle, as the gate reads it."""
    return Measured(bundle.variant, bundle.format, bundle.manifest, bundle.wire_size).scores


def compare(candidate: Sequence[Bundle], live: Sequence[Bundle], contract: Contract) -> list[Compared]:
    """The candidate's variants, each beside the live one of the same name."""
    known = {bundle.variant: bundle for bundle in live}
    return [_compared(bundle, known.get(bundle.variant), contract) for bundle in candidate]


def gone(candidate: Sequence[Bundle], live: Sequence[Bundle]) -> list[str]:
    """Variants that the candidate no longer has."""
    kept = {bundle.variant for bundle in candidate}
    return sorted(bundle.variant for bundle in live if bundle.variant not in kept)


def by_lead(bundle: Bundle, variable: str) -> list[tuple[float, float]]:
    """A variable's score at the middle of each lead bucket, in hours."""
    scores = scores_of(bundle).get(variable, {})
    middles = {bucket: sum(LEAD_BUCKETS[bucket]) / 2 for bucket in BUCKETS[:-1]}
    return [(middle, scores[bucket]) for bucket, middle in middles.items() if bucket in scores]


def measure_of(spec: Output) -> str:
    """What an output is scored in, for a person: `CRPS, °C`."""
    unit = WORDS.get(str(spec.units), str(spec.units))
    return f"{metric_of(spec)}, {unit}" if unit else metric_of(spec)


def _compared(candidate: Bundle, live: Bundle | None, contract: Contract) -> Compared:
    mine, theirs = scores_of(candidate), scores_of(live) if live else {}
    rows = [
        Row(
            spec.name,
            measure_of(spec),
            tuple(
                Change(mine.get(spec.name, {}).get(bucket), theirs.get(spec.name, {}).get(bucket))
                for bucket in BUCKETS
            ),
        )
        for spec in contract.outputs
        if spec.name in mine or spec.name in theirs
    ]
    return Compared(
        candidate,
        live,
        Change(candidate.size, live.size if live else None),
        Change(candidate.wire_size, live.wire_size if live else None),
        tuple(rows),
    )
