"""Every kind of error has the same shape."""

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions

from webapp.accounts.errors import LoginThrottled
from webapp.api.problems import MEDIA_TYPE, problem_response
from webapp.errors import NotFound, WebappError
from webapp.files.errors import FileTooLarge


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(), 404, "not_found"),
        (FileTooLarge(limit=10), 413, "file_too_large"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (RequestDataTooBig(), 413, "too_large"),
        (SuspiciousOperation(), 400, "bad_request"),
        (exceptions.ParseError(), 400, "parse_error"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.ValidationError({"a": ["is missing"]}), 422, "invalid"),
    ],
)
def test_the_shape(error, status, code):
    response = problem_response(error, {})
    assert response.status_code == status
    assert response.content_type == MEDIA_TYPE
    assert response.data["status"] == status
    assert response.data["code"] == code
    assert response.data["detail"]
    assert set(response.data) == {"type", "title", "status", "code", "detail", "errors"}


def test_nested_faults_are_named_by_path():
    response = problem_response(exceptions.ValidationError({"a": {"b": ["no"]}, "c": ["x", "y"]}), {})
    assert response.data["errors"] == {"a.b": ["no"], "c": ["x", "y"]}
    assert response.data["detail"] == "a.b: no; c: x y"


def test_throttling_says_when_to_come_back():
    response = problem_response(LoginThrottled(retry_after=90), {})
    assert response.headers["Retry-After"] == "90"
    assert "2 minutes" in response.data["detail"]


def test_what_we_did_not_expect_is_left_to_django():
    assert problem_response(RuntimeError("secret detail"), {}) is None


def test_the_docstring_is_the_default_sentence():
    class Full(WebappError):
        """The shelf is full. Remove something."""

    assert Full().detail == "The shelf is full. Remove something."
    assert str(Full("Otherwise.")) == "Otherwise."
