import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.common import CommonMiddleware

from weatherapp.config.heads import WithoutBody


@pytest.mark.parametrize(("method", "body"), [("head", b""), ("get", b"rain")])
def test_a_head_has_the_length_of_a_body_that_is_not_sent(rf, method, body):
    answer = WithoutBody(CommonMiddleware(lambda _: HttpResponse(b"rain")))
    response = answer(getattr(rf, method)("/"))
    assert (response.content, response["Content-Length"]) == (body, "4")


def test_what_is_streamed_is_left_to_the_server(rf):
    streamed = StreamingHttpResponse([b"rain"])
    assert WithoutBody(lambda _: streamed)(rf.head("/")) is streamed
