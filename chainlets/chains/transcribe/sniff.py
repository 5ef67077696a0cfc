# ruff: noqa: PLR2004 (header bytes are numbers and nothing else)
"""Which audio container a file is, told from its first bytes and nothing else.

The name and the declared type come from a stranger, so neither is looked at. FFmpeg's own guess is
not used either: it would also recognise play lists and session descriptions, which open other files
and sockets. What is not in this table is not audio to us.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SNIFF_BYTES = 65_536
"""How many first bytes `sniff` likes to see; fewer are fine, but tell MP3 from noise less surely."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One recognised container."""

    format: str  # the name of FFmpeg's demuxer, given to it so that it guesses nothing
    media_type: str
    extension: str  # without a dot


WAV = Container(format="wav", media_type="audio/wav", extension="wav")
W64 = Container(format="w64", media_type="audio/x-w64", extension="w64")
AIFF = Container(format="aiff", media_type="audio/aiff", extension="aiff")
MP3 = Container(format="mp3", media_type="audio/mpeg", extension="mp3")
FLAC = Container(format="flac", media_type="audio/flac", extension="flac")
OGG = Container(format="ogg", media_type="audio/ogg", extension="ogg")
OGG_VIDEO = Container(format="ogg", media_type="video/ogg", extension="ogv")
MATROSKA = Container(format="matroska", media_type="video/x-matroska", extension="mkv")
MATROSKA_AUDIO = Container(format="matroska", media_type="audio/x-matroska", extension="mka")
WEBM = Container(format="matroska", media_type="video/webm", extension="webm")
WEBM_AUDIO = Container(format="matroska", media_type="audio/webm", extension="webm")
MP4 = Container(format="mov", media_type="video/mp4", extension="mp4")
M4A = Container(format="mov", media_type="audio/mp4", extension="m4a")
MOV = Container(format="mov", media_type="video/quicktime", extension="mov")
THREE_GP = Container(format="mov", media_type="video/3gpp", extension="3gp")
AAC = Container(format="aac", media_type="audio/aac", extension="aac")
AMR = Container(format="amr", media_type="audio/amr", extension="amr")
ASF = Container(format="asf", media_type="video/x-ms-asf", extension="wma")
CAF = Container(format="caf", media_type="audio/x-caf", extension="caf")

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_EBML = bytes.fromhex("1a45dfa3")
_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
_PICTURE_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
    | {b"avif", b"avis", b"crx ", b"jp2 ", b"jpx ", b"jpm "}
)
_OLD_MOV_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def sniff(first_bytes: bytes) -> Container | None:
    """The container these bytes begin, or None if it is none we take."""
    for matches in _BY_SIGNATURE:
        found = matches(first_bytes)
        if found is not None:
            return found
    if first_bytes.startswith(b"ID3"):
        return _after_id3(first_bytes)
    return _bare_frames(first_bytes)


def _riff(data: bytes) -> Container | None:
    if data[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and data[8:12] == b"WAVE":
        return WAV
    if data.startswith(_W64_RIFF):
        return W64
    return AIFF if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC") else None


def _plain_magic(data: bytes) -> Container | None:
    for magic, container in _PLAIN:
        if data.startswith(magic):
            return container
    return None


_PLAIN = (
    (b"fLaC", FLAC),
    (b"#!AMR\n", AMR),
    (b"#!AMR-WB\n", AMR),
    (_ASF_HEADER, ASF),
    (b"caff\x00\x01", CAF),
)


def _ogg(data: bytes) -> Container | None:
    if not data.startswith(b"OggS\x00"):
        return None
    return OGG_VIDEO if b"\x80theora" in data[:4096] else OGG


def _matroska(data: bytes) -> Container | None:
    if not data.startswith(_EBML):
        return None
    head = data[:4096]
    only_audio = b"A_" in head and b"V_" not in head
    if b"webm" in data[:64]:
        return WEBM_AUDIO if only_audio else WEBM
    if b"matroska" in data[:64]:
        return MATROSKA_AUDIO if only_audio else MATROSKA
    return None


def _mov(data: bytes) -> Container | None:
    box = data[4:8]
    if box != b"ftyp":
        return MOV if box in _OLD_MOV_BOXES and _box_size_is_sane(data) else None
    brand = data[8:12]
    if len(brand) < 4 or brand in _PICTURE_BRANDS:
        return None
    if brand in _AUDIO_BRANDS:
        return M4A
    if brand.startswith(b"3g"):
        return THREE_GP
    return MOV if brand == b"qt  " else MP4


def _box_size_is_sane(data: bytes) -> bool:
    size = int.from_bytes(data[:4], "big")
    return size in (0, 1) or size >= 8  # 0: to the end of the file, 1: a 64-bit size follows


_BY_SIGNATURE: tuple[Callable[[bytes], Container | None], ...] = (
    _riff,
    _plain_magic,
    _ogg,
    _matroska,
    _mov,
)


def _after_id3(data: bytes) -> Container | None:
    """What follows an ID3v2 tag; MP3 where the tag is longer than the bytes we have."""
    if len(data) < 10 or data[3] == 0xFF or any(byte & 0x80 for byte in data[6:10]):
        return None
    size = 0
    for byte in data[6:10]:  # "syncsafe": seven bits a byte
        size = size << 7 | byte
    footer = 10 if data[5] & 0x10 else 0
    rest = data[10 + size + footer :]
    if not rest:
        return MP3
    if rest.startswith(b"ID3"):
        return _after_id3(rest)
    if rest.startswith(b"fLaC"):
        return FLAC
    return _bare_frames(rest)


def _bare_frames(data: bytes) -> Container | None:
    """MP3 or ADTS: no magic number, but every frame says where the next one begins."""
    data = data.lstrip(b"\x00")  # encoders and joiners leave padding
    for container, frame_length in ((AAC, _adts_frame_length), (MP3, _mpeg_frame_length)):
        length = frame_length(data)
        if length is None:
            continue
        following = data[length:]
        if len(following) < 8 or frame_length(following) is not None:
            return container
    return None


def _adts_frame_length(data: bytes) -> int | None:
    """Bytes of the ADTS frame at the start, None if there is none."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    rate_index = data[2] >> 2 & 0x0F
    length = (data[3] & 0x03) << 11 | data[4] << 3 | data[5] >> 5
    return length if rate_index < 13 and length > 7 else None


# kbit/s by the header's four bits, for MPEG 1 and for MPEG 2 / 2.5; layers II and III.
_RATES_1_LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_RATES_1_LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _mpeg_frame_length(data: bytes) -> int | None:
    """Bytes of the MPEG audio frame (layer II or III) at the start, None if there is none."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    rate_index, sample_index, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer not in (1, 2) or rate_index in (0, 15) or sample_index == 3:
        return None
    if version == 3:
        rates = _RATES_1_LAYER_3 if layer == 1 else _RATES_1_LAYER_2
        samples = 1152
    else:
        rates, samples = _RATES_2, 576 if layer == 1 else 1152
    sample_rate = _SAMPLE_RATES[version][sample_index]
    return samples // 8 * rates[rate_index] * 1000 // sample_rate + padding
