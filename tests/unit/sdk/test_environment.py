"""Variables that chainlets of one process set."""

import os
from unittest.mock import patch

import pytest

import chainlets as chains
from chainlets import environment
from chainlets.environment import set_environment


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.setattr(environment, "_claims", {})
    with patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"}):
        yield


def test_variables_are_set_and_may_be_shared():
    set_environment(chainlet="A", variables={"CHAINLETS_TEST_X": "1", "CHAINLETS_TEST_Y": "2"})
    set_environment(chainlet="B", variables={"CHAINLETS_TEST_X": "1"})
    set_environment(chainlet="A", variables={"CHAINLETS_TEST_Y": "3"})
    assert (os.environ["CHAINLETS_TEST_X"], os.environ["CHAINLETS_TEST_Y"]) == ("1", "3")


def test_two_chainlets_that_want_different_values_are_both_named():
    set_environment(chainlet="A", variables={"CHAINLETS_TEST_X": "1"})
    with pytest.raises(
        chains.ChainsUsageError, match=r"`B` sets the environment variable CHAINLETS_TEST_X .* than `A` does"
    ):
        set_environment(chainlet="B", variables={"CHAINLETS_TEST_Y": "2", "CHAINLETS_TEST_X": "s3cret"})
    assert os.environ["CHAINLETS_TEST_X"] == "1"
    assert "CHAINLETS_TEST_Y" not in os.environ


def test_what_the_operator_has_set_wins_with_one_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setenv("CHAINLETS_TEST_X", "operator")
    for chainlet, value in (("A", "operator"), ("B", "author")):
        set_environment(chainlet=chainlet, variables={"CHAINLETS_TEST_X": value})
    assert os.environ["CHAINLETS_TEST_X"] == "operator"
    assert caplog.messages == [
        "CHAINLETS_TEST_X stays as this process's environment has it, not as `B` sets it"
    ]


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("A=B", "x"), ("A", "\0")])
def test_a_variable_that_cannot_be_set_is_refused(name, value):
    with pytest.raises(chains.ChainsUsageError, match=r"which cannot be set. Correct `env_variables`"):
        set_environment(chainlet="A", variables={name: value})
