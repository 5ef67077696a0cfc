"""Sources in the style of truss_chains give the same by `run_local`, strictly, and through real workers."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainlets as chains
from chainlets.runtime.loader import Loader
from tests.harness import ROOT, Stack, wait_until
from tests.integration.truss_cases import CASES, generic
from tests.integration.truss_ways import Locally, Raised, Workers

pytestmark = pytest.mark.timeout(180)

FOLDER = ROOT / "tests" / "chains_truss"
SECRETS = {"weather_key": "sunny", "door_code": "12", "safe_code": "34"}
NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"
ENGINE = ["strict", "workers"]  # what is serialised, timed and retried


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A system that serves the folder."""
    env = {
        "CHAINS": "chainlets.chains.hello",
        "CHAINS_DIR": str(FOLDER),
        "WORKER_PROCESSES": "1",
        **{f"CHAINLETS_SECRET_{key.upper()}": value for key, value in SECRETS.items()},
    }
    stack = Stack(data_dir=tmp_path_factory.mktemp("truss") / "data", env=env)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module", params=["plain", "strict", "workers"])
def way(request):
    """One of the three ways."""
    if request.param == "workers":
        begin = [(case.chain, case.given) for case in CASES if case.chain != "truss-timeouts"]
        return Workers(request.getfixturevalue("stack"), begin=begin)
    return Locally(FOLDER, secrets=SECRETS, strict=request.param == "strict")


@pytest.mark.parametrize("case", CASES, ids=[f"{case.chain}-{number}" for number, case in enumerate(CASES)])
def test_a_source_gives_the_same_in_each_way(way, case):
    expected = case.plain if way.name == "plain" and case.plain is not None else case.output
    assert way.run(case.chain, **case.given) == expected


def test_what_fails_at_first_is_tried_again(way, tmp_path):
    ledger = tmp_path / "ledger"
    parcels = [{"to": "Ann", "grams": 1500}, {"to": "Bob", "grams": 333, "tariff": {"per_kilo": 3.3}}]

    def send():
        return way.run("truss-parcels", parcels=parcels, ledger=str(ledger))

    if way.name == "plain":  # plain calls are not tried again, so the author does it
        for name in ("Ann", "Bob"):
            assert send() == Raised("InjectedError", f"scales for {name} is not in the mood")
        ledger.write_text("scales for Ann\nscales for Bob\n")

    labels = ["Dear Ann: 3.0 EUR to Ann", "Dear Bob: 1.1 EUR to Bob"]
    assert send() == [labels, {"Ann": 3.0, "Bob": 1.099}, 2]
    assert ledger.read_text().splitlines() == [
        *(["scales for Ann", "scales for Bob"] if way.name == "plain" else []),
        *["scales for Ann"] * (1 if way.name == "plain" else 2),
        "journal: [('fine', 3.0), ('price', 3.0)]",
        *["scales for Bob"] * (1 if way.name == "plain" else 2),
        "journal: [('fine', 1.099), ('price', 1.1)]",
    ]


@pytest.mark.parametrize(
    ("mistake", "says", "line"),
    [
        ("marker made in the method", "`run_remote` was read from the marker depends(Helper)", ""),
        ("marker of the module", "`run_remote` was read from the marker depends(Helper)", ""),
        ("context made in the method", "`secrets` was read from the marker depends_context()", ""),
        (
            "built in the method",
            "`Careless.run_remote` builds the chainlet `Helper` itself",
            'return Helper().run_remote("text")',
        ),
        (
            "built by a function",
            "`Careless.run_remote` builds the chainlet `Helper` itself",
            "return Helper()",
        ),
    ],
)
def test_a_marker_or_a_chainlet_in_the_wrong_place_is_an_error_with_an_example(way, mistake, says, line):
    raised = way.run("truss-misuse", way=mistake)

    assert raised.type == "ChainsRuntimeError"
    assert says in raised.message
    assert "def __init__(self, words: Words = chains.depends(Words)) -> None:" in raised.message
    if line:
        assert raised.message.startswith(f"{place('misuse.py', line)}: ")
        assert f"in `{line}`" in raised.message


