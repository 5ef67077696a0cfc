"""`python -m chainlets`: run, graph, validate and init, as somebody at a terminal sees them."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from chainlets.commands.command_line import main
from tests.harness import ROOT

SAYS = """
    import asyncio
    import chainlets as chains
    from helpers import TooMuch

    class Leaf(chains.ChainletBase):
        async def run_remote(self, n: int) -> int:
            chains.log("thinking", n=n)
            if n > 2:
                raise TooMuch(f"{n} is too much")
            return n * 2

    @chains.mark_entrypoint("says")
    class Says(chains.ChainletBase):
        def __init__(self, leaf: Leaf = chains.depends(Leaf)) -> None:
            self._leaf = leaf

        async def run_remote(self, n: int, name: str = "Ann", wide: list[str] | None = None) -> list[int]:
            chains.warn("take care")
            chains.emit({"at": n})
            chains.progress(n, 2, "counting")
            return await asyncio.gather(self._leaf.run_remote(n), self._leaf.run_remote(0))
"""
WRONG = """
    import chainlets as chains

    class Unreached(chains.ChainletBase):
        pass

    @chains.mark_entrypoint
    class Top(chains.ChainletBase):
        def run_remote(self, text):
            return text
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a source into a folder of its own, which is the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name, source):
        (tmp_path / name).write_text(textwrap.dedent(source))
        return name

    return write


@pytest.fixture
def says(file):
    file("helpers.py", "class TooMuch(Exception): ...")
    return file("says.py", SAYS)


@pytest.fixture
def command(capfd):
    """Carry out a command; its exit status, and what it wrote."""

    def run(*words):
        status = main(words)
        return status, *capfd.readouterr()

    return run


