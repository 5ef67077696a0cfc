"""Configuration values: the arguments of truss_chains, checked, frozen, and honest about what has no effect."""

import copy
import pickle
import subprocess
import sys

import pytest
from pydantic import ValidationError

from chainlets import truss_config
from chainlets.config import (
    ACCELERATORS,
    Assets,
    BasetenImage,
    ChainletOptions,
    Compute,
    CustomImage,
    DockerImage,
    RemoteConfig,
    RPCOptions,
    cloud_only,
)
from chainlets.errors import ChainsUsageError
from chainlets.paths import make_abs_path_here
from tests.harness import ROOT

EVERYTHING = RemoteConfig(
    docker_image=DockerImage(
        base_image=CustomImage(
            image="python:3.11-slim",
            python_executable_path="/usr/bin/python3",
            docker_auth={"registry": "example.org"},
        ),
        pip_requirements=["numpy==2.0", "av"],
        apt_requirements=["ffmpeg"],
        requirements_file=make_abs_path_here("requirements.txt"),
        data_dir=make_abs_path_here("data"),
        external_package_dirs=[make_abs_path_here("shared"), "/opt/more"],
        truss_server_version_override="1.0",
    ),
    compute=Compute(
        cpu_count=4,
        memory="16Gi",
        gpu=truss_config.Accelerator.H100,
        gpu_count=2,
        predict_concurrency="cpu_count",
        instance_type="H100:2",
    ),
    assets=Assets(
        cached=[
            truss_config.ModelRepo(repo_id="openai/whisper-base", revision="main", allow_patterns=["*.json"])
        ],
        secret_keys=["hf_access_token"],
        external_data=[
            truss_config.ExternalDataItem(url="https://example.org/words.txt", local_data_path="words.txt")
        ],
        weights=[
            truss_config.WeightsSource(source="hf://openai/whisper-base@main", mount_location="/models/base")
        ],
    ),
    name="Everything",
    options=ChainletOptions(
        enable_b10_tracing=True,
        enable_debug_logs=True,
        env_variables={"LEVEL": "3"},
        health_checks=truss_config.HealthChecks(restart_threshold_seconds=600),
        metadata={"team": "speech"},
        streaming_read_timeout=30,
        transport=truss_config.WebsocketOptions(ping_interval_seconds=2.5),
        fleet_concurrency_limit=8,
        fleet_rate_limit="10/s",
    ),
    build_commands=["make"],
)


def test_a_source_that_sets_everything_loads_and_keeps_what_it_set():
    assert EVERYTHING.compute.queue == "gpu.h100.2"
    assert EVERYTHING.docker_image.pip_requirements == ("numpy==2.0", "av")
    assert EVERYTHING.options.fleet_concurrency_limit == 8
    assert EVERYTHING.assets.cached[0].runtime_secret_name == "hf_access_token"
    assert EVERYTHING.options.health_checks.startup_threshold_seconds is None
    assert EVERYTHING.name == "Everything"


def test_defaults_are_those_of_truss_chains():
    config = RemoteConfig()
    assert config.compute.model_dump() == {
        "cpu_count": 1,
        "memory": "2Gi",
        "gpu": None,
        "gpu_count": 1,
        "predict_concurrency": 1,
        "instance_type": None,
        "gpu_memory": None,  # ours
    }
    assert config.docker_image.base_image is BasetenImage.PY311
    assert config.options.streaming_read_timeout == 60
    assert RPCOptions().model_dump() == {
        "retries": 1,
        "timeout_sec": 600.0,
        "use_binary": False,
        "concurrency_limit": 300,
    }


@pytest.mark.parametrize("make", [list, tuple, set])
def test_several_things_may_be_given_as_a_list_a_tuple_or_a_set(make):
    assert sorted(Assets(secret_keys=make(["a", "b"])).secret_keys) == ["a", "b"]


@pytest.mark.parametrize("accelerator", truss_config.Accelerator)
def test_a_gpu_may_be_given_as_a_text_or_as_an_accelerator(accelerator):
    assert Compute(gpu=accelerator) == Compute(gpu=accelerator.value)
    assert Compute(gpu=accelerator).queue == f"gpu.{accelerator.value.lower()}"
    assert accelerator in ACCELERATORS