def test_a_chainlet_built_in_the_init_of_another_is_an_error_with_file_and_line(way):
    raised = way.run("truss-misuse-in-init")

    assert raised.type == "ChainsRuntimeError"
    assert raised.message.startswith(
        f"{place('misuse_in_init.py', 'self._tool = Tool()')}: `Box.__init__` builds the chainlet `Tool` itself"
    )


def test_a_stream_that_fails_before_its_first_piece_is_tried_again(way, tmp_path):
    said = way.run("truss-text-stream", text="so it is", ledger=str(tmp_path / "ledger"))
    if way.name == "plain":
        assert said == Raised("InjectedError", "speaker is not in the mood")
    else:
        assert said == ["SO ", "IT ", "IS ", "…"]


def test_a_secret_that_was_not_declared_cannot_be_read(way):
    raised = way.run("truss-vault", key="door_code")
    assert raised.type == "MissingDependencyError"
    assert "'door_code' is not provided. Add it to `Assets(secret_keys=[…])`" in raised.message


def test_arguments_that_do_not_validate_are_an_error_in_the_caller(way):
    raised = way.run("truss-deep-failure", way="validation")
    if way.name == "plain":
        assert raised.type == "ValidationError"
    else:
        assert raised == generic(f"ValidationError: list[int] does not fit. 0: {NO_INTEGER}")


def test_a_replica_that_is_not_healthy_at_first_is_built_anew(way):
    # Nobody asks a plain object, and the author's own one stays.
    assert way.run("truss-health", text="said") == f"said by replica {1 if way.name == 'plain' else 2}"


@pytest.mark.parametrize("way", ENGINE, indirect=True)
@pytest.mark.parametrize(
    ("cause", "kind"), [("exit", "SystemExit: closing time"), ("iterator", "StopIteration")]
)
def test_code_that_wants_to_end_the_process_ends_its_own_call_only(way, cause, kind):
    raised = way.run("truss-deep-failure", way=cause)

    assert raised.type == "ChainsRuntimeError"
    assert raised.message.startswith(f"`Shelf` raised {kind}. Raise an exception of your own instead")
    assert raised.failure.root.frames[-1].code.startswith(("raise SystemExit", "return next("))
    assert way.run("truss-two-leaves", texts=[])


@pytest.mark.parametrize("way", ENGINE, indirect=True)
def test_a_failure_three_levels_down_reads_from_the_entrypoint_to_the_root(way):
    raised = way.run("truss-deep-failure", way="chained")

    text = re.sub(r"(invocation|worker)=[^,]+?(?=[,.]? |, |\.$)", r"\1=…", raised.text, flags=re.MULTILINE)
    assert (
        text.splitlines()
        == f"""\
Chainlet-Traceback (most recent call last):
  File "{seen("return await self._store.run_remote(way, handled)")}, in run_remote
    return await self._store.run_remote(way, handled)
(Exception class defined in `deep_failure`.)
ShelfEmpty: (showing chained remote errors, root error at the bottom)
├─ Error calling dependency Chainlet `Store`, invocation=…, attempt=1, worker=….
│   Chainlet-Traceback (most recent call last):
│     File "{seen("return self._shelf.run_remote(way)")}, in run_remote
│       return self._shelf.run_remote(way)
│   (Exception class defined in `deep_failure`.)
│   ShelfEmpty: (showing chained remote errors, root error at the bottom)
│   ├─ Error calling dependency Chainlet `Shelf`, invocation=…, attempt=1, worker=….
│   │   Chainlet-Traceback (most recent call last):
│   │     File "{seen("return self._of_python(way)")}, in run_remote
│   │       return self._of_python(way)
│   │     File "{seen('raise ShelfEmpty("cannot count") from error')}, in _of_python
│   │       raise ShelfEmpty("cannot count") from error
│   │   (Exception class defined in `deep_failure`.)
│   │   ShelfEmpty: cannot count (showing chained remote errors, root error at the bottom)
│   │   ├─ It was raised while this was handled:
│   │   │     File "{seen('return str(int("many"))')}, in _of_python
│   │   │       return str(int("many"))
╰   ╰   ╰   ValueError: invalid literal for int() with base 10: 'many'""".splitlines()
    )


