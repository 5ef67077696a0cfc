"""A worker is killed in the middle of a stream of files: the next attempt repeats it exactly, and the run ends right."""

import pytest

from tests.integration.transcribe_sounds import encode

pytestmark = [pytest.mark.long, pytest.mark.faults, pytest.mark.timeout(300)]

CHAIN = '''
import chainlets as chains
from chainlets import streaming
from chainlets.chains.transcribe import Decode
from chainlets.chains.transcribe.types import DECODING


@chains.mark_entrypoint("parts")
class Parts(chains.ChainletBase):
    """Says where each part of a recording begins and what it holds."""

    def __init__(self, decode: Decode = chains.depends(Decode, retries=2)) -> None:
        self._decode = decode

    async def run_remote(self, audio: chains.File) -> list[str]:
        stream = streaming.stream_reader(DECODING, self._decode.run_remote(audio))
        parts = [f"{part.first} {part.samples} {part.pcm.sha256}" async for part in stream.read_items()]
        return [*parts, str((await stream.read_footer()).samples)]
'''


def test_a_worker_killed_while_it_decodes_costs_no_part(make_stack, tmp_path):
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains" / "parts.py").write_text(CHAIN)
    stack = make_stack(
        CHAINS="chainlets.chains.hello", CHAINS_DIR=str(tmp_path / "chains"), WORKER_PROCESSES="1"
    ).start()
    audio = stack.upload(encode("low.mp3", tmp_path, times=300))["id"]
    undisturbed = stack.wait_run(stack.start_run("parts", audio=audio))["output"]

    run_id = stack.start_run("parts", audio=audio)
    stack.wait_event(run_id, "invocation.output", count=3)
    stack.kill("cpu")
    run = stack.wait_run(run_id)

    assert run["state"] == "succeeded", run["error"]
    assert run["output"] == undisturbed
    (decode,) = [call for call in stack.invocations(run_id) if call["chainlet"].endswith("Decode")]
    assert decode["attempt"] == 2
