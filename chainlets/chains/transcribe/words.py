"""What a word and the next one say about where text may be cut. Pure.

Only what is common is known here: a rule that needs grammar is not worth its mistakes. A word that
no rule knows keeps its sentence together less often than it should, which readers hardly notice.
"""

from __future__ import annotations

import re
import unicodedata

from chainlets.chains.transcribe.quality import UNSPACED


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOPS = frozenset(".?!…。？！．｡।॥؟۔։።፧။។៕།‼⁇⁈⁉\u037e")
_COMMAS = frozenset(",;:，；：、､،؛—–·၊፣፤")
_QUOTES = frozenset("\"'＂＇")
_CLOSES = frozenset({"Pe", "Pf", "Pi"})  # German closes with “, Danish with «

_NEVER = _set_of(
    # what always goes on, in lower case and without the last point
    "mr mrs ms mx dr prof messrs vs cf viz approx e.g i.e p.ex p.ej u.a z.b d.h bzw ca sog mme mlle sra dra "
    "avv dhr mevr т.е т.к"
)
_TITLES = _set_of(
    # the same, but only with a capital: “Rep. Smith”, and not “one more rep.”
    "st mt gen sen rep gov capt cmdr col lt sgt rev hon fig hr fr dipl ing hl mm sr sig dott ул"
)
_NUMBERED = _set_of(
    # no sentence ends here if a number follows
    "no nos nr núm num n art abs p pp s vol fig ch chap sec sect par bd kap str op fr eq ver "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_ORDINAL = _set_of("de da no nn fi et lv cs sk pl sl hr sr bs hu tr is fo lb")
"""Languages that write “3.” for “third”."""

_STARTERS = {
    # after an initial or “U.S.”, these begin a sentence; a name would look otherwise
    "en": _set_of(
        "a an the this that these those he she it we you they i there here and but so or if when then "
        "what why how who where in on at for as now well yes no my your his her our their"
    ),
}

_CONJUNCTIONS = {
    "en": "and but or nor so because although though while which who whose where when if unless until "
    "that than as since whether before after",
    "de": "und aber oder denn sondern weil dass ob wenn als obwohl während damit bevor nachdem sodass",
    "fr": "et mais ou donc car que qui dont où quand si lorsque puisque comme",
    "es": "y e o u pero sino porque que quien cuando si donde aunque mientras como",
    "it": "e ed o ma però perché che chi quando se dove mentre come anche",
    "pt": "e ou mas porque que quem quando se onde embora enquanto como",
    "nl": "en maar of want omdat dat die als wanneer hoewel terwijl zodat",
    "pl": "i a ale lub albo bo że który która które gdy kiedy jeśli choć",
    "ru": "и а но или что чтобы который которая которые когда если хотя потому",
}
_CLINGING = {
    # articles and prepositions: a line that ends with one reads badly
    "en": "a an the of to in on at by for from with my your his her its our their this these very",
    "de": "der die das den dem des ein eine einen einem einer im in am an auf zu zum zur von vom mit für",
    "fr": "le la les l un une des du de d à au aux en dans sur par pour avec",
    "es": "el la los las un una unos unas de del a al en con por para sin",
    "it": "il lo la i gli le un uno una di del della a al in con su per da",
    "pt": "o os as um uma de do da em no na com por para ao à",
    "nl": "de het een van in op aan met voor te bij",
}
_CONJUNCTION_SETS = {code: _set_of(words) for code, words in _CONJUNCTIONS.items()}
_CLINGING_SETS = {code: _set_of(words) for code, words in _CLINGING.items()}

_DOTTED = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # an initial, “e.g”, “U.S”


def ends_sentence(text: str, following: str, *, language: str, cased: bool = True) -> bool:
    """Whether a sentence ends between two words.

    Args:
        text: a word with its punctuation; punctuation written as a word of its own belongs to the one before.
        following: the next word; empty if there is none.
        language: code such as "en".
        cased: whether the speaker's sentences begin with capitals, so that a small letter means "it goes on".
    """
    core = _without_closing(text)
    if not core or not is_stop(core[-1], language=language) or is_trailing(following):
        return False
    goes_on = cased and _first_letter(following).islower()
    if core[-1] not in ".…":
        return not (goes_on and core != text)  # “What?” she asked.
    if goes_on:
        return False
    if core[-1] == "…" or core.endswith("..") or not following:
        return True
    return not _is_abbreviated(_bare(core[:-1]), following, language=language)


def is_stop(letter: str, *, language: str) -> bool:
    """Whether this is a mark that sentences end with."""
    return letter in _STOPS or (letter == ";" and language == "el")


def ends_clause(text: str, *, language: str) -> bool:
    """Whether a word closes a part of a sentence."""
    core = _without_closing(text)
    return core[-1:] in _COMMAS and bool(core) and not is_stop(core[-1], language=language)


def is_trailing(text: str) -> bool:
    """Whether this belongs to what is before it: nothing but stops, commas and closing marks.

    A dash does not: it may begin what somebody else says.
    """
    return bool(text) and all(
        letter in _STOPS
        or (letter in _COMMAS and unicodedata.category(letter) != "Pd")
        or letter in _QUOTES
        or unicodedata.category(letter) in {"Pe", "Pf"}
        for letter in text
    )


def is_opening(letter: str) -> bool:
    """Whether this belongs to what comes after it."""
    return unicodedata.category(letter) in {"Ps", "Pi"} or letter in "¿¡"


def is_conjunction(text: str, *, language: str) -> bool:
    """Whether a line may well begin with this word."""
    return _bare(text).casefold() in _CONJUNCTION_SETS.get(language, ())


def is_clinging(text: str, *, language: str) -> bool:
    """Whether this word should stay on the line of the next one."""
    return text.casefold() in _CLINGING_SETS.get(language, ())


def has_letters(text: str) -> bool:
    """Whether it is a word at all, not punctuation."""
    return any(letter.isalnum() for letter in text)


def is_item_number(text: str) -> bool:
    """Whether it looks like the “1.” before an item of a list."""
    return re.fullmatch(r"\W*\d{1,2}\.", text) is not None


def _is_abbreviated(bare: str, following: str, *, language: str) -> bool:
    """Whether the point after `bare` is no full stop, though what follows is no small letter."""
    folded = bare.casefold()
    first = _first_letter(following)
    if folded in _NEVER or (folded in _TITLES and bare[:1].isupper()):
        return True
    if first.isdigit() and (folded in _NUMBERED or language in UNSPACED):
        return True
    if bare.isdecimal():
        return language in _ORDINAL and len(bare) <= 2  # noqa: PLR2004, days and centuries, not years
    if not (_DOTTED.fullmatch(bare) and bare.isupper()):
        return False
    if bare == "I" and language == "en":  # “So did I.”
        return _DOTTED.fullmatch(_bare(following).rstrip(".")) is not None and following.endswith(".")
    return _bare(following).casefold() not in _STARTERS.get(language, ())


def _without_closing(text: str) -> str:
    end = len(text)
    while end and (text[end - 1] in _QUOTES or unicodedata.category(text[end - 1]) in _CLOSES):
        end -= 1
    return text[:end]


def _bare(text: str) -> str:
    """Without marks at either end, but with points inside."""
    first, end = 0, len(text)
    while first < end and not text[first].isalnum():
        first += 1
    while end > first and not text[end - 1].isalnum() and unicodedata.category(text[end - 1])[0] != "M":
        end -= 1
    return text[first:end]


def _first_letter(text: str) -> str:
    return next((letter for letter in text if letter.isalnum()), "")
