"""Finding passages and answering from them: an index that is built once, a search, an answer with its sources."""

from chainlets.chains.retrieval.chain import Answer, Index, Passage, Reply, Search

__all__ = ["Answer", "Index", "Passage", "Reply", "Search"]
