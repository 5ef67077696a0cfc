"""Has several poems written at once by a language model behind any OpenAI-compatible address.

Two secrets say where it is: `llm_base_url`, such as https://api.openai.com/v1 or
http://127.0.0.1:11434/v1, and `llm_api_key`; a server that asks for no key is content with any word.
"""

import asyncio
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

import chainlets as chains

Form = Literal["haiku", "limerick", "couplet", "sonnet", "ballad", "ode"]
_WORTH_RETRYING = (408, 429)  # of the answers that blame the caller


class Poem(BaseModel):
    """One poem."""

    form: Form
    text: str


class EndpointRefused(Exception):
    """The model's server does not take the request, and would not the next time either."""

    retryable = False


class Poet(chains.ChainletBase):
    """Writes one poem, by asking a language model."""

    remote_config = chains.RemoteConfig(
        compute=chains.Compute(predict_concurrency=8),
        assets=chains.Assets(secret_keys=["llm_base_url", "llm_api_key"]),
    )

    def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
        self._url = f"{context.secrets['llm_base_url'].rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {context.secrets['llm_api_key']}"}

    async def run_remote(self, theme: str, form: Form, model: str) -> str:
        """The poem alone."""
        import httpx

        question = f"Write a {form} about {theme}. Answer with the poem alone."
        body = {"model": model, "messages": [{"role": "user", "content": question}]}
        limits = httpx.Timeout(None, connect=10)  # how long a poem may take is the caller's `timeout_sec`
        async with httpx.AsyncClient(timeout=limits, headers=self._headers) as client:
            answer = await client.post(self._url, json=body)
        if answer.is_client_error and answer.status_code not in _WORTH_RETRYING:
            raise EndpointRefused(f"{self._url} answered {answer.status_code}: {answer.text[:200]}")
        answer.raise_for_status()
        return _text_of(answer.json())


@chains.mark_entrypoint("poems")
class Poems(chains.ChainletBase):
    """Has poems on a theme written at the same time, each in another form."""

    def __init__(self, poet: Poet = chains.depends(Poet, retries=3, timeout_sec=120)) -> None:
        self._poet = poet

    async def run_remote(
        self,
        theme: str,
        poems: Annotated[int, Field(ge=1, le=len(get_args(Form)))] = 3,
        model: str = "gpt-4o-mini",
    ) -> list[Poem]:
        """Show each poem when it is done, and give all of them back in the order of the forms."""
        done = 0

        async def written(form: Form) -> Poem:
            nonlocal done
            poem = Poem(form=form, text=await self._poet.run_remote(theme, form, model))
            done += 1
            chains.progress(done, poems, "Writing")
            chains.emit(poem)
            return poem

        forms: tuple[Form, ...] = get_args(Form)
        return await asyncio.gather(*(written(form) for form in forms[:poems]))


def _text_of(answer: dict[str, Any]) -> str:
    try:
        text: str = answer["choices"][0]["message"]["content"]
        return text.strip()
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"The model's server answered without a text: {str(answer)[:200]}") from error
