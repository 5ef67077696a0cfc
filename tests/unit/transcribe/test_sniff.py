import pytest

from chainlets.chains.transcribe.sniff import Container, sniff

MP3_FRAME = bytes.fromhex("fffb9064") + bytes(413)  # MPEG 1, layer III, 128 kbit/s, 44.1 kHz: 417 bytes
MP3_LOW_FRAME = bytes.fromhex("fff340c4") + bytes(100)  # MPEG 2, 32 kbit/s, 22.05 kHz: 104 bytes
MP2_FRAME = bytes.fromhex("fffd8404") + bytes(380)  # MPEG 1, layer II, 128 kbit/s, 48 kHz: 384 bytes
ADTS_FRAME = bytes.fromhex("fff15080020000") + bytes(9)  # 16 bytes
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
EBML = bytes.fromhex("1a45dfa3")


def id3(size: int) -> bytes:
    return b"ID3\x04\x00\x00" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)


@pytest.mark.parametrize(
    ("first_bytes", "format_", "media_type", "extension"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav", "audio/wav", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav", "audio/wav", "wav"),
        (W64 + bytes(24), "w64", "audio/x-w64", "w64"),
        (b"FORM\x00\x00\x00\x00AIFFCOMM", "aiff", "audio/aiff", "aiff"),
        (b"FORM\x00\x00\x00\x00AIFCFVER", "aiff", "audio/aiff", "aiff"),
        (MP3_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (MP3_LOW_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (MP2_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (bytes(100) + MP3_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (id3(10) + MP3_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (id3(10) + id3(300) + MP3_FRAME * 2, "mp3", "audio/mpeg", "mp3"),
        (id3(70_000)[:65_536], "mp3", "audio/mpeg", "mp3"),  # a cover picture hides the sound
        (id3(10) + b"fLaC\x00\x00\x00\x22", "flac", "audio/flac", "flac"),
        (id3(10) + ADTS_FRAME * 3, "aac", "audio/aac", "aac"),
        (b"fLaC\x00\x00\x00\x22", "flac", "audio/flac", "flac"),
        (b"OggS\x00\x02" + bytes(22) + b"\x01\x13OpusHead", "ogg", "audio/ogg", "ogg"),
        (b"OggS\x00\x02" + bytes(22) + b"\x01\x2a\x80theora", "ogg", "video/ogg", "ogv"),
        (EBML + b"\x9fB\x86\x81\x01B\x82\x84webmA_OPUS", "matroska", "audio/webm", "webm"),
        (EBML + b"\x9fB\x86\x81\x01B\x82\x84webmV_VP9A_OPUS", "matroska", "video/webm", "webm"),
        (EBML + b"\x9fB\x86\x81\x01B\x82\x88matroska", "matroska", "video/x-matroska", "mkv"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "mov", "video/mp4", "mp4"),
        (b"\x00\x00\x00\x20ftypM4A \x00\x00\x02\x00", "mov", "audio/mp4", "m4a"),
        (b"\x00\x00\x00\x20ftyp3gp4\x00\x00\x02\x00", "mov", "video/3gpp", "3gp"),
        (b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00", "mov", "video/quicktime", "mov"),
        (b"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd", "mov", "video/quicktime", "mov"),
        (ADTS_FRAME * 3, "aac", "audio/aac", "aac"),
        (b"#!AMR\n\x3c", "amr", "audio/amr", "amr"),
        (b"#!AMR-WB\n\x3c", "amr", "audio/amr", "amr"),
        (ASF + bytes(16), "asf", "video/x-ms-asf", "wma"),
        (b"caff\x00\x01\x00\x00desc", "caf", "audio/x-caf", "caf"),
    ],
)
def test_a_container_is_told_from_its_first_bytes(first_bytes, format_, media_type, extension):
    assert sniff(first_bytes) == Container(format=format_, media_type=media_type, extension=extension)


@pytest.mark.parametrize(
    "first_bytes",
    [
        b"",
        b"\x00" * 4096,
        b"Hello, this is text and no sound.",
        "UTF-16 text starts with two bytes that look like a frame.".encode("utf-16"),
        b"ffconcat version 1.0\nfile secret/other.wav\n",
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 40000 RTP/AVP 0\n",
        b"<!DOCTYPE html><html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"PK\x03\x04" + bytes(26),
        b"%PDF-1.7\n",
        b"\x1f\x8b\x08" + bytes(20),
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"RIFF\x24\x00\x00\x00WEBPVP8 ",
        b"FORM\x00\x00\x00\x00ILBM",
        b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00",
        b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00",
        b"\x00\x00\x00\x02free",
        EBML + b"\x9fB\x82\x84docx",
        MP3_FRAME + b"and then no second frame",
        ADTS_FRAME + b"and then no second frame",
        id3(4) + b"<html> in an MP3's clothes",
        b"ID3\x04\x00\x00\xff\xff\xff\xff",
    ],
)
def test_what_is_not_audio_is_not_taken(first_bytes):
    assert sniff(first_bytes) is None


@pytest.mark.parametrize("length", range(12))
def test_a_few_bytes_never_trip_it(length):
    for beginning in (
        b"RIFF\0\0\0\0WAVE",
        b"ID3\x04\0\0\0\0\0\0",
        b"\xff\xfb\x90\x64",
        b"\0\0\0\x20ftypM4A ",
    ):
        sniff(beginning[:length])
