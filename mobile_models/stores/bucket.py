"""Blobs in a bucket that speaks S3. S3 promises that what is put is there whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from mobile_models.stores import Readable
from mobile_models.stores.folder import BLOCK, clear_older, digest_of

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
        return _Body(answer["Body"], name)

    def local_path(self, name: str, into: Path) -> Path:
        """The object in a folder of this machine, fetched once; its digest is the last part of its name."""
        path = into / Path(name).name
        if path.is_file():
            os.utime(path)
        elif self.exists(name):
            into.mkdir(parents=True, exist_ok=True)
            clear_older(into, CACHED_SECONDS)
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
        with TemporaryDirectory(dir=path.parent, prefix="fetch-") as folder:
            staged = Path(folder) / path.name
            with staged.open("wb") as file, _as_os_errors(name):
                for block in self._object(name).get()["Body"].iter_chunks(BLOCK):
                    file.write(block)
            if digest_of(staged) != path.name:
                raise OSError(f"the bucket gave other bytes than {path.name}")
            staged.rename(path)

    def _object(self, name: str) -> Any:
        return self.bucket.Object(self._normalize_name(name))


class _Body:
    """What a bucket sends, which may break off in the middle."""

    def __init__(self, source: Readable, name: str) -> None:
        self._source = source
        self._name = name

    def read(self, size: int, /) -> bytes:
        with _as_os_errors(self._name):
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()


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
