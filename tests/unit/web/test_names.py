"""Strangers' file names are shown safely."""

import pytest

from webapp.files.errors import readable_size
from webapp.files.names import MAX_LENGTH, clean_name, download_name


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("interview.mp3", "interview.mp3"),
        ("../../etc/passwd", "passwd"),
        ("/abs", "abs"),
        ("C:\\x", "x"),
        ("..%2f", "..%2f"),
        ("CON", "CON"),
        ("a\r\nX: y", "aX: y"),
        ("a\x00b", "ab"),
        ("safe\u202e3pm.exe", "safe3pm.exe"),
        ("  two   blanks ", "two blanks"),
        ("family 👨‍👩‍👧.ogg", "family 👨‍👩‍👧.ogg"),
        ("..", "untitled"),
        ("", "untitled"),
        ("a/", "untitled"),
        ("\ud800", "untitled"),
    ],
)
def test_shown_names(given, shown):
    assert clean_name(given) == shown


def test_long_names_keep_their_ending():
    name = clean_name("x" * 5000 + ".flac")
    assert len(name) == MAX_LENGTH
    assert name.endswith("x.flac")


@pytest.mark.parametrize(
    ("name", "media_type", "saved"),
    [
        ("a.mp3", "audio/mpeg", "a.mp3"),
        ("a.php", "audio/mpeg", "a.php.mp3"),
        ("a.mp3.html", "audio/wav", "a.mp3.html.wav"),
        ("a.mp3%00.php", "audio/flac", "a.mp3%00.php.flac"),
        ("a.MP3 ", "audio/mpeg", "a.MP3"),
        ("film.mov", "video/mp4", "film.mov"),
        ("noending", "video/x-matroska", "noending.mkv"),
        ("peaks.json", "application/json", "peaks.json"),
    ],
)
def test_saved_names_do_not_promise_what_the_file_is_not(name, media_type, saved):
    assert download_name(name, media_type) == saved


@pytest.mark.parametrize(
    ("size", "text"), [(512, "512 bytes"), (1536, "1.5 KiB"), (4 * 1024**3, "4 GiB"), (5 * 1024**4, "5 TiB")]
)
def test_sizes_as_people_write_them(size, text):
    assert readable_size(size) == text
