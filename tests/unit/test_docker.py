"""The container files agree with the code: variables, roles, targets and times."""

import ast
import re
import subprocess

import pytest
import yaml

from tests.harness import ROOT
from webapp.fleet.supervisor import BROKER_GRACE, GRACE

DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
EXAMPLE = (DOCKER / ".env.example").read_text()
DOCUMENTED = set(re.findall(r"^# ([A-Z][A-Z0-9_]+)=", EXAMPLE, flags=re.MULTILINE))
# Of the terminal, of Django, of the model hub, and from one of our processes to itself: nobody sets these to configure
# Chainlets.
NOT_OURS = {"DJANGO_SETTINGS_MODULE", "TERM", "NO_COLOR", "PATH", "HOME", "TMPDIR", "LANG", "WORKER_SLOT"}
NOT_OURS |= {"CRASH_POINTS"}  # set by tests only
NOT_OURS |= {"HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"}


def variables_in(path):
    """Names that a Python file reads from the environment, by `env.…("NAME")` or `os.environ`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            called = ast.unparse(node.func)
            known = {
                "env.text",
                "env.secret",
                "env.flag",
                "env.number",
                "env.names",
                "env.folder",
                "env.size",
                "env.kept_secret",
            }
            known |= {"os.environ.get", "environ.get", "os.getenv"}
            if called in known and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.slice, ast.Constant)
            and ast.unparse(node.value) == "os.environ"
        ):
            yield node.slice.value


def read_by_the_code():
    files = [*(ROOT / "chainlets").rglob("*.py"), *(ROOT / "webapp").rglob("*.py"), *DOCKER.glob("*.py")]
    return {name for path in files for name in variables_in(path)} - NOT_OURS


def test_every_variable_the_code_reads_is_documented():
    assert read_by_the_code() - DOCUMENTED == set()


def test_every_documented_variable_is_read_by_the_code():
    assert DOCUMENTED - read_by_the_code() == set()


def test_every_secret_is_said_to_come_from_a_file_too():
    tree = ast.parse((ROOT / "webapp" / "settings.py").read_text())
    secrets = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"env.secret", "env.kept_secret"}
    }
    assert secrets
    assert {name for name in secrets if f"{name}_FILE" not in EXAMPLE} == set()


def test_the_example_sets_nothing_and_so_holds_no_secret():
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_compose_variables_are_documented():
    text = (DOCKER / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{([A-Z0-9_]+)", text)) <= DOCUMENTED


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_is_confined_and_recovers(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_container_waits_longer_than_the_supervisor():
    grace = COMPOSE["services"]["chainlets"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > GRACE + BROKER_GRACE


def test_targets_and_base_images_are_named_and_pinned():
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, flags=re.MULTILINE) == [
        "wheels", "pages", "base", "worker", "web",
    ]  # fmt: skip
    images = re.findall(r"^ARG \w+_IMAGE=(\S+)$", dockerfile, flags=re.MULTILINE)
    assert images
    assert all(re.fullmatch(r"[a-z]+:\d+[\w.-]+", image) for image in images)
    assert COMPOSE["services"]["chainlets"]["build"]["target"] == "web"


def test_the_image_gets_every_file_it_copies():
    wanted = re.findall(r"^COPY (?!--from)(.+) \S+$", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    let_in = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    for source in " ".join(wanted).split():
        assert (ROOT / source).exists(), source
        assert any(source.rstrip("/").startswith(line[1:]) for line in let_in if line.startswith("!")), source


def test_every_role_of_the_image_is_a_command():
    commands = {path.stem for path in (ROOT / "webapp" / "fleet" / "management" / "commands").glob("*.py")}
    assert {"up", "web", "worker", "reconciler", "prepare"} <= commands


def test_an_unknown_role_is_refused_with_the_known_ones():
    done = subprocess.run([DOCKER / "entrypoint", "dance"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "no role 'dance'" in done.stderr
    assert "reconciler" in done.stderr
