"""Which bytes a Range header gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.files.ranges import Span, Unsatisfiable, parse_range

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-", 0, 999),
        ("bytes=0-0", 0, 0),
        ("bytes=-5", 995, 999),
        ("bytes=-5000", 0, 999),
        ("bytes=999-", 999, 999),
        ("bytes=10-19", 10, 19),
        ("bytes=10-99999", 10, 999),
        (" bytes=10-19 ", 10, 19),
    ],
)
def test_one_range_is_given(header, first, last):
    assert parse_range(header, size=SIZE) == Span(first=first, last=last)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=abc",
        "abc",
        "bytes=0-0,2-3",
        "bytes=" + ",".join(["0-0,2-3"] * 200),
        "items=0-5",
        "bytes=٣-",
        "bytes=0-5;x",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_anything_else_is_ignored(header):
    assert parse_range(header, size=SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=99999-", "bytes=1000-1001", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header):
    with pytest.raises(Unsatisfiable):
        parse_range(header, size=SIZE)


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,5}-\d{0,5}"), st.integers(1, 10_000))
def test_a_span_never_leaves_the_file(header, size):
    try:
        span = parse_range(header, size=size)
    except Unsatisfiable:
        return
    assert span is None or 0 <= span.first <= span.last < size
