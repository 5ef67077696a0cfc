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
    assert text.index("RuntimeError: cannot go on") < text.index("dependency Chainlet `Mid`")
    assert text.index("dependency Chainlet `Mid`") < text.index("dependency Chainlet `Leaf`")
    assert text.splitlines()[-1] == "╰   ╰   LookupError: no word"


def test_the_callers_exception_has_what_led_to_it_as_its_cause():
    root = failure_from(caught(CustomError("broken")), chainlet="Leaf")
    middle = failure_from(caught(ValueError("no"), exception_from(root)), chainlet="Mid")
    error = exception_from(middle)

    assert type(error) is ValueError
    assert type(error.__cause__) is CustomError
    assert error.__cause__.failure.chainlet == "Leaf"


def test_an_earlier_exception_of_the_same_code_is_part_of_the_story():
    def convert():
        try:
            return int("nine")
        except ValueError as error:
            raise LookupError("no number") from error

    with pytest.raises(LookupError) as raised:
        convert()
    failure = failure_from(raised.value, chainlet="Leaf")

    assert (failure.cause.type, failure.cause.chainlet) == ("ValueError", None)
    assert failure.root.frames[-1].code == 'return int("nine")'
    assert "raised while this was handled" in failure.text()


def test_a_status_that_an_exception_asks_for_is_kept():
    class Teapot(Exception):
        status_code = 418

    failure = failure_from(caught(Teapot("short and stout")), chainlet="Leaf")

    assert failure.status == 418
    assert exception_from(failure).status_code == 418


def test_errors_say_whether_a_second_try_can_help():
    assert failure_from(caught(ValueError("x"))).retryable
    assert not failure_from(caught(chains.InputRejected("x"))).retryable
    lost = exception_from(
        Failure(type="WorkerLost", module="chainlets.errors", message="gone", retryable=False)
    )
    assert type(lost) is chains.WorkerLost
    assert not lost.retryable
