"""Which bundle a device gets. Pure: candidates and a device in, one candidate out.

The rule, in order:

1. A bundle for another platform, or for a newer system than the device's, is no candidate.
2. iOS takes Core ML where the release has it, because that runs on the Neural Engine; otherwise, and on
   Android and on the reference phone, TFLite.
3. A lean device (`perf_class` low, or less than 4096 MB and `perf_class` not high) takes the variant that is
   smallest on the wire: int8 or palettized weights. Any other takes the most precise one: fp16.
4. What a device does not say does not restrict it. Ties go to the smaller bundle, then to the smaller digest.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mobile_models.device import PLATFORMS, Device, Version
from mobile_models.errors import NoBundleForDevice

FORMATS = {"ios": ("coreml", "tflite"), "android": ("tflite",), "linux": ("tflite",)}
LEAN_BELOW_MB = 4096
# More is closer to the student's own numbers; a precision that is not listed comes last.
PRECISION_RANK = {"fp32": 4, "fp16": 3, "w8a8": 2, "pal4": 1}
SERVER = "server"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the choice needs to know of a bundle. `os_min` says how old a platform's system may be."""

    sha256: str
    variant: str
    format: str
    platforms: tuple[str, ...]
    wire_size: int
    os_min: dict[str, Version]

    @property
    def precision(self) -> str:
        """The second word of a variant's name, which decodes: `tflite_w8a8_qat` is w8a8."""
        _, _, rest = self.variant.partition("_")
        return rest.split("_")[0]


def platforms_of(variant: str, format: str) -> list[str]:  # noqa: A002 - the manifest's own word
    """The platforms that a variant may be offered to; the server's own model is for no phone."""
    if variant.startswith(SERVER):
        return [SERVER]
    return [platform for platform in PLATFORMS if format in FORMATS[platform]]


def is_lean(device: Device) -> bool:
    """Whether the device should get the smallest variant rather than the most precise one."""
    if device.perf_class is not None and device.perf_class != "mid":
        return device.perf_class == "low"
    return device.ram_mb is not None and device.ram_mb < LEAN_BELOW_MB


def choose_bundle(candidates: Iterable[Candidate], device: Device) -> Candidate:
    """The one bundle for a device.

    Raises:
        NoBundleForDevice: none of them runs on it; says what the release has.
    """
    known = list(candidates)
    usable = [candidate for candidate in known if _runs_on(candidate, device)]
    if not usable:
        raise NoBundleForDevice(_none_fits(known, device))
    return min(usable, key=lambda candidate: _order(candidate, device))


def _runs_on(candidate: Candidate, device: Device) -> bool:
    if device.platform not in candidate.platforms or candidate.format not in FORMATS[device.platform]:
        return False
    oldest = candidate.os_min.get(device.platform)
    return oldest is None or device.os_version is None or device.os_version >= oldest


def _order(candidate: Candidate, device: Device) -> tuple[int, int, int, str]:
    preferred = FORMATS[device.platform].index(candidate.format)
    precise = 0 if is_lean(device) else -PRECISION_RANK.get(candidate.precision, 0)
    return preferred, precise, candidate.wire_size, candidate.sha256


def _none_fits(known: list[Candidate], device: Device) -> str:
    system = "" if device.os_version is None else " " + ".".join(map(str, device.os_version))
    has = ", ".join(sorted(candidate.variant for candidate in known if SERVER not in candidate.platforms))
    return (
        f"The release has no bundle for {device.platform}{system}; it has {has or 'none for phones'}. "
        "Keep the model that you have, or ask for a forecast instead."
    )
