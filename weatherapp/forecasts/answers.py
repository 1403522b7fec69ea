"""From a checked query to answers: which runs speak, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

from weatherapp.forecasts import replies, selectors, store
from weatherapp.forecasts.errors import QueryInvalid
from weatherapp.forecasts.memory import recent
from weatherapp.forecasts.models import ForecastRun
from weatherapp.forecasts.query import BEST, Query
from weatherapp.forecasts.series import earlier_runs

NAMED_VERSIONS = 20  # in a refusal


@dataclass(frozen=True)
class Sources:
    """The runs that a query is answered from, one per model, in the order in which they were asked for."""

    runs: tuple[ForecastRun, ...]

    @property
    def key(self) -> str:
        """Changes when another run answers."""
        return ",".join(str(run.folder) for run in self.runs)

    @property
    def replay(self) -> bool:
        """Whether any was made from replayed observations."""
        return any(run.replay for run in self.runs)


def find_sources(query: Query) -> Sources:
    """The newest stored run of every model. One query for each, but see `memory.Recent`.

    Raises:
        NoCurrentRun: none was stored yet.
        QueryInvalid: no run was stored with a release of that name.
    """
    return Sources(tuple(_run_of(model) for model in query.models))


def make_answers(query: Query, sources: Sources, plans: Sequence[replies.Plan]) -> list[replies.Answer]:
    """Answer for every place.

    Raises:
        NothingNear: no station within reach of a place.
        NoCurrentRun: a run's files are gone.
    """
    first = min(plan.first for plan in plans)
    models = []
    for name, run in zip(query.models, sources.runs, strict=True):
        stored = store.open_run(str(run.folder))
        models.append(replies.ModelRuns(name, (stored, *earlier_runs(stored, first))))
    return replies.answer(models, plans, replay=sources.replay)


def _run_of(model: str) -> ForecastRun:
    if model == BEST:
        return recent.run()
    run = selectors.run_of_release(model)
    if run is None:
        versions = selectors.served_releases()[:NAMED_VERSIONS]
        raise QueryInvalid(f"Parameter 'models' has {model[:60]!r}; allowed: {', '.join([BEST, *versions])}.")
    return run
