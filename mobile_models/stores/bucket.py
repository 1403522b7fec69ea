"""Blobs in a bucket that speaks S3. An object is there whole or not at all: S3 promises that of what is put."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, cast

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from mobile_models.stores import Readable
from mobile_models.stores.folder import BLOCK, digest_of

NOT_FOUND = 404
CACHED_SECONDS = 30 * 24 * 3600


class BucketStorage(S3Storage):
    """Objects under a prefix of a private bucket: this server reads them, or signs addresses of them."""

    def __init__(self, addressing_style: str = "auto", **options: Any) -> None:
        limits = Config(  # a bucket that hangs must not hold a web process for long
            connect_timeout=5,
            read_timeout=30,
            retries={"max_attempts": 3, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": addressing_style},
        )
        super().__init__(client_config=limits, default_acl=None, **options)

    def exists(self, name: str) -> bool:
        """Whether the bucket holds the object."""
        with _as_os_errors(name):
            return bool(super().exists(name))

    def size(self, name: str) -> int:
        """Bytes of the object."""
        with _as_os_errors(name):
            return int(self._object(name).content_length)

    def holds(self, name: str, *, sha256: str, size: int) -> bool:  # noqa: ARG002
        """Whether an object of this size has the name. A name is a digest, and S3 checks what it is given."""
        return self.exists(name) and self.size(name) == size

    def open_at(self, name: str, first: int, length: int) -> Readable:
        """The object's bytes as they come from the bucket, which is asked for no others."""
        with _as_os_errors(name):
            answer = self._object(name).get(Range=f"bytes={first}-{first + length - 1}")
        return cast(Readable, answer["Body"])

    def local_path(self, name: str, into: Path) -> Path:
        """The object in a folder of this machine, fetched once; its digest is the last part of its name."""
        path = into / Path(name).name
        if path.is_file():
            os.utime(path)
        elif self.exists(name):
            into.mkdir(parents=True, exist_ok=True)
            _forget_unused(into)
            self._fetch(name, path)
        return path

    def signed_url(self, name: str, *, method: str, seconds: int, headers: Mapping[str, str]) -> str:
        """An address that gives the object to whoever has it, for so long and with these headers."""
        parameters = {f"Response{key}": value for key, value in headers.items()}
        with _as_os_errors(name):
            return str(self.url(name, parameters=parameters, expire=seconds, http_method=method))

    def _save(self, name: str, content: IO[Any]) -> str:
        with _as_os_errors(name):
            return str(super()._save(name, content))

    def _fetch(self, name: str, path: Path) -> None:
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            staged = Path(file.name)
            try:
                with _as_os_errors(name):
                    for block in self._object(name).get()["Body"].iter_chunks(BLOCK):
                        file.write(block)
                file.flush()
                if digest_of(staged) != path.name:
                    raise OSError(f"the bucket gave other bytes than {path.name}")
                staged.rename(path)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise

    def _object(self, name: str) -> Any:
        return self.bucket.Object(self._normalize_name(name))


@contextmanager
def _as_os_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == NOT_FOUND:
            raise FileNotFoundError(name) from error
        raise OSError(str(error)) from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(str(error)) from error


def _forget_unused(folder: Path) -> None:
    for path in folder.iterdir():
        try:
            unused = time.time() - path.stat().st_mtime > CACHED_SECONDS
        except FileNotFoundError:  # another process forgot it
            continue
        if unused:
            path.unlink(missing_ok=True)
