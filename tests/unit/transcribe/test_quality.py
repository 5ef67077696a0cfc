import pytest

from chainlets.chains.transcribe.quality import (
    Doubt,
    Take,
    doubts,
    has_loop,
    is_made_up,
    is_silence,
    score,
    words_of,
)

GOOD = "And so, my fellow Americans, ask not what your country can do for you."


def take(
    text: str = GOOD, *, log_probability: float = -0.2, no_speech: float = 0.0, heard_until: float = 5.0
) -> Take:
    return Take(
        text=text, tokens=(), log_probability=log_probability, no_speech=no_speech, heard_until=heard_until
    )


@pytest.mark.parametrize(
    ("tried", "language", "expected"),
    [
        (take(), "en", set()),
        (take(log_probability=-0.9), "en", {Doubt.UNSURE}),
        (take(heard_until=3.0), "en", {Doubt.TAIL}),
        (
            take(f"{GOOD} {GOOD}", heard_until=1.0),
            "en",
            {Doubt.LOOP, Doubt.ECHO, Doubt.RATE},
        ),  # the time is what is wrong
        (take("Thank you."), "en", {Doubt.RATE}),
        (take("ask not what your country can do ask not what your aunt can do"), "en", {Doubt.ECHO}),
        (take("you you you you you you you you"), "en", {Doubt.LOOP, Doubt.ECHO, Doubt.REPETITIVE}),
        (take("no no no more of that, he said to them"), "en", set()),
        (take("私は学生です。毎日大学で日本語を勉強します。"), "ja", set()),
        (take(""), "en", {Doubt.RATE}),
    ],
)
def test_each_way_of_failing_leaves_its_mark(tried, language, expected):
    assert doubts(tried, speech=5.0, speech_ends=5.0, language=language) == expected


def test_repetition_shows_in_how_well_text_packs():
    found = doubts(take("the same thing, the other thing, " * 6), speech=12.0, speech_ends=5.0, language="en")
    assert Doubt.REPETITIVE in found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a b c d", False),
        ("a a a", False),
        ("a a a a", True),
        ("a b a b", False),
        ("a b a b a b", True),
        ("a b c d a b c d", True),
        ("x a b c d y a b c d", False),
    ],
)
def test_a_loop_is_words_that_come_again_at_once(words, expected):
    assert has_loop(words.split()) is expected


def test_the_better_of_two_takes_is_the_one_without_a_loop():
    looping, halting = take("you " * 8, log_probability=-0.1), take(log_probability=-0.7)
    assert score(halting, frozenset({Doubt.UNSURE})) > score(
        looping, frozenset({Doubt.LOOP, Doubt.REPETITIVE})
    )


def test_text_without_spaces_is_counted_in_letters():
    assert words_of("学生です。", language="ja") == ["学生", "です"]
    assert words_of("Don't stop!", language="en") == ["dont", "stop"]


def test_silence_needs_both_the_models_doubt_and_its_uncertainty():
    assert is_silence(take(no_speech=0.9, log_probability=-1.5))
    assert not is_silence(take(no_speech=0.9))


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        (take("and now for something else"), False),
        (take("your country can do"), True),  # said before
        (take("Thank you.", log_probability=-1.3), True),
        (take(""), True),
        (take("no no no no no"), True),
    ],
)
def test_a_second_look_must_bring_something_new(tried, expected):
    assert is_made_up(tried, before=GOOD, language="en") is expected