def start(*words, **environment):
    """The same in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *words],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_chain_that_comes_along_runs_by_its_name(command):
    given = '{"names": ["Ann", "Bob"], "loud": true}'
    assert command("run", "hello", "--input", given) == (0, '["HELLO, ANN!", "HELLO, BOB!"]\n', "")


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_the_output_alone_is_on_stdout_and_what_chainlets_say_on_stderr(command, says, strict):
    status, out, err = command("run", says, "--input", '{"n": 2}', *strict)

    assert (status, out) == (0, "[4, 0]\n")
    assert [line.removeprefix("Says: ").removeprefix("Leaf: ") for line in err.splitlines()] == [
        "warning: take care",
        'partial {"at": 2}',
        "2 of 2 counting",
        "info: thinking n=2",
        "info: thinking n=0",
    ]
    assert ("Leaf: info" in err) == bool(strict)


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_a_failure_reads_down_to_its_root_and_ends_with_one(command, says, strict):
    status, out, err = command("run", says, "--input", '{"n": 3}', *strict)

    tree = err[err.index("Chainlet-Traceback") :]
    assert (status, out) == (1, "")
    assert tree.count('says.py", line 22, in run_remote') == 1
    assert "(Exception class defined in `helpers`.)" in tree
    assert tree.splitlines()[-1].endswith("TooMuch: 3 is too much")
    assert ("├─ Error calling dependency Chainlet `Leaf`" in tree) == bool(strict)


def test_a_stream_is_printed_piece_by_piece(file):
    file(
        "talk.py",
        """
        import pathlib, time
        from collections.abc import AsyncIterator
        import chainlets as chains

        class Talk(chains.ChainletBase):
            async def run_remote(self) -> AsyncIterator[str]:
                yield "first\\n"
                while not pathlib.Path("read").exists():
                    time.sleep(0.01)
                yield "sec"
                yield "ond"
        """,
    )
    with start("-m", "chainlets", "run", "talk.py") as process:
        assert process.stdout.readline() == "first\n"
        Path("read").touch()
        assert process.communicate(timeout=20) == ("second\n", "")
    assert process.returncode == 0


def test_pieces_of_bytes_come_out_as_they_are(command, file):
    file(
        "raw.py",
        """
        from collections.abc import AsyncIterator
        import chainlets as chains

        class Raw(chains.ChainletBase):
            async def run_remote(self) -> AsyncIterator[bytes]:
                yield b"a"
                yield b"b"
        """,
    )
    assert command("run", "raw.py") == (0, "ab", "")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ('{"nmae": "x"}', "`n` is missing.\n  `nmae` is not known here. Did you mean `name`?"),
        (
            '{"n": "many"}',
            '`n` should be a valid integer, unable to parse string as an integer, and is "many".',
        ),
        ('{"n": 1, "wide": ["a", 2]}', "`wide.1` should be a valid string, and is 2."),
        ("[1]", "The input is [1], and must be a JSON object with a value for each argument."),
        (
            "{'n': 1}",
            "`--input` is no JSON: Expecting property name enclosed in double quotes at line 1, column 2.",
        ),
        (
            "@nowhere.json",
            "`nowhere.json`, the file for `--input`, cannot be read: No such file or directory.",
        ),
    ],
)
def test_an_input_that_does_not_fit_is_told_by_field(command, says, given, sentence):
    status, out, err = command("run", says, "--input", given)

    assert (status, out) == (2, "")
    assert sentence in err
    if given.startswith(('{"', "[")):
        takes = "takes `n` (integer), `name` (string, optional), `wide` (array of string or null, optional)."
        assert f"`Says.run_remote` {takes}" in err


def test_the_input_may_stand_in_a_file_or_come_from_stdin(command, says, monkeypatch):
    Path("given.json").write_text('{"n": 1}')
    assert command("run", says, "--input", "@given.json")[1] == "[2, 0]\n"
    with Path("given.json").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert command("run", says, "--input", "-")[1] == "[2, 0]\n"


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_files_are_given_as_paths_and_those_that_are_returned_stay(command, file, strict):
    file(
        "copy.py",
        """
        import chainlets as chains

        class Copy(chains.ChainletBase):
            def run_remote(self, source: chains.File) -> dict[str, chains.File]:
                path = chains.scratch_dir() / "copy.txt"
                path.write_text(source.path().read_text() * 2)
                return {"twice": chains.File.from_path(path, keep=True), "same": source}
        """,
    )
    Path("a.txt").write_text("ab")

    status, out, err = command("run", "copy.py", "--input", '{"source": "a.txt"}', *strict)
    missing = command("run", "copy.py", "--input", '{"source": "b.txt"}', *strict)

    output = json.loads(out)
    kept = Path(output["twice"]["id"].removeprefix("file:"))
    assert (status, kept.read_text()) == (0, "abab")
    assert f"file copy.txt: {kept}\n" in err
    assert missing[0] == 2
    assert "names a file that cannot be read: `b.txt`" in missing[2].replace(f"{Path.cwd()}/", "")


def test_wrong_definitions_are_all_told_and_nothing_runs(command, file):
    status, out, err = command("run", file("wrong.py", WRONG))

    assert (status, out) == (2, "")
    assert "wrong.py:4 (Unreached) [kind: MISSING_API_ERROR]" in err.replace("Unreached.", "Unreached")
    assert "wrong.py:9 (Top.run_remote) [kind: TYPE_ERROR]: the argument `text` has no type" in err
    assert "the type of the result is missing" in err


def test_secrets_are_asked_for_by_name_and_passed_on(command, file):
    file(
        "secretive.py",
        """
        import chainlets as chains

        class Secretive(chains.ChainletBase):
            remote_config = chains.RemoteConfig(assets=chains.Assets(secret_keys=["token"]))

            def __init__(self, context: chains.DeploymentContext = chains.depends_context()) -> None:
                self._context = context

            async def run_remote(self) -> list[str]:
                return [self._context.secrets["token"], self._context.data_dir.name]
        """,
    )
    asked = "`Secretive` needs the secret 'token'. Add `--secret token=…`.\n"
    assert command("run", "secretive.py") == (2, "", asked)
    assert command("run", "secretive.py", "--secret", "token")[2].startswith("`--secret token` has no value.")
    given = ("--secret", "token=a=b", "--secret", "other=c", "--data-dir", "kept")
    assert command("run", "secretive.py", *given)[:2] == (0, '["a=b", "kept"]\n')


def test_another_chainlet_of_the_file_may_be_the_entrypoint(command, says):
    assert command("run", says, "--entrypoint", "Leaf", "--input", '{"n": 1}')[1] == "2\n"
    told = "There is no chainlet called `Twig` here. There are: `Leaf`, `Says`.\n"
    assert command("run", says, "--entrypoint", "Twig") == (2, "", told)


def test_what_cannot_be_run_here_is_told(command, file):
    file(
        "chat.py",
        """
        import chainlets as chains

        @chains.mark_entrypoint("chat")
        class Chat(chains.ChainletBase):
            async def run_remote(self, websocket: chains.WebSocketProtocol) -> None: ...
        """,
    )
    assert "needs the server" in command("run", "chat.py")[2]
    assert "connect to /ws/chains/chat." in command("run", "chat.py")[2]
    assert command("run", "nowhere.py") == (2, "", "There is no file `nowhere.py`.\n")
    assert "There are: `excerpt`, " in command("run", "nowhere")[2]


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_control_c_ends_a_run_at_once_and_without_a_traceback(file, strict):
    file(
        "slow.py",
        """
        import sys, time
        import chainlets as chains

        class Slow(chains.ChainletBase):
            async def run_remote(self) -> None:
                sys.stdout.write("begun\\n")
                sys.stdout.flush()
                await chains.offload(time.sleep, 60)
        """,
    )
    with start("-m", "chainlets", "run", "slow.py", *strict) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "Interrupted.\n")
    assert process.returncode == 130


def test_a_file_runs_as_a_script_too(file):
    main_block = """
        if __name__ == "__main__":
            for strict in (False, True):
                with chains.run_local(strict=strict):
                    print(asyncio.run(Says().run_remote(1)))
    """
    file("helpers.py", "class TooMuch(Exception): ...")
    file("script.py", textwrap.dedent(SAYS) + textwrap.dedent(main_block))
    with start("script.py") as process:
        assert process.communicate(timeout=20)[0] == "[2, 0]\n[2, 0]\n"
    assert process.returncode == 0


def test_a_graph_is_a_flowchart_with_the_entrypoint_first(command, file):
    file(
        "drawn.py",
        """
        import chainlets as chains

        class End(chains.ChainletBase):
            remote_config = chains.RemoteConfig(compute=chains.Compute(gpu="T4"))

            async def run_remote(self) -> int:
                return 1

        @chains.mark_entrypoint("drawn")
        class Begin(chains.ChainletBase):
            def __init__(self, end: End = chains.depends(End)) -> None: ...

            async def run_remote(self, n: int) -> int:
                return n
        """,
    )
    drawing = """\
