"""The OpenAPI document is valid, and what it documents answers as documented."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.weather import NOW, make_run

EXAMPLES = {
    "base": "1" * 64,
    "cell": "N41W088",
    "file": "timestamp.json",
    "form": "compact",
    "model": "point",
    "path": "catalog/ios/stable.json",
    "sha256": "0" * 64,
    **dict.fromkeys(("place_id", "commute_id", "rule_id"), "00000000-0000-4000-8000-000000000000"),
}
REQUIRED = {"latitude": "41.9", "longitude": "-87.7", "platform": "ios", "lat": "41.9", "lon": "-87.7"}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document):
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid_openapi(document):
    validate_schema(document)


def test_the_document_names_every_public_path(document):
    assert set(document["paths"]) >= {
        "/healthz",
        "/readyz",
        "/v1/forecast",
        "/v1/cells/{cell}/inputs",
        "/v1/catalog",
        "/v1/models/{model}/resolve",
        "/v1/blobs/{sha256}",
    }


def test_every_operation_says_what_it_is_for(document):
    for path, method, operation in operations(document):
        assert operation.get("description"), f"{method} {path}"
        assert operation["responses"], f"{method} {path}"
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


@pytest.mark.django_db
@pytest.mark.parametrize("with_run", [True, False])
def test_every_documented_path_answers_as_documented(
    client, document, settings, tmp_path, monkeypatch, with_run
):
    settings.RUNS_DIR = tmp_path / "runs"
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    if with_run:
        make_run()
    for path, method, operation in operations(document):
        reply = getattr(client, method)(
            path.format(**EXAMPLES),
            REQUIRED if method in {"get", "head"} else {},
        )
        assert str(reply.status_code) in operation["responses"], f"{method} {path} gave {reply.status_code}"
        documented = operation["responses"][str(reply.status_code)].get("content", {})
        media_type = reply.headers.get("Content-Type", "").split(";")[0]
        assert not documented or media_type in documented, f"{method} {path}"


def test_the_document_and_its_reader_are_served(client):
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")
    page = client.get("/docs/").content.decode()
    assert "https://" not in page
