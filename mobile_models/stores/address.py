"""Reads where blobs lie and how they are served from the environment's words."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

STREAM, ACCEL, REDIRECT = "stream", "x-accel", "redirect"
FORM = "s3://bucket/prefix?endpoint_url=https://…"
OPTIONS = ("endpoint_url", "region_name", "addressing_style")


def parse_storage(address: str) -> dict[str, Any]:
    """The entry of Django's STORAGES for an address; an empty one is the folder.

    Keys are read from where boto3 always reads them, AWS_ACCESS_KEY_ID and its like: an address ends up in
    logs.

    Raises:
        ImproperlyConfigured: it is no address of a bucket, or it names an unknown option.
    """
    if not address:
        return {"BACKEND": "mobile_models.stores.folder.FolderStorage"}
    url = urlsplit(address)
    if url.scheme != "s3" or not url.hostname or "@" in url.netloc or url.fragment:
        raise ImproperlyConfigured(
            f"BLOBS_STORAGE begins with {url.scheme or address[:20]!r}; allowed: nothing, which is a folder, "
            f"or {FORM}. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, never from the address."
        )
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise ImproperlyConfigured(
            f"BLOBS_STORAGE has the option {', '.join(unknown)}; allowed: {', '.join(OPTIONS)}."
        )
    return {
        "BACKEND": "mobile_models.stores.bucket.BucketStorage",
        "OPTIONS": {"bucket_name": url.netloc, "location": url.path.strip("/"), **options},
    }


def parse_serving(way: str, address: str) -> str:
    """How blobs are served: the web process streams them, nginx reads the folder, or the bucket answers.

    Raises:
        ImproperlyConfigured: an unknown way, or one that the storage cannot do.
    """
    needs_bucket = {STREAM: None, ACCEL: False, REDIRECT: True}
    if way not in needs_bucket:
        raise ImproperlyConfigured(f"BLOBS_SERVE is {way!r}; allowed: {', '.join(needs_bucket)}.")
    wanted = needs_bucket[way]
    if wanted is not None and wanted != bool(address):
        other = (
            f"a bucket: set BLOBS_STORAGE to {FORM}" if wanted else "the folder: leave BLOBS_STORAGE empty"
        )
        raise ImproperlyConfigured(f"BLOBS_SERVE is {way!r}, which needs {other}.")
    return way
