"""The supervisor's rules, tried on small programs."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import ROOT, wait_until
from webapp.fleet.broker import EmbeddedBroker
from webapp.fleet.child import Role, restart_delay
from webapp.fleet.console import Console
from webapp.fleet.preflight import StartRefused, listen, lock_data_dir, prepare_data_dir
from webapp.fleet.supervisor import Supervisor


def program(name, code, **more):
    return Role(name=name, command=(sys.executable, "-c", code), **more)


def supervise(*roles, main, foundation=()):
    output = io.StringIO()
    supervisor = Supervisor(foundation=foundation, roles=roles, console=Console(output))
    code = asyncio.run(asyncio.wait_for(supervisor.run(main), 30))
    return code, output.getvalue()


@pytest.mark.parametrize(
    ("deaths", "delay"), [(1, 0.2), (2, 0.4), (3, 0.8), (7, 12.8), (8, 15.0), (10_000, 15.0)]
)
def test_each_death_in_a_row_waits_longer_up_to_a_limit(deaths, delay):
    assert restart_delay(deaths) == delay


def test_lines_of_children_carry_their_names():
    async def main(supervisor):
        await supervisor.ready()
        return 0

    code, output = supervise(program("a", "print('one'); print('go'); input()", ready_line="go"), main=main)
    assert code == 0
    assert "a         | one\n" in output


def test_a_dead_child_is_started_again(tmp_path):
    starts = tmp_path / "starts"
    text = f"import time; open({str(starts)!r}, 'a').write('x'); print('go', flush=True); time.sleep(0.1)"

    async def main(_):
        while not starts.exists() or len(starts.read_text()) < 3:
            await asyncio.sleep(0.02)
        return 7

    code, output = supervise(program("a", text, ready_line="go"), main=main)
    assert code == 7
    assert "ended with code 0; starting it again in 0.2 s" in output


def test_a_fault_of_the_settings_stops_everything_with_its_sentence():
    async def main(supervisor):
        await supervisor.ready()

    bad = program("bad", "import sys; print('There is no model x.'); sys.exit(78)", ready_line="ready")
    code, output = supervise(program("good", "import time; time.sleep(60)"), bad, main=main)
    assert code == 1
    assert "chainlets: There is no model x." in output


def test_a_child_that_never_becomes_ready_is_given_up():
    async def main(supervisor):
        await supervisor.ready()

    code, output = supervise(program("bad", "raise SystemExit(3)", ready_line="ready"), main=main)
    assert code == 1
    assert "bad ended 5 times before it was ready" in output


def test_the_foundation_is_ready_before_the_rest_and_stopped_after_it(tmp_path):
    log = tmp_path / "log"
    text = """
import signal, sys, time
def note(word): open({log!r}, 'a').write(word + ' {name}\\n')
signal.signal(signal.SIGTERM, lambda *_: (note('end'), sys.exit()))
note('begin'); print('go', flush=True); time.sleep(60)
"""

    async def main(supervisor):
        await supervisor.ready()
        return 0

    roles = [program(n, text.format(log=str(log), name=n), ready_line="go") for n in ("base", "top")]
    supervise(roles[1], foundation=[roles[0]], main=main)
    assert log.read_text().splitlines() == ["begin base", "begin top", "end top", "end base"]


def test_children_die_with_a_supervisor_that_is_killed(tmp_path):
    code = f"""
import asyncio, sys
from webapp.fleet.child import Role
from webapp.fleet.console import Console
from webapp.fleet.supervisor import Supervisor
text = "import os, time; open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid())); time.sleep(600)"
async def main(s): await asyncio.sleep(600)
role = Role(name="a", command=(sys.executable, "-c", text))
asyncio.run(Supervisor(foundation=[], roles=[role], console=Console()).run(main))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_until(
        lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), timeout=20, what="the child"
    )
    child = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    wait_until(lambda: not alive(child), timeout=5, what="the child to end")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_one_data_folder_has_one_system(tmp_path, monkeypatch):
    monkeypatch.setattr("webapp.fleet.preflight.LOCK_PATIENCE", 0.2)
    lock = lock_data_dir(tmp_path)
    lock.describe("process 1, http://here")
    with pytest.raises(StartRefused, match=r"already works on the data folder .+ \(process 1, http://here\)"):
        lock_data_dir(tmp_path)
    lock.release()
    lock_data_dir(tmp_path).release()