@pytest.mark.parametrize("way", ENGINE, indirect=True)
def test_the_tree_is_data_too_with_status_and_the_failure_inside_a_group(way):
    status = way.run("truss-deep-failure", way="status").failure
    assert [status.status, status.cause.status, status.root.status] == [403, 403, 403]
    assert status.root.type == "Forbidden"

    levels, failure = [], way.run("truss-deep-failure", way="own class", grouped=True).failure
    while failure is not None:
        levels.append((failure.chainlet, failure.type))
        failure = failure.cause
    assert levels == [
        ("Shop", "GenericRemoteException"),
        ("Clerk", "ExceptionGroup"),
        ("Store", "ShelfEmpty"),
        ("Shelf", "ShelfEmpty"),
    ]


@pytest.mark.parametrize(
    ("mode", "said", "heard"),
    [
        ({"mode": "answers"}, ["why", "öl"], ["why? 3 letters.", "öl? 2 letters."]),
        ({"mode": "awaited"}, ['{"ask": "so"}'], ['{"answer": "SO"}']),
        ({"mode": "bytes"}, [b"\x00\xff", b""], [b"\xff\x00", b""]),
    ],
)
async def test_a_conversation_goes_to_and_fro_until_the_client_goes(way, mode, said, heard):
    async with way.converse("truss-talk") as client:
        await client.send_text(json.dumps(mode))
        for message, answer in zip(said, heard, strict=True):
            await (client.send_bytes if isinstance(message, bytes) else client.send_text)(message)
            assert await client.receive() == answer


@pytest.mark.parametrize(
    ("mode", "first", "code", "reason"),
    [("hang up", "Eve", 4321, "enough"), ("return", "that was all", 1000, "")],
)
async def test_a_chain_may_end_the_conversation(way, mode, first, code, reason):
    async with way.converse("truss-talk", **{"x-caller": "Eve"}) as client:
        await client.send_text(json.dumps({"mode": mode}))
        assert await client.receive() == first
        with pytest.raises(chains.WebSocketDisconnect) as ended:
            await client.receive()
    assert (ended.value.code, ended.value.reason) == (code, reason)


async def test_a_chain_hears_that_its_client_has_gone(way, tmp_path):
    note = tmp_path / "note"
    async with way.converse("truss-talk") as client:
        await client.send_text(json.dumps({"mode": "until gone", "note": str(note)}))
        await client.send_text("x")
        assert await client.receive() == "str"
        await client.send_bytes(b"x")
        assert await client.receive() == "bytes"
        await client.close(4002)
    await asyncio.to_thread(wait_until, note.exists, timeout=10, what="the note")
    assert note.read_text().split() == ["4002"]


async def test_a_conversation_that_fails_ends_with_a_code_of_its_own(way):
    async def talk():
        async with way.converse("truss-talk") as client:
            await client.send_text(json.dumps({"mode": "fail"}))
            with pytest.raises(chains.WebSocketDisconnect) as ended:
                await client.receive()
            assert ended.value.code == 1011

    if way.name == "workers":
        await talk()
        runs = way.stack.api.get("/api/runs", params={"chain": "truss-talk"}).json()["results"]
        run = await asyncio.to_thread(way.stack.wait_run, runs[0]["id"])
        assert (run["error"]["type"], run["error"]["message"]) == ("ValueError", "lost the thread")
    else:
        with pytest.raises(ValueError, match="lost the thread"):
            await talk()


