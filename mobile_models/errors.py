"""What can go wrong in delivery. `weatherapp.config.problems` turns each into an HTTP answer."""

from collections.abc import Mapping
from typing import Any


class DeliveryError(Exception):
    """Root of everything that delivery raises on purpose.

    `headers` go with its HTTP answer, `members` into its problem document.
    """

    headers: Mapping[str, str] = {}
    members: Mapping[str, Any] = {}


class BundleRefused(DeliveryError):
    """An archive is not a bundle that this server may publish."""


class VerifierFailed(DeliveryError):
    """An archive could not be judged: the verifier itself does not work on this machine."""


class StorageFailed(DeliveryError):
    """An archive could not be stored: the disk is full, not writable, or the file is gone."""


class ParameterInvalid(DeliveryError):
    """A value that a caller gave is not one of those allowed."""


class NotFound(DeliveryError):
    """Root of what does not exist here."""


class UnknownModel(NotFound):
    """No model has this name."""


class UnknownDigest(NotFound):
    """No bundle has this digest, or it is not a digest; it may be registered the next minute."""

    headers: Mapping[str, str] = {"Cache-Control": "no-store"}


class UnknownChannel(NotFound):
    """No channel has this name."""


class NoLiveRelease(NotFound):
    """The channel offers no release."""


class NoBundleForDevice(NotFound):
    """The release has no bundle that this device can run."""


class NotPermitted(DeliveryError):
    """A person may not take this step."""


class StateConflict(DeliveryError):
    """A release or rollout is not in a state that allows this step."""


class TransitionNotAllowed(StateConflict):
    """The row's state does not allow this step; the sentence names the steps that it does allow."""


class GateFailed(StateConflict):
    """A release is measurably worse than the live one, and nobody said why to approve it all the same."""


class NothingToRollBackTo(StateConflict):
    """No release that everyone had stands behind a rollout."""


class LogIsFixed(StateConflict):
    """Somebody tried to change or remove an entry of the audit log."""


class ReleaseIncomplete(StateConflict):
    """The bundles do not make a release."""


class NotInitialised(NotFound):
    """There is no repository of signed metadata yet."""


class ReleaseNotSigned(StateConflict):
    """The offline keys have not signed the release, so no phone would take it."""


class SignatureRefused(StateConflict):
    """A signature is not one that the role's keys made of these bytes."""


class KeyRefused(DeliveryError):
    """A key cannot be used: its file is missing, readable for others or wrong, or has no part in the role."""


class UnknownMetadata(NotFound):
    """No such metadata or target was published; a newer root is asked for until this is the answer."""

    headers: Mapping[str, str] = {"Cache-Control": "public, max-age=60"}


class RangeNotSatisfiable(DeliveryError):
    """No byte of the representation lies in the range that was asked for."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"No byte lies in this range; the representation has {size} bytes, 0 to {size - 1}. "
            "Ask for a range that starts within them."
        )
        self.headers = {"Content-Range": f"bytes */{size}"}


class PreconditionFailed(DeliveryError):
    """The representation is not the one that If-Match names."""


class NotAcceptable(DeliveryError):
    """No form of the representation is one that Accept-Encoding allows."""


class BundleRevoked(DeliveryError):
    """The bundle was killed: no device may run it, so nobody is given it."""

    headers: Mapping[str, str] = {"Cache-Control": "no-store"}


class NoDelta(NotFound):
    """There is no patch between these two bundles."""

    headers: Mapping[str, str] = {"Cache-Control": "no-store"}


class PatchRefused(DeliveryError):
    """A patch is not worth making here: it needs more memory or time than the limits allow."""


class PatchInterrupted(DeliveryError):
    """The process that made a patch was stopped, with its worker perhaps: no fault of the patch."""


class ReportUnrelated(DeliveryError):
    """A report is well formed, but about no release, rollout or time that this server can place."""


class ReportTokenRefused(DeliveryError):
    """No report token, or one that this server did not issue or that has ended."""

    headers: Mapping[str, str] = {"WWW-Authenticate": 'Report realm="skyfold"'}


class ReportTooLarge(DeliveryError):
    """A body over the limit."""


class LengthRequired(DeliveryError):
    """A body whose length nobody said."""


class ContentEncodingRefused(DeliveryError):
    """A compressed body, which could be of any size."""

    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}


class TooManyReports(DeliveryError):
    """A limit of report tokens, batches or operations is used up."""

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(wait)}
