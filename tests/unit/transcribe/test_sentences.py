from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainlets.chains.transcribe.sentences import sentences
from chainlets.chains.transcribe.types import Word
from chainlets.chains.transcribe.words import (
    ends_clause,
    ends_sentence,
    is_clinging,
    is_conjunction,
    is_trailing,
)


def spoken(text: str, *, seconds: float = 0.3, pauses: dict[int, float] | None = None) -> list[Word]:
    """Words of equal length; `pauses` says how long it is silent before a word."""
    words, now = [], 0.0
    for at, part in enumerate(text.split()):
        now += (pauses or {}).get(at, 0.0)
        words.append(Word(start=now, end=now + seconds, text=part, confidence=0.5))
        now += seconds
    return words


def texts(words: list[Word], language: str = "en") -> list[str]:
    return [segment.text for segment in sentences(words, language=language)]


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Hello there.|How are you?|Fine!|Well…|Good."),
        ("en", '"Come in."|He came.'),
        ("en", '"What?" she asked.|"Nothing."|(He lied.)|So it was.'),
        ("en", "Mr. Smith met Dr. Jones on St. James St. in May.|They talked."),
        ("en", "J. F. Kennedy was born in the U.S. Army hospital.|He was.|So am I.|He left."),
        ("en", "We lived in the U.S.|We moved at 5 p.m.|Then we slept."),
        ("en", "I. M. Pei built it by Plan B.|Then came T. S. Eliot."),
        ("en", "Fruit, e.g. Apples, i.e. what grows, vs. Meat.|Good."),
        ("en", "It is 3.5 percent.|No. 7 is next.|No.|We left on Dec. 24.|7 came."),
        ("en", "1. Open it.|2. Close it."),
        ("en", "I think... maybe not.|Wait...|Who?|I use the etc. folder."),
        ("en", "all is small.|and so on"),
        ("en", "One more rep.|Rep. Miller agreed."),
        ("de", "Am 3. Oktober kam Hr. Maier, d.h. Udo.|Es war 1989.|„Gut.“|Ende."),
        ("de", "Das sind z.B. Äpfel bzw. Birnen.|Gut."),
        ("fr", "M. Dupont est là.|« Bonjour ! »|Il sort."),
        ("es", "¿Qué?|¡No!|El Sr. García vino."),
        ("hi", "वह आया।|वह गया।"),
        ("ar", "هل جاء؟|نعم."),
        ("ur", "وہ آیا۔|وہ گیا۔"),
        ("ko", "네.|좋아요."),
        ("el", "Τι κάνεις;|Καλά."),
    ],
)
def test_where_sentences_end(language, written):
    assert texts(spoken(written.replace("|", " ")), language) == written.split("|")


@pytest.mark.parametrize(
    ("said", "want"),
    [
        (["你", "好", "。", "3", ".", "5", "元", "？", "」", "好"], ["你好。", "3.5元？」", "好"]),
        (["今天", "很好。", "走", "吧！"], ["今天很好。", "走吧！"]),
    ],
)
def test_languages_without_spaces_are_joined_without_them(said, want):
    assert texts(spoken(" ".join(said)), "zh") == want


def test_marks_that_stand_apart_belong_to_the_word_before():
    assert texts(spoken("Ça va ? Oui ! « Bien . » — Non ."), "fr") == [
        "Ça va ?",
        "Oui !",
        "« Bien . »",
        "— Non .",
    ]


def test_a_silence_of_more_than_two_seconds_ends_a_sentence():
    assert texts(spoken("one two three", pauses={1: 2.0, 2: 2.01})) == ["one two", "three"]


def test_a_segment_is_what_its_words_are():
    words = [
        Word(start=1.0, end=1.2, text="Oh", confidence=0.5),
        Word(start=1.3, end=1.6, text="no.", confidence=0.8),
        Word(start=1.7, end=2.0, text="Yes.", confidence=None),
    ]
    first, second = sentences(words, language="en")
    assert (first.start, first.end, first.confidence, first.words) == (1.0, 1.6, 0.65, words[:2])
    assert (second.confidence, second.speaker, second.doubtful) == (None, None, False)
    assert sentences([], language="en") == []


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (spoken("w " * 100, seconds=0.35, pauses={40: 0.5, 60: 0.4}), 40),  # at the longest pause
        (spoken("w " * 100, seconds=0.35, pauses={1: 1.5}), 50),  # but not at the very edge
        (spoken("w " * 45 + "w, " + "w " * 20 + "w; " + "w " * 33, seconds=0.35), 46),  # after a clause
        (spoken("w " * 100, seconds=0.35), 50),  # in the middle
        (spoken("letters " * 50, seconds=0.1), 25),  # too long to read
    ],
)
def test_where_long_sentences_are_cut(words, first):
    parts = sentences(words, language="en")
    assert len(parts[0].words) == first
    assert len(parts) == 2


def test_small_questions_about_words():
    assert ends_clause('then,"', language="en")
    assert not ends_clause("then", language="en")
    assert not ends_clause("τι;", language="el")
    assert is_conjunction("And", language="en")
    assert not is_conjunction("and", language="xx")
    assert is_clinging("the", language="en")
    assert not is_clinging("the", language="de")
    assert is_trailing('?"')
    assert not is_trailing("—")
    assert not ends_sentence("", "", language="en")


WORD = st.builds(
    Word,
    start=st.floats(0, 1e5),
    end=st.floats(0, 1e5),
    text=st.text(st.sampled_from("aB3.?!,;\"'”)(—你。、é"), min_size=1, max_size=8),
    confidence=st.none() | st.floats(0, 1),
)


@st.composite
def speech(draw):
    """Words one after the other, as a model should give them."""
    now, words = 0.0, []
    parts = st.tuples(st.floats(0, 3), st.floats(0, 1.5), st.text("aB3.?,;”你。", min_size=1, max_size=60))
    for pause, length, text in draw(st.lists(parts, max_size=60)):
        words.append(Word(start=now + pause, end=now + pause + length, text=text))
        now += pause + length
    return words


LANGUAGES = st.sampled_from(["en", "de", "zh", "th", "", "xx"])


@given(st.lists(WORD, max_size=40), LANGUAGES)
def test_any_words_come_out_once_and_in_order(words, language):
    found = sentences(words, language=language)
    assert [word for segment in found for word in segment.words] == words
    assert all(segment.words for segment in found)


@given(speech(), LANGUAGES)
def test_no_sentence_is_too_long_or_holds_a_long_silence(words, language):
    for segment in sentences(words, language=language):
        assert all(after.start - before.end <= 2 for before, after in pairwise(segment.words))
        if len(segment.words) > 1:
            assert segment.end - segment.start <= 30
            assert len(segment.text) <= 350
