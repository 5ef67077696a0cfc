"""Failures cross processes as data and come back as exceptions."""

import pytest

import chainlets as chains
from chainlets.failure import Failure, exception_from, failure_from


class CustomError(Exception):
    """A class that lives here."""


class Unbuildable(Exception):
    """Cannot be made from one string."""

    def __init__(self, a, b):
        super().__init__(a, b)


def caught(error, cause=None):
    try:
        raise error from cause
    except Exception as raised:
        return raised


def test_the_callers_exception_is_of_the_same_class_and_carries_the_story():
    failure = failure_from(caught(CustomError("broken")), chainlet="Leaf", invocation="i", attempt=2)
    error = exception_from(failure)

    assert type(error) is CustomError
    assert str(error) == "broken"
    assert error.failure == failure
    assert failure.frames[-1].code == "raise error from cause"
    assert failure.frames[-1].file.endswith("test_failures.py")


@pytest.mark.parametrize("name", ["Unbuildable", "DoesNotExist"])
def test_a_class_that_is_unknown_or_cannot_be_built_becomes_a_generic_one(name):
    error = exception_from(Failure(type=name, module=__name__, message="m"))
    assert type(error) is chains.GenericRemoteException
    assert str(error) == f"{name}: m"


def test_a_chain_of_failures_reads_from_the_top_to_the_root():
    root = failure_from(caught(LookupError("no word")), chainlet="Leaf")
    middle = failure_from(caught(exception_from(root)), chainlet="Mid")
    top = failure_from(caught(RuntimeError("cannot go on"), exception_from(middle)), chainlet="Top")

    assert [top.chainlet, top.cause.chainlet, top.cause.cause.chainlet] == ["Top", "Mid", "Leaf"]
    assert top.root.message == "no word"
    assert Failure.model_validate_json(top.model_dump_json()) == top
    text = top.text()
    assert (
        text.index("RuntimeError in Top")
        < text.index("LookupError in Mid")
        < text.index("LookupError in Leaf")
    )


def test_errors_say_whether_a_second_try_can_help():
    assert failure_from(caught(ValueError("x"))).retryable
    assert not failure_from(caught(chains.InputRejected("x"))).retryable
    lost = exception_from(
        Failure(type="WorkerLost", module="chainlets.errors", message="gone", retryable=False)
    )
    assert type(lost) is chains.WorkerLost
    assert not lost.retryable
