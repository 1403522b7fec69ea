"""Keep the installed bundle what the server offers: check, download, verify, activate.

Whatever fails, the bundle that is installed stays usable and trusted state is unchanged.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from phone.bundle import PhoneBundle, read_bundle
from phone.download import Download, Transfer, Wanted
from phone.errors import BundleRefused, NothingInstalled, PhoneError, ServerRefused
from phone.model import Model, replay_golden
from phone.state import State
from phone.transport import Deadline, Server


@dataclass
class Report:
    """What an update did.

    `outcome` is installed, current (nothing newer) or kept (an offer was not taken: `reason` says why).
    """

    outcome: str = "kept"
    reason: str | None = None
    release: str | None = None
    release_counter: int | None = None
    variant: str | None = None
    sha256: str | None = None
    transfer: Transfer | None = None
    digests_verified: int = 0
    golden_cases: int = 0
    golden_max_abs_difference: Mapping[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Offer:
    release: str
    counter: int
    contract_sha256: str
    wanted: Wanted


def update(
    server: Server,
    state: State,
    *,
    model: str = "point",
    channel: str = "stable",
    platform: str = "linux",
    seconds: float = 120.0,
    break_after_bytes: int | None = None,
) -> Report:
    """Install what the server offers, if it is something else than what is installed.

    Args:
        server: whom to ask.
        state: the phone's folder.
        model: name of the model.
        channel: the audience that this phone belongs to.
        platform: linux is this reference phone; android gets the same format.
        seconds: for everything together.
        break_after_bytes: drop the first download after so many bytes.

    Returns:
        What happened; an offer that was refused is in `reason`.
    """
    report = Report()
    try:
        _update(server, state, report, Deadline(seconds), (model, channel, platform), break_after_bytes)
    except (PhoneError, OSError) as error:
        report.reason = f"{type(error).__name__}: {error}"
    return report


def _update(
    server: Server,
    state: State,
    report: Report,
    deadline: Deadline,
    asked: tuple[str, str, str],
    break_after_bytes: int | None,
) -> None:
    with _timed(report, "check"):
        offer = _resolve(server, state, deadline, asked)
    report.release, report.release_counter = offer.release, offer.counter
    report.sha256 = offer.wanted.sha256
    if offer.counter < state.record.release_counter:
        raise BundleRefused(
            f"Release {offer.release} has counter {offer.counter}; this phone has seen "
            f"{state.record.release_counter}. An old offer is not taken again."
        )
    if _installed(state) == offer.wanted.sha256:
        state.acknowledge(offer.release, offer.counter)
        report.outcome = "current"
        return
    download = Download(server, offer.wanted, state.partial, break_after_bytes=break_after_bytes)
    report.transfer = download.transfer
    with _timed(report, "download"):
        archive = download.fetch(deadline)
    with _timed(report, "verify"):
        try:
            bundle = _verified(archive, offer, report)
        except BundleRefused:
            download.discard()
            raise
    report.digests_verified = download.transfer.digests + bundle.digests
    with _timed(report, "activate"):
        state.activate(archive, offer.wanted.sha256, offer.release, offer.counter)
    report.outcome, report.variant = "installed", bundle.manifest["variant"]


def _resolve(server: Server, state: State, deadline: Deadline, asked: tuple[str, str, str]) -> _Offer:
    model, channel, platform = asked
    query = {"platform": platform, "channel": channel}
    document = server.document(f"v1/models/{model}/resolve", deadline, query).document
    try:
        share = document["rollout"]
        if not state.in_share(str(share["salt"]), int(share["basis_points"])):
            if not document.get("otherwise"):
                raise BundleRefused("The release is rolled out to others first; there is no other one yet.")
            document = document["otherwise"]
        return _offer(document)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ServerRefused(f"The offer cannot be read: {type(error).__name__}: {error}.") from error


def _offer(document: Mapping[str, Any]) -> _Offer:
    bundle = document["bundle"]
    zstd = bundle.get("encodings", {}).get("zstd", {})
    wanted = Wanted(
        url=str(document["url"]),
        sha256=_digest(bundle["sha256"]),
        size=int(bundle["size"]),
        zstd_sha256=_digest(zstd["sha256"]) if zstd else None,
        zstd_size=int(zstd["size"]) if zstd else None,
    )
    contract = _digest(bundle["contract"]["sha256"])
    return _Offer(str(document["release"]), int(document["release_counter"]), contract, wanted)


def _digest(text: str) -> str:
    # It becomes the name of a file.
    if len(bytes.fromhex(text)) != 32 or text != text.lower():
        raise ValueError(f"{text!r} is not a SHA-256")
    return text


def _installed(state: State) -> str | None:
    try:
        return state.usable()[0]
    except NothingInstalled:
        return None


def _verified(archive: bytes, offer: _Offer, report: Report) -> PhoneBundle:
    bundle, promised = read_bundle(archive), offer.contract_sha256
    if bundle.manifest["contract"]["sha256"] != promised:
        raise BundleRefused(
            f"The bundle is for contract {bundle.manifest['contract']['sha256']}; {promised} was offered."
        )
    model = Model(bundle.model, bundle.contract)
    report.golden_max_abs_difference = replay_golden(model, bundle.golden, bundle.contract)
    report.golden_cases = bundle.golden["cases"]
    return bundle


@contextmanager
def _timed(report: Report, step: str) -> Iterator[None]:
    started = perf_counter()
    try:
        yield
    finally:
        report.seconds[step] = round(perf_counter() - started, 4)
