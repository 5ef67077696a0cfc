"""Counts words in many texts at once, then adds up what was found."""

import asyncio
import re
from collections import Counter

from pydantic import BaseModel

import chainlets as chains


class WordCount(BaseModel):
    """How often a word occurs in all texts together."""

    word: str
    count: int


class CountWords(chains.ChainletBase):
    """Counts the words of one text."""

    remote_config = chains.RemoteConfig(compute=chains.Compute(predict_concurrency=4))

    async def run_remote(self, text: str) -> dict[str, int]:
        """How often each word occurs, all in lower case."""
        words = re.findall(r"\w+(?:['’]\w+)*", text.lower())
        if not words:
            # Trying again would not help, and `InputRejected` says so: it is never retried.
            raise chains.InputRejected(f"There is not a word in the text {text[:40]!r}. Leave it out.")
        return Counter(words)


@chains.mark_entrypoint("fan_out")
class FanOut(chains.ChainletBase):
    """Finds the most frequent words of several texts, which are counted at the same time."""

    def __init__(self, count: CountWords = chains.depends(CountWords, retries=3, timeout_sec=60)) -> None:
        self._count = count

    async def run_remote(self, texts: list[str], most: int = 10) -> list[WordCount]:
        """Call `CountWords` once for each text; give the `most` frequent words, equal ones by the alphabet."""
        done = 0

        async def counted(text: str) -> dict[str, int]:
            nonlocal done
            counts = await self._count.run_remote(text)
            done += 1
            chains.progress(done, len(texts), "Counting")
            return counts

        total: Counter[str] = Counter()
        for counts in await asyncio.gather(*(counted(text) for text in texts)):
            total.update(counts)
        ranked = sorted(total.items(), key=lambda found: (-found[1], found[0]))
        return [WordCount(word=word, count=count) for word, count in ranked[:most]]
