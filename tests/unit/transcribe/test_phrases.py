import pytest

from chainlets.chains.transcribe.phrases import phrases_of

FIRST_TIME = 1_000


def at(seconds: float) -> int:
    return FIRST_TIME + round(seconds / 0.02)


@pytest.mark.parametrize(
    ("tokens", "expected", "heard_until"),
    [
        ([], [], 0.0),
        ([at(0), 1, 2, at(3)], [(0.0, 3.0, (1, 2))], 3.0),
        ([at(0), 1, at(2), at(2.5), 2, at(4)], [(0.0, 2.0, (1,)), (2.5, 4.0, (2,))], 4.0),
        ([at(1), 1, 2], [(1.0, 10.0, (1, 2))], 10.0),  # it broke off: the text counts to the end
        ([1, 2], [(0.0, 10.0, (1, 2))], 10.0),
        ([at(0), 1, at(25)], [(0.0, 10.0, (1,))], 10.0),  # no time lies past the window
        ([at(3), 1, at(2)], [(3.0, 3.0, (1,))], 3.0),  # time does not run backwards
        ([at(0), at(5)], [], 0.0),
    ],
)
def test_tokens_become_phrases(tokens, expected, heard_until):
    found, until = phrases_of(tokens, first_time=FIRST_TIME, length=10.0)
    assert [(phrase.start, phrase.end, phrase.tokens) for phrase in found] == expected
    assert until == heard_until
