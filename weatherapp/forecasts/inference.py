"""Run a bundle's model for many stations at once, on every core that the process may use."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import numpy as np

from packager.bundle import open_bundle
from packager.contract import Contract
from packager.runtimes import Runtime, open_runtime
from packager.types import Tensors

# Stations that a thread takes at a time: enough to keep it busy, few enough to bound its memory.
STATIONS_AT_ONCE = 1024


def usable_cores() -> int:
    """How many cores the scheduler gives this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ServerModel:
    """A bundle's model, open on several threads: LiteRT lets go of the interpreter lock while it computes.

    A context manager: the artifact lies in a temporary folder while it is open.
    """

    def __init__(self, archive: Path, *, threads: int | None = None) -> None:
        """Name the bundle; `threads` None takes every core."""
        self._bundle = open_bundle(archive)
        self._threads = threads or usable_cores()
        self._stack = ExitStack()
        self._runtimes: list[Runtime] = []

    @property
    def contract(self) -> Contract:
        """What the model takes and gives."""
        return self._bundle.contract

    def __enter__(self) -> Self:
        """Unpack the model.

        Raises:
            ArtifactRefused: it cannot be run here.
        """
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="skyfold-")))
            artifact = self._bundle.extract(folder)
            self._runtimes = [
                open_runtime(artifact, self._bundle.format, contract=self.contract)
                for _ in range(self._threads)
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the unpacked model."""
        self._runtimes = []
        self._stack.close()

    def run(self, inputs: Tensors) -> Tensors:
        """Forecast every station.

        Args:
            inputs: by contract name, (station, ...), physical units.

        Returns:
            By contract name, (station, lead[, k]) float32, physical units.
        """
        names = [spec.name for spec in self.contract.inputs]
        stations = len(inputs[names[0]])
        starts = range(0, stations, STATIONS_AT_ONCE)
        if len(starts) < 2 or self._threads == 1:
            return self._runtimes[0].run(inputs)
        free = list(self._runtimes)  # pop and append are atomic: a thread takes one and gives it back

        def work(start: int) -> Tensors:
            runtime = free.pop()
            try:
                return runtime.run({name: inputs[name][start : start + STATIONS_AT_ONCE] for name in names})
            finally:
                free.append(runtime)

        with ThreadPoolExecutor(self._threads) as pool:
            parts = list(pool.map(work, starts))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