def test_a_port_in_use_is_said_with_what_to_do():
    with listen(host="127.0.0.1", port=0) as sock, pytest.raises(StartRefused, match=r"is in use.+set PORT"):
        listen(host="127.0.0.1", port=sock.getsockname()[1])


def test_a_data_folder_that_cannot_be_made_is_said_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match=r"cannot be written: not a directory. .+ DATA_DIR"):
        prepare_data_dir(tmp_path / "file" / "data")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_with_what_to_do(tmp_path):
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path], check=False)
    if mount.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(StartRefused, match="nearly full"):
            prepare_data_dir(tmp_path)
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "big").write_bytes(b"x" * 100_000)
        with pytest.raises(StartRefused, match="the disk is full"):
            prepare_data_dir(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_the_embedded_broker_keeps_what_it_was_given_over_a_restart(tmp_path):
    from redis import Redis

    broker = EmbeddedBroker(data_dir=tmp_path)
    url = broker.url.replace("redis+socket", "unix")

    async def main(supervisor):
        def use():
            with Redis.from_url(url) as client:
                return (
                    client.incr("starts"),
                    client.info("server")["redis_version"],
                    client.config_get("maxmemory*"),
                )

        return await asyncio.to_thread(use)

    def once():
        return supervise(
            program("a", "print('go'); input()", ready_line="go"), foundation=[broker.role], main=ready
        )[0]

    async def ready(supervisor):
        await supervisor.ready()
        return await main(supervisor)

    assert once()[0] == 1
    count, version, memory = once()
    assert count == 2
    assert int(version.split(".")[0]) >= 7
    assert memory["maxmemory-policy"] == "noeviction"
    broker.remove_socket()


def test_the_broker_sockets_path_fits_even_where_temporary_folders_are_deep(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    broker = EmbeddedBroker(data_dir=tmp_path)
    assert len(broker.url.removeprefix("redis+socket://")) <= 107
    broker.remove_socket()


def test_a_signal_stops_children_in_time(tmp_path):
    async def main(supervisor):
        await supervisor.ready()
        os.kill(os.getpid(), signal.SIGINT)

    start = time.monotonic()
    code, output = supervise(
        program("a", "print('go', flush=True); import time; time.sleep(60)", ready_line="go"), main=main
    )
    assert code == 0
    assert "stopping" in output
    assert time.monotonic() - start < 10


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('go', flush=True); time.sleep(60)"


def test_a_second_interrupt_kills_at_once():
    async def main(supervisor):
        await supervisor.ready()
        os.kill(os.getpid(), signal.SIGINT)
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGINT)

    start = time.monotonic()
    code, _ = supervise(program("a", STUBBORN, ready_line="go"), main=main)
    assert code == 0
    assert time.monotonic() - start < 5


def test_a_child_that_does_not_stop_is_killed_after_the_grace(monkeypatch):
    monkeypatch.setattr("webapp.fleet.supervisor.GRACE", 0.5)

    async def main(supervisor):
        await supervisor.ready()
        return 0

    code, output = supervise(program("a", STUBBORN, ready_line="go"), main=main)
    assert code == 0
    assert "a did not stop within" in output


def test_an_endless_line_is_cut_and_bytes_that_are_no_text_do_no_harm():
    async def main(supervisor):
        await supervisor.ready()
        return 0

    text = "import os, time; os.write(1, b'x' * 50_000 + b'\\n\\xff\\ngo\\n'); time.sleep(60)"
    _, output = supervise(program("a", text, ready_line="go"), main=main)
    assert "a         | \ufffd\n" in output
    assert max(map(len, output.splitlines())) < 10_000


def test_progress_without_a_terminal_is_a_line_for_each_tenth():
    output = io.StringIO()
    console = Console(output)
    for step in range(101):
        console.progress(step / 100, "Working")
    assert output.getvalue().splitlines() == [f"Working {tenth * 10}%" for tenth in range(11)]
