"""Keep the installed bundle what the signed catalog says: check, choose, download, verify, activate.

Whatever fails, the bundle that is installed stays usable and trusted state is unchanged.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from phone import checks
from phone.bundle import PhoneBundle, read_bundle
from phone.catalog import check_signed, read_catalog
from phone.choice import Decision, Device, decide
from phone.download import Transfer
from phone.errors import BundleRefused, ConnectionLost, DeadlineExceeded, PhoneError
from phone.fetch import Delta, Fetch
from phone.model import Model, replay_golden
from phone.policy import Situation, Verdict, judge
from phone.state import State
from phone.transport import Deadline, Server
from phone.trust import Trust


@dataclass(frozen=True)
class Asker:
    """Who asks: the device, its audience, and what it is in."""

    device: Device = field(default_factory=lambda: Device("linux"))
    channel: str = "stable"
    situation: Situation = field(default_factory=Situation)


@dataclass
class Report:
    """What an update did.

    `outcome` is installed, current (nothing newer) or kept (an offer was not taken: `reason` says why).
    `operations` are what reports to the server count: what was done, and how it ended.
    """

    outcome: str = "kept"
    reason: str | None = None
    error: Exception | None = None
    decision: Decision | None = None
    verdict: Verdict | None = None
    transfer: Transfer | None = None
    delta: Delta | None = None
    digests_verified: int = 0
    golden_cases: int = 0
    golden_failed: int = 0
    golden_max_abs_difference: Mapping[str, float] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    operations: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def golden(self) -> dict[str, int] | None:
        """Golden cases that were replayed, and how many of them failed."""
        if not self.golden_cases:
            return None
        return {"cases": self.golden_cases, "failed": self.golden_failed}


def update(
    server: Server,
    state: State,
    trust: Trust,
    asker: Asker | None = None,
    *,
    seconds: float = 120.0,
    break_after_bytes: int | None = None,
) -> Report:
    """Install what the catalog offers to this device, if it is something else than what is installed.

    Args:
        server: whom to ask.
        state: the phone's folder.
        trust: whose word counts.
        asker: who asks; a reference phone on the stable channel when not given.
        seconds: for everything together.
        break_after_bytes: drop the first download after so many bytes, to show how it goes on.

    Returns:
        What happened; an offer that was refused is in `reason`.
    """
    report = Report()
    work = _Update(server, state, trust, asker or Asker(), report, Deadline(seconds))
    try:
        work.run(break_after_bytes)
    except (PhoneError, OSError) as error:
        report.error, report.reason = error, f"{type(error).__name__}: {error}"
    return report


@dataclass
class _Update:
    server: Server
    state: State
    trust: Trust
    asker: Asker
    report: Report
    deadline: Deadline

    def run(self, break_after_bytes: int | None) -> None:
        with self._step("check"):
            catalog, decision = self._check()
        self.report.decision, self.report.policy = decision, catalog["policy"]
        entry = decision.bundle
        if entry is None:
            self.report.reason = decision.reason
            return
        if entry["sha256"] == self.state.record.current and self.state.archive(entry["sha256"]):
            self.state.acknowledge(*self._label(decision))
            self.report.outcome = "current"
            return
        archive = self.state.archive(entry["sha256"]) or self._fetched(entry, break_after_bytes)
        if archive is not None:
            self._install(archive, entry, decision)

    def _check(self) -> tuple[Mapping[str, Any], Decision]:
        """The catalog and what to take from it; what either says counts once both were verified."""
        platform = self.asker.device.platform
        with self.trust.check(self.server, self.deadline) as signed:
            catalog = read_catalog(signed, platform, self.asker.channel)
            installed = self.state.installed(self.asker.channel)
            decision = decide(catalog, self.asker.device, bucket=self.state.bucket, installed=installed)
            if decision.bundle is not None:
                check_signed(signed, platform, decision.bundle)
        self.state.revoke(catalog["revoked"])
        checks.note(self.state, catalog, decision)
        return catalog, decision

    def _fetched(self, entry: Mapping[str, Any], break_after_bytes: int | None) -> bytes | None:
        """The archive; None where the policy says not now."""
        waited = checks.waited_seconds(self.state)
        verdict = judge(self.report.policy, self.asker.situation, size=entry["size"], waited=waited)
        self.report.verdict = verdict
        if not verdict.allowed:
            self.report.reason = verdict.reason
            self.report.operations.append(("download", "deferred"))
            return None
        fetch = Fetch(self.server, self.state, entry, self.deadline, break_after_bytes=break_after_bytes)
        self.report.transfer = fetch.transfer
        try:
            with self._step("download"):
                archive = fetch.archive()
        finally:
            self._count(fetch)
        self.report.digests_verified = fetch.transfer.digests
        return archive

    def _count(self, fetch: Fetch) -> None:
        self.report.delta = fetch.delta
        if fetch.transfer.resumed_at:
            self.report.operations.append(("download", "resumed"))
        if fetch.delta is not None:
            outcome = "ok" if fetch.delta.outcome == "applied" else "fell_back"
            self.report.operations.append(("patch", outcome))

    def _install(self, archive: bytes, entry: Mapping[str, Any], decision: Decision) -> None:
        try:
            with self._step("verify"):
                bundle = read_bundle(archive)
                _check_offer(bundle, entry)
                self.report.digests_verified += bundle.digests
            with self._step("golden"):
                self._replay(bundle)
        except BundleRefused:
            self.state.forget_partial()
            raise
        with self._step("activate"):
            self.state.activate(archive, entry["sha256"], *self._label(decision))
        self.report.outcome = "installed"

    def _label(self, decision: Decision) -> tuple[str, int, str]:
        """Release, counter and channel of what is taken."""
        return str(decision.release), int(decision.release_counter or 0), self.asker.channel

    def _replay(self, bundle: PhoneBundle) -> None:
        self.report.golden_cases = self.report.golden_failed = bundle.cases
        model = Model(bundle.model, bundle.contract)
        self.report.golden_max_abs_difference = replay_golden(model, bundle.golden, bundle.contract)
        self.report.golden_failed = 0

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started, outcome = perf_counter(), "ok"
        try:
            yield
        except (ConnectionLost, DeadlineExceeded, OSError):
            outcome = "failed"
            raise
        except PhoneError:
            outcome = "refused"
            raise
        finally:
            self.report.operations.append((name, outcome))
            self.report.seconds[name] = round(perf_counter() - started, 4)


def _check_offer(bundle: PhoneBundle, entry: Mapping[str, Any]) -> None:
    """Compare what an archive says of itself with what was signed of it."""
    manifest, contract = bundle.manifest, bundle.manifest["contract"]
    said = {
        "variant": manifest.get("variant"),
        "format": manifest["format"],
        "contract_sha256": contract["sha256"],
        "contract_version": contract.get("version"),
        "golden_sha256": manifest["files"]["golden.json"]["sha256"],
    }
    for name, value in said.items():
        if value != entry[name]:
            raise BundleRefused(f"The bundle's {name} is {value}; {entry[name]} was offered.")
