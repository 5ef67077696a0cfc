"""Language models behind any OpenAI-compatible address, several calls at once, secrets and retries."""

from chainlets.chains.poems.chain import EndpointRefused, Poem, Poems, Poet

__all__ = ["EndpointRefused", "Poem", "Poems", "Poet"]
