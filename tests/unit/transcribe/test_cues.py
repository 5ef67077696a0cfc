import unicodedata
from itertools import pairwise, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainlets.chains.transcribe.cues import Cue, cues_of
from chainlets.chains.transcribe.sentences import sentences
from chainlets.chains.transcribe.types import Segment, Word


def spoken(text: str, *, seconds: float = 0.3, pauses: dict[int, float] | None = None) -> Segment:
    words, now = [], 0.0
    for at, part in enumerate(text.split()):
        now += (pauses or {}).get(at, 0.0)
        words.append(Word(start=now, end=now + seconds, text=part))
        now += seconds
    return Segment(start=0.0, end=now, text=text, words=words)


def cues(
    *segments: Segment, language: str = "en", duration: float = 100.0, labels: bool = False
) -> list[Cue]:
    return cues_of(segments, language=language, duration=duration, labels=labels)


def lines(*segments: Segment, language: str = "en", labels: bool = False) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(*segments, language=language, labels=labels)]


def width(line: str) -> float:
    return sum(42 / 16 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


@pytest.mark.parametrize(
    ("segment", "want"),
    [
        (spoken("Hello there."), [("Hello there.",)]),
        (spoken("x" * 20 + " " + "y" * 21), [("x" * 20 + " " + "y" * 21,)]),  # 42 letters are one line
        (  # two lines, balanced, and no short last one
            spoken("This is a sentence that needs two lines now."),
            [("This is a sentence", "that needs two lines now.")],
        ),
        (  # whole sentences first, together if they fit
            spoken(
                "He came. He left. The second one, and that says it, is long enough for a cue of its own here."
            ),
            [
                ("He came. He left.",),
                ("The second one, and that says it,", "is long enough for a cue of its own here."),
            ],
        ),
        (  # then clauses
            spoken(
                "We went to the old house by the river, which nobody had opened for many years before that."
            ),
            [
                ("We went to the old house by the river,",),
                ("which nobody had opened", "for many years before that."),
            ],
        ),
        (  # then pauses
            spoken(
                "the people of this small town never told anybody what had been found under their old bridge",
                pauses={8: 0.6},
            ),
            [
                ("the people of this small town never told",),
                ("anybody what had been found", "under their old bridge"),
            ],
        ),
        (  # then before a conjunction
            spoken(
                "the people of this small town never told anybody and nobody asked them under their old bridge"
            ),
            [
                ("the people of this small", "town never told anybody"),
                ("and nobody asked them", "under their old bridge"),
            ],
        ),
        (spoken("one two three", pauses={1: 6.5}), [("one",), ("two three",)]),  # seven seconds at most
        (spoken("z" * 100), [("z" * 25, "z" * 25)] * 2),
    ],
)
def test_where_cues_and_lines_end(segment, want):
    assert lines(segment) == want


def test_wide_letters_fill_a_line_of_sixteen():
    said = "今天天气很好我们去公园玩吧你说这个价格对于大多数普通的家庭来说还是太贵了。"
    segment = Segment(start=0, end=9, text=said)
    shown = lines(segment, language="zh")
    assert "".join(line for cue in shown for line in cue) == said
    assert all(len(line) <= 16 for cue in shown for line in cue)
    assert not any(line[0] == "。" for cue in shown for line in cue)
    assert lines(
        Segment(start=0, end=3, text="我们用（Python 3）写代码，然后在服务器上运行它。"), language="zh"
    ) == [("我们用（Python 3）写代码，", "然后在服务器上运行它。")]


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        ("zh", "We like it.", "We like it."),  # a translation
        ("zh", "Welikeit.", "Welikeit."),
        ("en", "We likeit.", "We likeit."),
        ("en", "something else", "We like it."),
        ("zh", "something else", "Welikeit."),
    ],
)
def test_words_are_spaced_as_in_the_text_or_else_as_in_the_language(language, text, line):
    segment = spoken("We like it.").model_copy(update={"text": text})
    assert lines(segment, language=language) == [(line,)]


def test_segments_without_words_are_cut_by_their_letters():
    short = Segment(start=1, end=21, text="Hello there.")
    assert [(cue.start, cue.end) for cue in cues(short)] == [(1000, 21000)]
    long = Segment(start=0, end=9, text="a" * 38 + ", " + "b" * 40 + " " + "c" * 39 + ".")
    first, second = cues(long)
    assert (first.lines, second.lines) == (("a" * 38 + ",",), ("b" * 40, "c" * 39 + "."))
    assert (first.start, second.start, second.end) == (0, 2950, 9000)
    assert cues(Segment(start=0, end=1, text=" \n")) == []


