"""What every phone's check brings about is no news; everything else is logged."""

import logging

import pytest

from weatherapp.config.privacy import is_news


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/v1/tuf/metadata/2.root.json", 404, False),
        ("/v1/tuf/metadata/2.root.json", 500, True),
        ("/v1/tuf/metadata/2.targets.json", 404, True),
        ("/v1/models", 404, True),
    ],
)
def test_only_the_next_root_that_there_is_not_is_no_news(path, status, expected):
    record = logging.makeLogRecord({"msg": "%s: %s", "args": ("Not Found", path), "status_code": status})
    assert is_news(record) is expected