@pytest.mark.parametrize(
    ("chain", "given", "body"),
    [
        ("truss-text-stream", {"text": "grün ist gut"}, "GRÜN IST GUT …".encode()),
        ("truss-byte-stream", {"size": 300, "pieces": 3}, None),
    ],
)
def test_a_stream_is_answered_with_its_bytes_over_http(stack, chain, given, body):
    plain = Locally(FOLDER, secrets=SECRETS, strict=False).run(chain, **given)
    answer = stack.api.post(f"/api/chains/{chain}/stream", json=given)

    assert answer.status_code == 200
    assert answer.content == (body or b"".join(map(base64.urlsafe_b64decode, plain)))


def test_the_attempts_of_a_call_that_was_tried_again_are_in_the_history(stack, tmp_path):
    parcels = [{"to": "Ann", "grams": 1500}]
    run = stack.wait_run(stack.start_run("truss-parcels", parcels=parcels, ledger=str(tmp_path / "ledger")))

    attempts = {i["chainlet"]: len(i["attempts"]) for i in stack.invocations(run["id"])}
    assert attempts == {"Office": 1, "Courier": 1, "Scales": 2, "Cashier": 1, "Journal": 1}
    late = stack.wait_run(stack.start_run("truss-timeouts", seconds=0.8, sync=False, patient=True))
    attempts = {i["chainlet"]: len(i["attempts"]) for i in stack.invocations(late["id"])}
    assert attempts == {"Hurried": 1, "SlowAsync": 2}


def test_a_call_that_its_caller_gave_up_is_cancelled(stack):
    run = stack.wait_run(stack.start_run("truss-fan-out", way="too late", numbers=[2, 3]))

    states = sorted(i["state"] for i in stack.invocations(run["id"]) if i["chainlet"] == "Square")
    assert (run["output"], states) == ([4, 9], ["cancelled", "succeeded", "succeeded"])


def test_the_service_shows_every_chain_and_no_problem(stack):
    listing = stack.api.get("/api/chains").json()
    assert listing["problems"] == []
    assert {case.chain for case in CASES} <= {chain["name"] for chain in listing["results"]}


@pytest.mark.parametrize("strict", [False, True])
def test_two_chains_may_have_neighbours_of_the_same_name(strict, tmp_path):
    above = Locally(FOLDER, secrets=SECRETS, strict=strict)
    beside = Locally(FOLDER / "beside", secrets={}, strict=strict)

    ledger = str(tmp_path / "ledger")
    assert above.run("truss-parcels", parcels=[], ledger=ledger) == [[], {}, 0]
    assert beside.run("Letter", lines=4) == [1.0, "never fails, not even 4 times"]
    assert beside.run("Letter", lines=4, tariff={}) == [2.0, "never fails, not even 4 times"]
    assert above.run("truss-deep-failure", way="class of a neighbour") == Raised("DeliveryLate", "two days")


@pytest.mark.parametrize(
    ("file", "printed"),
    [
        ("fan_out.py", "[1, 4, 9]"),
        ("model.py", '{"place":"Bremen","degrees":[5.0,5.5],"unit":"celsius"}'),
    ],
)
def test_a_source_runs_as_a_script(file, printed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / file],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (printed, "")


def test_every_source_imports_the_sdk_where_truss_chains_would_be():
    chains_of = Loader(modules=[], folder=FOLDER).current().chains
    sources = [Path(str(sys.modules[c.entrypoint.cls.__module__].__file__)) for c in chains_of.values()]
    assert len(sources) > 15
    for source in sources:
        assert "\nimport chainlets as chains\n" in source.read_text()


def place(file: str, line: str) -> str:
    lines = [text.strip() for text in (FOLDER / file).read_text().splitlines()]
    return f"{FOLDER / file}:{lines.index(line) + 1}"


def seen(line: str) -> str:
    """A line of the failing chain as a traceback names it; the last one of its kind."""
    lines = [text.strip() for text in (FOLDER / "deep_failure.py").read_text().splitlines()]
    number = max(n for n, text in enumerate(lines, 1) if text == line)
    if line == "return self._shelf.run_remote(way)":
        number = lines.index(line) + 1
    return f'tests/chains_truss/deep_failure.py", line {number}'