@pytest.mark.parametrize(
    ("next_start", "text", "end"),
    [
        (9.0, "Oh.", 1800),  # long enough to be seen
        (1.5, "Oh.", 1500),  # the next one comes
        (1.1, "Oh.", 1200),  # its words are still heard, so the next one waits
        (9.0, "abcdefghi " * 3 + "abcdefghij", 2200),  # no more than a second of silence
        (9.0, "abcdefghi abcdefghi abcd", 2200),
        (9.0, "abcdefghi abcdefghij", 2000),  # twenty letters a second
    ],
)
def test_how_long_a_cue_stays(next_start, text, end):
    segment = Segment(start=1.0, end=1.2, text=text, words=[Word(start=1.0, end=1.2, text=text)])
    after = Segment(start=next_start, end=next_start + 1, text="Next.")
    first, second = cues(segment, after)
    assert first.end == end
    assert second.start == max(round(next_start * 1000), end)


def test_no_cue_stays_on_after_the_file():
    assert cues(Segment(start=1.0, end=1.2, text="Oh."), duration=1.4)[0].end == 1400


def test_a_segment_that_says_nothing_takes_no_name():
    silent = Segment(start=0, end=1, text=" ", speaker="Ann")
    assert lines(silent, Segment(start=1, end=2, text="Oh.", speaker="Ann"), labels=True) == [("Ann: Oh.",)]


def test_a_name_takes_part_of_the_line_and_stays_with_its_words():
    segment = spoken("x" * 20 + " " + "y" * 20).model_copy(update={"speaker": " Ann\nLee "})
    assert lines(segment, segment, labels=True) == [
        ("Ann Lee: " + "x" * 20, "y" * 20),
        ("x" * 20 + " " + "y" * 20,),
    ]
    assert cues(segment)[0].speaker == "Ann Lee"


WORDS = st.text(st.sampled_from("abcd,.?;é你。、“”"), min_size=1, max_size=20)


@st.composite
def speech(draw, *, longest=1.5):
    now, words = 0.0, []
    for pause, length, text in draw(
        st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, longest), WORDS), max_size=40)
    ):
        words.append(Word(start=now + pause, end=now + pause + length, text=text))
        now += pause + length
    return words


@given(speech(), st.sampled_from(["en", "zh", ""]), st.booleans())
def test_subtitles_keep_their_limits(words, language, whole):
    segments = sentences(words, language=language)
    if whole and words:
        segments = [Segment(start=words[0].start, end=words[-1].end, text="", words=words)]
    shown = cues(*segments, language=language, duration=1e6)
    want = "".join(word.text for word in words)
    assert "".join("".join(cue.lines) for cue in shown).replace(" ", "") == want
    at = 0
    for cue, after in zip_longest(shown, shown[1:]):
        own, held = [], "".join(cue.lines).replace(" ", "")
        while at < len(words) and len("".join(word.text for word in own)) < len(held):
            own.append(words[at])
            at += 1
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < width(line) <= 42 for line in cue.lines)
        assert 0 <= cue.start < cue.end
        assert after is None or cue.end <= after.start
        if "".join(word.text for word in own) == held:  # no word wider than a line was cut
            assert abs(cue.start - own[0].start * 1000) <= 1
            assert cue.end >= own[-1].end * 1000 - 1
            assert cue.end <= max(own[-1].end * 1000 + 1001, cue.start + 801)
            assert cue.end - cue.start <= 7001


@given(
    st.lists(
        st.builds(
            Segment,
            start=st.floats(0, 1e5),
            end=st.floats(0, 1e5),
            text=st.text(max_size=200),
            speaker=st.none() | st.text(max_size=60),
            words=st.lists(
                st.builds(
                    Word,
                    start=st.floats(0, 1e5),
                    end=st.floats(0, 1e5),
                    text=st.text(min_size=1, max_size=99),
                ),
                max_size=5,
            ),
        ),
        max_size=5,
    ),
    st.sampled_from(["en", "ja", ""]),
)
def test_whatever_comes_nothing_is_lost_and_no_cues_meet(segments, language):
    shown = cues(*segments, language=language, duration=0.0)
    said = "".join(
        "".join(word.text for word in segment.words) if segment.words else segment.text
        for segment in segments
    )
    assert "".join("".join("".join(cue.lines).split()) for cue in shown) == "".join(said.split())
    named = cues(*segments, language=language, duration=0.0, labels=True)
    for row in (shown, named):
        assert all(0 <= cue.start < cue.end and all(cue.lines) for cue in row)
        assert all(cue.end <= after.start for cue, after in pairwise(row))
