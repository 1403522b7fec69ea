"""The sampler: multi-objective TPE whose choices depend on the trial's number and not on the worker."""

import warnings
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

STARTUP_TRIALS = 12
# Far apart, so that no two trials of two near seeds draw the same numbers.
STRIDE = 1_000_003


class SeededByTrial(BaseSampler):
    """Draws anew for every trial, seeded with the study's seed and the trial's number.

    Workers that share a seed would otherwise all propose the same, and a study that is resumed would propose
    once more what it began with. Steps have options that other steps do not have, which NSGA-II draws at
    random; TPE learns them in groups (Ozaki et al. 2022, doi:10.1613/jair.1.13188).
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._of_trial: dict[int, TPESampler] = {}

    def _sampler(self, trial: FrozenTrial) -> TPESampler:
        if trial.number not in self._of_trial:
            with warnings.catch_warnings():
                # Grouping is the only way in which conditional parameters are learned together.
                warnings.simplefilter("ignore", ExperimentalWarning)
                sampler = TPESampler(
                    seed=(self._seed * STRIDE + trial.number) % 2**32,
                    n_startup_trials=STARTUP_TRIALS,
                    multivariate=True,
                    group=True,
                    constant_liar=True,
                )
            self._of_trial = {trial.number: sampler}
        return self._of_trial[trial.number]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See the base class."""
        return self._sampler(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See the base class."""
        return self._sampler(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See the base class."""
        return self._sampler(trial).sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """See the base class."""
        self._sampler(trial).after_trial(study, trial, state, values)
