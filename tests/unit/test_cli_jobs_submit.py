"""What `submit` makes of a command line: the RayJob, its runtime environment, the package. No cluster."""

import json
import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from rayfleet.api.rayjob import RayJobSpec, parse_spec, validate
from rayfleet.api.strict_yaml import read_yaml
from rayfleet.cli.arguments import parse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.jobs import package
from rayfleet.cli.jobs.manifest import prefix_of
from rayfleet.cli.jobs.package import packed
from rayfleet.cli.main import main
from support.builders import group, raycluster, spec
from support.job_terminal import as_text

TRAIN = ("--", "python", "train.py")


def made(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The RayJob that a dry run prints, which the operator would accept."""
    assert main(["submit", "--dry-run", *words]) == 0, capsys.readouterr().err
    (job,) = read_yaml(capsys.readouterr().out)
    name = job["metadata"].get("name") or f"{job['metadata']['generateName']}00000"
    parsed = parse_spec(job["spec"])
    assert isinstance(parsed, RayJobSpec)
    assert validate(parsed, name=name) == ()
    return dict(job)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["submit", "--dry-run", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return " ".join(said.err.split())


def test_a_command_gets_a_cluster_that_comes_and_goes_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One GPU worker at most, none while nothing waits; the log can be read for a minute after the end."""
    job = made(capsys, "--gpus", "8", *TRAIN)
    assert job["metadata"] == {"generateName": "train-"}
    job_spec = job["spec"]
    cluster = job_spec.pop("rayClusterSpec")
    assert job_spec == {
        "entrypoint": "python train.py",
        "submissionMode": "HTTPMode",
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": 60,
    }
    assert cluster["enableInTreeAutoscaling"] is True
    (workers,) = cluster["workerGroupSpecs"]
    assert (workers["minReplicas"], workers["replicas"], workers["maxReplicas"]) == (0, 0, 1)
    (container,) = workers["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/rayproject/ray:2.60.0-gpu"
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": 8}
    assert cluster["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0"}


def test_without_workers_the_head_does_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = made(capsys, "--workers", "0", *TRAIN)["spec"]["rayClusterSpec"]
    assert "workerGroupSpecs" not in cluster
    assert "rayStartParams" not in cluster["headGroupSpec"]


def test_an_image_of_the_users_is_that_of_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is claimed about the version of Ray in it."""
    cluster = made(capsys, "--image", "me/ray", "--cpus", "4", "--memory", "16Gi", *TRAIN)["spec"][
        "rayClusterSpec"
    ]
    templates = [cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]]
    assert [one["spec"]["containers"][0]["image"] for one in templates] == ["me/ray", "me/ray"]
    assert "rayVersion" not in cluster
    assert templates[1]["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "4", "memory": "16Gi"}


def test_the_words_of_a_command_stay_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Ray hands the entrypoint to a shell."""
    job = made(capsys, "--", "python", "x.py", "--name", "a b", "$HOME", "--", "-n")
    assert job["spec"]["entrypoint"] == "python x.py --name 'a b' '$HOME' -- -n"
    assert "namespace" not in job["metadata"]


NAMES = [
    ("python -u jobs/Train_v2.py --fast", "train-v2"),
    ("python3 -m pkg.eval", "pkg"),
    ("FOO=1 bash run_all.sh", "run-all"),
    ("uv run 3d-unet.py", "d-unet"),
    ("python '???'", "job"),
    ("", "job"),
]


@pytest.mark.parametrize(("entrypoint", "start"), NAMES)
def test_a_name_begins_with_what_is_run(entrypoint: str, start: str) -> None:
    assert prefix_of(entrypoint) == start


def test_a_long_command_makes_no_name_that_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    name = made(capsys, "--", "python", f"{'x' * 80}.py")["metadata"]["generateName"]
    assert len(name) + 5 == 47


def test_a_named_cluster_is_used_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    job = made(capsys, "--cluster", "shared", "-n", "ml", "--name", "mine", *TRAIN)
    assert job["metadata"] == {"name": "mine", "namespace": "ml"}
    assert job["spec"] == {
        "entrypoint": "python train.py",
        "submissionMode": "HTTPMode",
        "clusterSelector": {"ray.io/cluster": "shared"},
    }


def test_a_manifest_is_what_a_job_begins_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name becomes the start of a new one; what a cluster has added to it is left out."""
    file = tmp_path / "job.yaml"
    metadata = {
        "name": "nightly",
        "namespace": "old",
        "uid": "x",
        "resourceVersion": "3",
        "labels": {"team": "a"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    given = {"entrypoint": "old", "rayClusterSpec": spec(group("gpu", 1)), "activeDeadlineSeconds": 60}
    job = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": metadata,
        "spec": given,
        "status": {"a": 1},
    }
    file.write_text(as_text(job))
    assert made(capsys, "--from", str(file)) == {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"generateName": "nightly-", "labels": {"team": "a"}},
        "spec": given,
    }
    changed = made(capsys, "--from", str(file), "--retries", "2", "--keep", *TRAIN)["spec"]
    assert changed["entrypoint"] == "python train.py"
    assert (changed["backoffLimit"], changed["retryPolicy"]) == (2, {})
    assert changed["shutdownAfterJobFinishes"] is False


def test_a_raycluster_is_a_template_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(as_text(raycluster("big", spec_fields=spec(group("gpu", 1)))))
    job = made(capsys, "--from", str(file), *TRAIN)
    assert job["metadata"]["generateName"] == "big-"
    assert job["spec"]["rayClusterSpec"] == spec(group("gpu", 1))
    assert job["spec"]["shutdownAfterJobFinishes"] is True


def test_a_field_that_has_no_effect_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The API server keeps it for those who know it, so it would be ignored without a word."""
    file = tmp_path / "job.yaml"
    given = {"entrypoint": "x", "rayClusterSpec": spec(), "activeDeadlineSecond": 3}
    file.write_text(as_text({"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {}, "spec": given}))
    assert main(["submit", "--dry-run", "--from", str(file)]) == 0
    said = capsys.readouterr()
    assert "spec.activeDeadlineSecond is unknown and has no effect: check its spelling" in said.err
    assert "activeDeadlineSecond: 3" in said.out


def test_a_manifest_without_one_job_or_cluster_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(as_text({"apiVersion": "v1", "kind": "Pod"}))
    assert "has 0 RayJobs and 0 RayClusters: name a manifest with one." in refused(
        capsys, "--from", str(file), *TRAIN
    )


WRONG = [
    (("--name", "Wrong_Name", *TRAIN), "metadata.name: should be a valid DNS1035 label"),
    (("--min-workers", "3", *TRAIN), "--min-workers 3 is more than --workers 1: raise --workers."),
    (("--memory", "8Gib", *TRAIN), "--memory: "),
    (("--cpus", "-1", *TRAIN), "--cpus -1 is negative: write 0 or more."),
    (("--runtime-env", "/nowhere.yaml", *TRAIN), "--runtime-env cannot be read"),
    (("--runtime-env", "{a: ", *TRAIN), "--runtime-env is not a map in YAML or JSON"),
    (("--working-dir", "/nowhere", *TRAIN), "is not a directory of this machine: name one, or the URI"),
    (
        ("--env", "NO_SUCH_VARIABLE", *TRAIN),
        "this shell has no such variable: write --env NO_SUCH_VARIABLE=VALUE.",
    ),
    (
        ("--runtime-env", '{"py_modules": ["./lib"]}', *TRAIN),
        "py_modules names ./lib, which is on this machine",
    ),
    (("--working-dir", ".", "--retries", "1", *TRAIN), "--retries is not possible with a working directory"),
    (("--working-dir", ".", "--runtime-env", '{"excludes": ["a"]}', *TRAIN), "excludes is not supported"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_what_cannot_be_submitted_ends_with_a_sentence(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is created."""
    assert message in refused(capsys, *words)


TOGETHER = [
    (("--cluster", "c", "--gpus", "1", *TRAIN), "--cluster and --gpus cannot be given together"),
    (("--from", "f", "--cluster", "c", *TRAIN), "--from and --cluster cannot be given together"),
    (("--cluster", "c", "--keep", *TRAIN), "--keep is of no use with --cluster"),
    (("--cluster", "c", "--retries", "1", *TRAIN), "--retries is not possible with --cluster"),
    (("--gpus", "-1", *TRAIN), "'-1' is not a number"),
    (("--entrypoint-num-gpus", "nan", *TRAIN), "'nan' is not an amount"),
    ((), "there is no command to run: write it after --"),
    (("python", "train.py"), "'python' is no option of submit: write the command after --."),
]


@pytest.mark.parametrize(("words", "message"), TOGETHER, ids=[message[:30] for _, message in TOGETHER])
def test_options_that_exclude_each_other_are_a_wrong_command_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["submit", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_options_after_the_dashes_are_the_commands_own() -> None:
    given = parse(["submit", "--gpus", "1", "--", "x", "--gpus", "2", "--", "-n", "y"], "rayfleet")
    assert (given.gpus, given.namespace, given.words) == (1, None, ("x", "--gpus", "2", "--", "-n", "y"))


def test_a_runtime_environment_is_put_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, variables, a directory; files that it names are read here, as the head has none of them."""
    (tmp_path / "requirements.txt").write_text("# ours\ntorch==2.9\n\nnumpy\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    file = tmp_path / "env.yaml"
    file.write_text("pip: requirements.txt\nenv_vars: {A: '1', B: '2'}\n")
    words = (
        "--runtime-env",
        str(file),
        "--env",
        "B=x=y",
        "--env",
        "WANDB_MODE",
        "--working-dir",
        "s3://b/code.zip",
    )
    job_spec = made(capsys, *words, *TRAIN)["spec"]
    (environment,) = read_yaml(job_spec["runtimeEnvYAML"])
    assert environment == {
        "pip": ["torch==2.9", "numpy"],
        "env_vars": {"A": "1", "B": "x=y", "WANDB_MODE": "offline"},
        "working_dir": "s3://b/code.zip",
    }
    assert job_spec["submissionMode"] == "HTTPMode"


def test_a_manifests_environment_stays_and_gets_variables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "job.yaml"
    given = {"entrypoint": "x", "rayClusterSpec": spec(), "runtimeEnvYAML": "pip: [torch]\n"}
    file.write_text(as_text({"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {}, "spec": given}))
    text = made(capsys, "--from", str(file), "--env", "A=1")["spec"]["runtimeEnvYAML"]
    assert read_yaml(text) == [{"pip": ["torch"], "env_vars": {"A": "1"}}]


# The package


def files_in(content: bytes) -> dict[str, bytes]:
    archive = zipfile.ZipFile(BytesIO(content))
    return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    for name in ("train.py", "lib/model.py", "data/big.bin", ".venv/bin/python", "lib/__pycache__/x.pyc"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return folder


def test_a_package_has_the_files_without_what_ray_leaves_out(directory: Path) -> None:
    made_once = packed(directory)
    assert set(files_in(made_once.content)) == {"train.py", "lib/model.py", "data/big.bin"}
    assert made_once.files == 3
    assert made_once.uri.startswith("gcs://_ray_pkg_")


def test_a_package_is_the_same_while_its_files_are(directory: Path) -> None:
    """Times do not count: a head that has it gets it only once."""
    before = packed(directory)
    os.utime(directory / "train.py", (1, 1))
    assert packed(directory) == before
    (directory / "train.py").write_text("other")
    assert packed(directory).name != before.name


def test_a_package_of_a_repository_has_what_git_would_keep(directory: Path) -> None:
    """Files that are not committed yet are part of it; what .gitignore names is not."""
    (directory / ".gitignore").write_text("data/\n")
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    assert set(files_in(packed(directory).content)) == {".gitignore", "train.py", "lib/model.py"}


def test_a_package_that_a_head_would_refuse_is_not_sent(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "LARGEST", 1 << 20)
    (directory / "weights").write_bytes(os.urandom(2 << 20))
    with pytest.raises(CommandError, match="more than 1 MiB, even zipped"):
        packed(directory)
    monkeypatch.setattr(package, "MOST_FILES", 3)
    with pytest.raises(CommandError, match="has 4 files, and at most 3 can be sent"):
        packed(directory)


def test_an_empty_directory_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="has no files to send"):
        packed(tmp_path)


def test_a_dry_run_is_json_that_a_cluster_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers and texts stay what they are."""
    job = made(capsys, "--entrypoint-num-gpus", "0.5", "--env", "N=1", *TRAIN)
    assert json.loads(json.dumps(job)) == job
    assert job["spec"]["entrypointNumGpus"] == 0.5
    assert job["spec"]["runtimeEnvYAML"] == "env_vars:\n  N: '1'\n"
