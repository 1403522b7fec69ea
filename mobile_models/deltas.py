"""Makes the patches that phones download instead of whole bundles. Services; their rows are the truth.

A patch is made once, from each of the last five released bundles of a variant to the one that is rolled out,
in a process of its own with limits in memory and time. Its row stays even where it is not offered:
it says why, and that nobody needs to try again.
"""

import logging
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.db import transaction

from mobile_models import selectors, storage
from mobile_models.errors import PatchInterrupted, PatchRefused, StorageFailed
from mobile_models.models import Bundle, Delta, Release
from mobile_models.patches import MEBIBYTE, memory_needed
from mobile_models.selectors import SERVER_VARIANT
from mobile_models.signing.publishing import publish_soon
from mobile_models.stores.folder import digest_of

logger = logging.getLogger(__name__)

# What a process gets when a machine or a service is shut down.
STOPPED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def request_deltas(release: Release) -> None:
    """Have patches made to each bundle of a release that phones are about to download."""
    for bundle_id in release.bundles.exclude(variant=SERVER_VARIANT).values_list("pk", flat=True):
        _enqueue(bundle_id)


def sweep_deltas() -> int:
    """Ask again for the patches that the queue lost; gives to how many bundles some are missing."""
    lacking = [bundle for bundle in selectors.rolled_out_bundles() if _missing(bundle)]
    for bundle in lacking:
        _enqueue(bundle.pk)
    return len(lacking)


def make_deltas(bundle: Bundle) -> None:
    """Make the patches to a bundle that are not there yet; one that fails leaves the others to be made.

    What is too large or takes too long gets a row that says so. A store that fails, or a worker that is
    stopped, leaves none: the sweep tries again.
    """
    for base, kind in _missing(bundle):
        try:
            _make(base, bundle, kind)
        except (StorageFailed, PatchInterrupted) as error:
            logger.warning("No %s patch from %s to %s: %s", kind, base, bundle, error)


def _missing(bundle: Bundle) -> list[tuple[Bundle, str]]:
    made = set(bundle.deltas_to.values_list("base_id", "kind"))
    bases = list(selectors.bases_of(bundle))
    return [(base, kind) for base in bases for kind in Delta.Kind.values if (base.pk, kind) not in made]


def _make(base: Bundle, target: Bundle, kind: str) -> None:
    try:
        patch = _patch(kind, _intact(base), _intact(target))
    except PatchRefused as error:
        logger.warning("No %s patch from %s to %s: %s", kind, base, target, error)
        _write_row(base, target, kind, offered=False, size=0, refused_because=str(error))
        return
    whole = min([target.size, *(form["size"] for form in target.encodings.values())])
    offered = len(patch) < whole
    sha256 = storage.put_bytes(patch) if offered else ""
    _write_row(base, target, kind, offered=offered, size=len(patch), sha256=sha256)


@transaction.atomic
def _write_row(base: Bundle, target: Bundle, kind: str, *, offered: bool, **fields: int | str) -> None:
    """Add the row, unless another worker did; phones are told of it with the next catalog."""
    _, created = Delta.objects.get_or_create(
        base=base, target=target, kind=kind, defaults={"offered": offered, **fields}
    )
    if created and offered:
        publish_soon()


def _intact(bundle: Bundle) -> Path:
    path = storage.blob_path(bundle.sha256)
    if not path.is_file() or digest_of(path) != bundle.sha256:
        raise StorageFailed(f"The stored bytes of {bundle} are gone or changed. Register the bundle again.")
    return path


def _patch(kind: str, old: Path, new: Path) -> bytes:
    """Make a patch within the limits.

    Raises:
        PatchRefused: it would need more memory or more time than the settings allow.
    """
    needed = memory_needed(kind, old.stat().st_size, new.stat().st_size)
    allowed = settings.DELTA_MEMORY_MB * MEBIBYTE
    if needed > allowed:
        raise PatchRefused(
            f"It takes about {needed // MEBIBYTE} MiB of memory; DELTA_MEMORY_MB allows "
            f"{settings.DELTA_MEMORY_MB}. Phones download the whole."
        )
    with TemporaryDirectory(prefix="skyfold-patch-") as folder:
        patch = Path(folder) / "patch"
        _run([kind, str(old), str(new), str(patch), str(allowed), str(settings.DELTA_SECONDS)])
        return patch.read_bytes()


def _run(arguments: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command and paths of this project
            [sys.executable, "-m", "mobile_models.patches", *arguments],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=settings.DELTA_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PatchRefused(
            f"It was not done after {settings.DELTA_SECONDS} s, which DELTA_SECONDS allows. "
            "Phones download the whole."
        ) from error
    if -done.returncode in STOPPED:
        raise PatchInterrupted(f"Its process was stopped by {signal.Signals(-done.returncode).name}.")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PatchRefused(
            f"Its process ended with {done.returncode}: {lines[-1]} Phones download the whole."
        )


def _enqueue(bundle_id: int) -> None:
    from mobile_models.tasks import make_deltas as task

    # Robust: a queue that is down loses nothing, the sweep asks again.
    transaction.on_commit(lambda: task.delay(bundle_id), robust=True)
