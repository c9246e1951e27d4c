"""The examples: valid, small enough for a laptop's two cores, and right in what they compute."""

import shlex
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from images import recipes
from rayfleet.api import rayjob
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.raycluster import RayClusterSpec, parse_spec, scales_here
from rayfleet.api.raycluster.validation import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = (EXAMPLES, EXAMPLES / "autoscaling")
MANIFESTS: tuple[dict[str, Any], ...] = tuple(
    yaml.safe_load((folder / "raycluster.yaml").read_text()) for folder in FOLDERS
)
NAMES = [str(manifest["metadata"]["name"]) for manifest in MANIFESTS]
JOB: dict[str, Any] = yaml.safe_load((EXAMPLES / "rayjob.yaml").read_text())
CLUSTER_OF_JOB = {"metadata": JOB["metadata"], "spec": JOB["spec"]["rayClusterSpec"]}
each_example = pytest.mark.parametrize(
    "manifest", [*MANIFESTS, CLUSTER_OF_JOB], ids=[*NAMES, JOB["metadata"]["name"]]
)
Manifest = dict[str, Any]


def containers(manifest: Manifest) -> list[tuple[int, dict[str, Any]]]:
    """The largest number of pods per Ray container of the example."""
    spec = manifest["spec"]
    scaled = spec.get("enableInTreeAutoscaling", False)
    workers = [
        (group["maxReplicas" if scaled else "replicas"], group["template"]["spec"]["containers"][0])
        for group in spec["workerGroupSpecs"]
    ]
    return [(1, spec["headGroupSpec"]["template"]["spec"]["containers"][0]), *workers]


@each_example
def test_an_example_is_valid(manifest: Manifest) -> None:
    """No rule finds a fault in it."""
    spec = parse_spec(manifest["spec"])
    assert isinstance(spec, RayClusterSpec), spec
    assert validate(spec, name=manifest["metadata"]["name"]) == ()


def test_the_example_of_a_job_is_valid_and_brings_its_own_workers() -> None:
    """It starts on the head alone, since its cluster is scaled."""
    spec = rayjob.parse_spec(JOB["spec"])
    assert isinstance(spec, rayjob.RayJobSpec), spec
    assert rayjob.validate(spec, name=JOB["metadata"]["name"]) == ()
    assert spec.ray_cluster_spec is not None
    assert scales_here(spec.ray_cluster_spec)
    assert [group.replicas for group in spec.ray_cluster_spec.worker_group_specs] == [0]


def test_the_program_of_the_example_of_a_job_is_one_for_a_shell_and_for_python() -> None:
    program, option, text = shlex.split(JOB["spec"]["entrypoint"])
    assert (program, option) == ("python", "-c")
    compile(text, "entrypoint", "exec")


def test_the_scaling_example_starts_without_workers_and_is_scaled_by_this_operator() -> None:
    """The other example has a fixed size."""
    fixed, elastic = (parse_spec(manifest["spec"]) for manifest in MANIFESTS)
    assert isinstance(fixed, RayClusterSpec)
    assert isinstance(elastic, RayClusterSpec)
    assert not scales_here(fixed)
    assert scales_here(elastic)
    assert [group.replicas for group in elastic.worker_group_specs] == [0]


@each_example
def test_an_example_fits_two_cores(manifest: Manifest) -> None:
    """Two nodes share them: all requests together leave half a core for the rest."""
    there = containers(manifest)
    cpu = sum(count * parse_quantity(c["resources"]["requests"]["cpu"]) for count, c in there)
    memory = sum(count * parse_quantity(c["resources"]["limits"]["memory"]) for count, c in there)
    assert cpu <= Decimal("1.5")
    assert memory <= 8 * 1024**3


@each_example
def test_every_worker_has_a_gpu_and_no_cpu_limit_that_would_slow_ray_down(manifest: Manifest) -> None:
    """Ray's own number of CPUs is given, since it cannot be had from the requests."""
    for group in manifest["spec"]["workerGroupSpecs"]:
        container = group["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert "cpu" not in container["resources"]["limits"]
        assert int(group["rayStartParams"]["num-cpus"]) >= 1


@pytest.mark.parametrize(("folder", "manifest"), list(zip(FOLDERS, MANIFESTS, strict=True)), ids=NAMES)
def test_the_variant_for_the_test_bed_replaces_every_image_by_a_built_one(
    folder: Path, manifest: Manifest
) -> None:
    """`kubectl apply -k` uses the images of `make images`."""
    images = yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]
    replaced = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in images}
    for _, container in containers(manifest):
        assert replaced[container["image"].rpartition(":")[0]] == recipes.recipe("ray", {}).reference


@each_example
def test_an_example_says_which_ray_its_image_has(manifest: Manifest) -> None:
    """Decisions of the operator depend on the version."""
    for _, container in containers(manifest):
        assert container["image"].rpartition(":")[2] == manifest["spec"]["rayVersion"]


@pytest.fixture
def sum_primes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], int]:
    """The function that one task of the job runs; Ray itself is not installed here and not needed."""
    ray = ModuleType("ray")
    ray.remote = lambda *given, **_: given[0] if given else (lambda function: function)  # type: ignore[attr-defined]  # stands for the decorator
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "sum_primes", raising=False)
    module = __import__("sum_primes")
    function: Callable[[int, int, int], int] = module.sum_primes
    return function


def test_eight_shares_add_up_to_the_result_of_one_process(sum_primes: Callable[[int, int, int], int]) -> None:
    """The primes below 100 add up to 1060; the shares leave out 2."""
    assert sum_primes(100, 0, 1) == 1060 - 2
    assert sum(sum_primes(100, share, 8) for share in range(8)) == 1060 - 2
    assert sum(sum_primes(10_007, share, 8) for share in range(8)) == sum_primes(10_007, 0, 1)