@pytest.mark.parametrize("gpu", ["h100", "RTX", "", 3])
def test_an_unknown_gpu_is_refused_with_the_list_of_known_ones(gpu):
    with pytest.raises(ValueError, match=r"unknown GPU type .*Write one of: any, T4, L4"):
        Compute(gpu=gpu)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RemoteConfig(computer=Compute()),
        lambda: Compute(gpus=2),
        lambda: ChainletOptions(fleet_limit=2),
        lambda: truss_config.HealthChecks(restart_seconds=2),
        lambda: truss_config.GRPCOptions(port=2),
    ],
)
def test_an_unknown_key_is_an_error(make):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        make()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: RemoteConfig(compute="big"), "compute"),
        (lambda: RemoteConfig(build_commands="make"), "build_commands"),
        (lambda: Compute(cpu_count="many"), "cpu_count"),
        (lambda: Compute(cpu_count=0), "cpu_count"),
        (lambda: Compute(memory="2 Gigabytes"), "memory"),
        (lambda: Compute(predict_concurrency="all"), "predict_concurrency"),
        (lambda: Compute(predict_concurrency=0), "predict_concurrency"),
        (lambda: Assets(cached=["openai/whisper-base"]), "cached.0"),
        (lambda: Assets(secret_keys="token"), "secret_keys"),
        (lambda: DockerImage(base_image=3), "base_image"),
        (lambda: DockerImage(requirements_file=3), "requirements_file"),
        (lambda: DockerImage(external_package_dirs="one"), "external_package_dirs"),
        (lambda: ChainletOptions(env_variables={"LEVEL": 3}), "env_variables.LEVEL"),
        (lambda: ChainletOptions(transport="http"), "transport"),
        (lambda: ChainletOptions(fleet_concurrency_limit=0), "fleet_concurrency_limit"),
        (lambda: RPCOptions(retries="3"), "retries"),
        (lambda: RPCOptions(timeout_sec=0), "timeout_sec"),
        (truss_config.ModelRepo, "repo_id"),
        (lambda: truss_config.WebsocketOptions(ping_timeout_seconds=0), "ping_timeout_seconds"),
    ],
)
def test_a_value_of_the_wrong_type_names_class_and_field(make, field):
    with pytest.raises(ValidationError) as caught:
        make()
    assert field in str(caught.value)


def test_unknown_options_of_a_call_are_ignored_as_in_truss_chains():
    assert RPCOptions(retries=3, patience=1) == RPCOptions(retries=3)


def test_values_cannot_be_changed():
    compute = Compute(gpu="T4")
    with pytest.raises(AttributeError, match=r"`Compute.gpu` cannot be changed.*Make a new"):
        compute.gpu = "L4"
    with pytest.raises(AttributeError, match="frozen"):
        del compute.gpu
    assert compute == Compute(gpu="T4")
    assert len({compute, Compute(gpu="T4"), Compute(gpu="L4")}) == 2


def test_values_survive_copying_and_pickling():
    assert copy.deepcopy(EVERYTHING.compute) == EVERYTHING.compute
    assert pickle.loads(pickle.dumps(EVERYTHING)) == EVERYTHING


def test_a_value_shows_what_was_set():
    assert repr(Compute(gpu="T4", cpu_count=1)) == "Compute(gpu='T4')"


def test_the_spec_of_compute_has_everything_worked_out():
    assert Compute(gpu_count=4, cpu_count=3, predict_concurrency="cpu_count").get_spec().model_dump() == {
        "cpu_count": 3,
        "memory": "2Gi",
        "gpu": None,
        "gpu_count": 0,
        "predict_concurrency": 3,
        "instance_type": None,
    }
    with pytest.raises(AttributeError, match="frozen"):
        Compute().get_spec().gpu = "T4"


def test_secrets_are_shown_as_stars():
    assert repr(Assets(secret_keys=["token"])) == "Assets(secret_keys={'token': '***'})"
    spec = EVERYTHING.assets.get_spec()
    assert spec.model_dump(mode="json")["secrets"] == {"hf_access_token": "***"}
    assert "'hf_access_token': '***'" in repr(spec)
    assert spec.weights[0].mount_location == "/models/base"


