"""What pages may run, and how the admin is guarded when TLS is in front."""

import subprocess
import sys

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from weatherapp.config.csp import PagePolicy, policy_at

pytestmark = pytest.mark.django_db


def policy(answer):
    parts = [part.strip().split(" ") for part in answer["Content-Security-Policy"].split(";")]
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("path", ["/admin/login/", "/docs/", "/admin/"])
def test_every_page_says_what_it_may_run_and_nothing_inline(client, admin_user, path):
    client.force_login(admin_user)
    directives = policy(client.get(path, follow=True))
    assert "'unsafe-inline'" not in directives["script-src"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["object-src"] == ["'none'"]


def test_only_the_admin_may_compile_expressions():
    assert "'unsafe-eval'" in policy_at("/admin/mobile_models/")["script-src"]
    assert "'unsafe-eval'" not in policy_at("/docs/")["script-src"]


def test_a_document_that_came_with_a_bundle_runs_and_loads_nothing():
    page = HttpResponse("<p>A card</p>", content_type="text/html; charset=utf-8")
    answer = PagePolicy(lambda _: page)(RequestFactory().get("/v1/blobs/00"))
    directives = policy(answer)
    assert directives["default-src"] == ["'none'"]
    assert "sandbox" in directives
    assert "script-src" not in directives


def test_what_is_no_page_is_left_as_it_is(client):
    assert "Content-Security-Policy" not in client.get("/healthz")


def test_no_page_has_an_inline_script(admin_client):
    import re

    for path in ("/admin/", "/admin/mobile_models/release/", "/admin/mobile_models/release/add/", "/docs/"):
        shown = admin_client.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", shown)
        assert not re.search(r"<[^>]+\son(click|load|submit|change)=", shown)


@pytest.mark.parametrize(
    ("production", "secure"), [("true", "True True True 31536000"), ("false", "False False False 0")]
)
def test_cookies_and_transport_are_guarded_in_production(tmp_path, production, secure):
    names = "SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS"
    code = f"import weatherapp.config.settings as s; print(*[getattr(s, n) for n in '{names}'.split()])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PATH": "", "SKYFOLD_VAR": str(tmp_path), "PRODUCTION": production},
    )  # fmt: skip
    assert done.stdout.strip() == secure
