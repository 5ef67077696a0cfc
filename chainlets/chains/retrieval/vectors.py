"""Texts as vectors without any model: hashed groups of characters, rare ones counting more.

Texts that share parts of words lie close together, so "stings" finds "sting".
"""

import re
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_SIZES = (3, 4, 5)  # characters in a group
_DIMENSIONS = 8192
#: Words that say nothing about what a text is about.
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a about an and are as at be by do does for from had has have how in is it its of on or that the their they this "
        "to was were what when where which who whom why with you",
    )
)


class Vectors:
    """Texts by their number, each as a vector of length 1.

    Args:
        texts: at least one.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = np.stack([_counts(text) for text in texts])
        found_in = (counts > 0).sum(axis=0)
        self._weights = np.log((1 + len(texts)) / (1 + found_in)) + 1
        self._vectors = np.stack([self._unit(row) for row in counts])

    def nearest(self, query: str, count: int) -> list[tuple[int, float]]:
        """The texts most like the query: number, and similarity from 0.0 to 1.0; best first."""
        similarity = self._vectors @ self._unit(_counts(query))
        best = np.argsort(-similarity, kind="stable")[:count]
        return [(int(number), float(similarity[number])) for number in best]

    def _unit(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        # Logarithms, so that a group does not count ten times for being there ten times.
        vector = np.log1p(counts) * self._weights
        unit: NDArray[np.float64] = vector / (np.linalg.norm(vector) or 1.0)
        return unit


def _counts(text: str) -> NDArray[np.float64]:
    counts = np.zeros(_DIMENSIONS)
    for group, times in Counter(_groups(text)).items():
        counts[crc32(group.encode()) % _DIMENSIONS] += times
    return counts


def _groups(text: str) -> list[str]:
    """Each word that matters, and the groups of characters in it, its two ends marked by blanks."""
    words = [f" {word} " for word in re.findall(r"\w+", text.lower()) if word not in _SMALL]
    return words + [w[i : i + size] for w in words for size in _SIZES for i in range(len(w) - size + 1)]