def test_everything_can_be_shown_as_json():
    shown = EVERYTHING.model_dump(mode="json")
    assert shown["docker_image"]["requirements_file"].endswith("sdk/requirements.txt")
    assert shown["assets"]["cached"][0]["allow_patterns"] == ["*.json"]
    assert shown["options"]["env_variables"] == {"LEVEL": "3"}
    assert RemoteConfig().model_dump(mode="json")["docker_image"]["base_image"] == "py311"


def test_a_base_image_as_text_says_what_to_write():
    with pytest.raises(ChainsUsageError, match=r"Write `chains.CustomImage\(image='python:3.11'\)`"):
        DockerImage(base_image="python:3.11")


def test_two_requirement_files_are_one_too_many():
    with pytest.raises(ChainsUsageError, match="Write `requirements_file` only"):
        DockerImage(requirements_file="a.txt", pip_requirements_file="b.txt")
    assert DockerImage(pip_requirements_file="b.txt").pip_requirements_file == "b.txt"


@pytest.mark.parametrize(
    "source",
    ["hf://a/b@main", "s3://b/k", "gs://b/k", "azure://a/b", "r2://a.b/k", "cw://b/k", "https://x.org/k"],
)
def test_weights_may_come_from_seven_kinds_of_place(source):
    assert truss_config.WeightsSource(source=source, mount_location="/models").source == source


@pytest.mark.parametrize("source", ["openai/whisper-base", "http://x.org/k", "ftp://x/k", "hf://", "", 3])
def test_weights_from_elsewhere_are_refused_with_an_example(source):
    with pytest.raises(ValueError, match=r"one of the schemes hf, s3, .*'hf://openai/whisper-base@main'"):
        truss_config.WeightsSource(source=source, mount_location="/models")


@pytest.mark.parametrize("place", ["models", "./models", "/models/../etc", "/", ""])
def test_weights_are_mounted_at_an_absolute_path(place):
    with pytest.raises(ValueError, match="Write the absolute path of a folder"):
        truss_config.WeightsSource(source="hf://a/b", mount_location=place)


@pytest.mark.parametrize("url", ["https://example.org/data.bin", "http://host/a", "file:///srv/data.bin"])
def test_external_data_may_lie_behind_an_address_or_on_this_machine(url):
    assert truss_config.ExternalDataItem(url=url, local_data_path="data.bin").url == url


@pytest.mark.parametrize("url", ["example.org/data.bin", "ftp://a/b", "/srv/data.bin", ""])
def test_external_data_needs_a_full_address(url):
    with pytest.raises(ValueError, match=r"Write a full address, such as https://.* or file://"):
        truss_config.ExternalDataItem(url=url, local_data_path="data.bin")


def test_every_setting_without_effect_is_told_once_in_a_sentence():
    told = cloud_only(EVERYTHING)
    assert [sentence.split("`")[1] for sentence in told] == [
        "docker_image.base_image",
        "docker_image.base_image.python_executable_path",
        "docker_image.base_image.docker_auth",
        "docker_image.pip_requirements",
        "docker_image.apt_requirements",
        "docker_image.requirements_file",
        "docker_image.external_package_dirs",
        "docker_image.truss_server_version_override",
        "build_commands",
        "compute.instance_type",
        "options.enable_b10_tracing",
        "options.health_checks",
        "options.metadata",
        "options.transport.ping_interval_seconds",
    ]
    assert all(sentence.endswith(".") for sentence in told)


def test_defaults_and_settings_that_work_are_passed_over():
    working = ChainletOptions(
        enable_debug_logs=True,
        env_variables={"LEVEL": "3"},
        streaming_read_timeout=30,
        transport=truss_config.WebsocketOptions(),
        fleet_concurrency_limit=8,
        fleet_rate_limit="10/s",
    )
    assert cloud_only(RemoteConfig()) == []
    assert (
        cloud_only(
            RemoteConfig(
                compute=Compute(gpu="T4"),
                assets=EVERYTHING.assets,
                docker_image=DockerImage(data_dir="data"),
                options=working,
            )
        )
        == []
    )


def test_defining_configuration_needs_no_pydantic():
    # Building its models at import would double what `import chainlets` costs.
    code = (
        "import sys, types; door = types.ModuleType('chainlets'); door.__path__ = ['chainlets'];"
        "sys.modules['chainlets'] = door; import chainlets.config; chainlets.config.RemoteConfig();"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