flowchart TD
    Begin["Begin<br/>cpu"]
    chainlet_1["End<br/>gpu.t4"]
    Begin --> chainlet_1
"""
    assert command("graph", "drawn.py") == (0, drawing, "")

    data = json.loads(command("graph", "drawn.py", "--json")[1])
    assert (data["name"], data["edges"]) == ("drawn", [["Begin", "End"]])
    assert [(node["chainlet"], node["queue"]) for node in data["nodes"]] == [
        ("Begin", "cpu"),
        ("End", "gpu.t4"),
    ]
    assert data["input_schema"]["required"] == ["n"]
    assert data["output_schema"] == {"type": "integer"}


def test_validate_tells_every_fault_of_every_file_each_on_one_line(command, file, says):
    file("wrong.py", WRONG)
    file("syntax.py", "x = 1\ndef oops(:\n")
    file("lacks.py", "import chainlets\n\nimport not_installed_anywhere\n")
    file("gpu.py", "import chainlets as chains\nchains.Compute(gpu='a10g')\n")

    status, out, _ = command("validate", says, "wrong.py", "syntax.py", "lacks.py", "gpu.py", "nowhere.py")

    lines = out.splitlines()
    assert status == 1
    assert lines[0] == "says.py: chain `says`, 2 chainlets, no faults."
    assert [line.partition(" ")[0] for line in lines[1:-1]] == [
        "wrong.py:4",
        "wrong.py:9",
        "wrong.py:9",
        "syntax.py:2:",
        "lacks.py:3:",
        "gpu.py:2:",
    ]
    assert "there is no method `run_remote`." in lines[1]
    assert not any(line.endswith("example:") for line in lines)
    assert "No module named 'not_installed_anywhere'. Install it" in lines[5]
    assert "unknown GPU type 'a10g'" in lines[6]
    assert lines[-1] == "There is no file `nowhere.py`."
    assert command("validate", says)[0] == 0


def test_what_has_no_effect_here_is_said_and_is_no_fault(command, file):
    file(
        "cloudy.py",
        """
        import chainlets as chains

        class Cloudy(chains.ChainletBase):
            remote_config = chains.RemoteConfig(build_commands=["make"])

            async def run_remote(self) -> int:
                return 1
        """,
    )
    status, out, err = command("validate", "cloudy.py")
    assert (status, out) == (0, "cloudy.py: chain `Cloudy`, 1 chainlet, no faults.\n")
    assert err.startswith("cloudy.py: `Cloudy`: `build_commands` has no effect here:")
    assert command("run", "cloudy.py")[1] == "1\n"


@pytest.mark.parametrize("name", ["greeter", "a_chain_with_quite_a_long_name"])
def test_a_new_chain_is_right_from_the_start(command, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("init", name, "--folder", "mine")

    assert status == 0
    assert f" -m chainlets run mine/{name}.py --input" in out
    ran = command("run", f"mine/{name}.py", "--strict", "--input", '{"names": ["Ann"], "loud": true}')
    assert ran == (0, '["HELLO, ANN!"]\n', "")
    assert command("validate", f"mine/{name}.py")[0] == 0
    ruff = Path(sys.executable).with_name("ruff")
    for line_length in ("88", "110"):
        options = ("--isolated", "--line-length", line_length)
        subprocess.run([ruff, "format", "--check", "--quiet", *options, "mine"], check=True)
        subprocess.run([ruff, "check", "--quiet", *options, "--select", "E,F,D2,UP,N", "mine"], check=True)


def test_the_test_of_a_new_chain_passes_and_notices_a_change(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command("init", "poem")
    command("init", "song")
    song = Path("song.py")
    song.write_text(song.read_text().replace("(name, loud)", "(name)"))

    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend")
    with start(*words, "test_poem.py", "test_song.py", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1") as process:
        told = process.communicate(timeout=60)[0]
    assert "1 failed, 3 passed" in told
    assert "FAILED test_song.py::test_loudness_is_passed_on_to_the_one_who_greets" in told


def test_init_overwrites_nothing_and_refuses_names_that_would_not_work(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("test_poem.py").write_text("mine")

    assert command("init", "poem")[2].startswith(
        "`test_poem.py` is there already, and nothing is overwritten."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["test_poem.py"]
    for name, sentence in {
        "Poem": "cannot be the name of a chain's file",
        "../poem": "cannot be the name of a chain's file",
        "class": "is a word of Python itself",
        "json": "`json.py` would hide the module `json`",
        "test_it": "pytest would take `test_it.py` for its own",
    }.items():
        status, _, err = command("init", name)
        assert status == 2
        assert sentence in err
