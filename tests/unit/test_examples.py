"""The examples: valid, small enough for a laptop's two cores, and right in what they compute."""

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from images import recipes
from rayfleet.api import RayClusterSpec, parse_spec
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.validation import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFEST: dict[str, Any] = yaml.safe_load((EXAMPLES / "raycluster.yaml").read_text())
SPEC: dict[str, Any] = MANIFEST["spec"]


def containers() -> list[tuple[int, dict[str, Any]]]:
    """How many pods of the example have which Ray container."""
    workers = [
        (group["replicas"], group["template"]["spec"]["containers"][0]) for group in SPEC["workerGroupSpecs"]
    ]
    return [(1, SPEC["headGroupSpec"]["template"]["spec"]["containers"][0]), *workers]


def test_the_example_is_valid() -> None:
    """No rule has anything to say about it."""
    spec = parse_spec(SPEC)
    assert isinstance(spec, RayClusterSpec), spec
    assert validate(spec, name=MANIFEST["metadata"]["name"]) == ()


def test_the_example_fits_two_cores() -> None:
    """Where two nodes share them: all requests together leave half a core for the rest."""
    cpu = sum(count * parse_quantity(c["resources"]["requests"]["cpu"]) for count, c in containers())
    memory = sum(count * parse_quantity(c["resources"]["limits"]["memory"]) for count, c in containers())
    assert cpu <= Decimal("1.5")
    assert memory <= 8 * 1024**3


def test_every_worker_has_a_gpu_and_no_cpu_limit_that_would_slow_ray_down() -> None:
    """Ray's own number of CPUs is given, since it cannot be had from the requests."""
    for group in SPEC["workerGroupSpecs"]:
        container = group["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        assert "cpu" not in container["resources"]["limits"]
        assert int(group["rayStartParams"]["num-cpus"]) >= 1


def test_the_test_beds_variant_replaces_every_image_by_the_one_that_is_built() -> None:
    """`kubectl apply -k examples` names what `make images` makes."""
    images = yaml.safe_load((EXAMPLES / "kustomization.yaml").read_text())["images"]
    replaced = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in images}
    for _, container in containers():
        assert replaced[container["image"].rpartition(":")[0]] == recipes.recipe("ray", {}).reference


def test_the_example_says_which_ray_its_image_has() -> None:
    """What the operator decides by the version it decides rightly."""
    for _, container in containers():
        assert container["image"].rpartition(":")[2] == SPEC["rayVersion"]


@pytest.fixture
def sum_primes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], int]:
    """The function of the job that one task runs; Ray itself is not installed here and has no part in it."""
    ray = ModuleType("ray")
    ray.remote = lambda *given, **_: given[0] if given else (lambda function: function)  # type: ignore[attr-defined]  # stands for the decorator
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "sum_primes", raising=False)
    module = __import__("sum_primes")
    function: Callable[[int, int, int], int] = module.sum_primes
    return function


def test_eight_shares_add_up_to_what_one_process_finds(sum_primes: Callable[[int, int, int], int]) -> None:
    """The primes below 100 add up to 1060, of which 2 is left out of the shares."""
    assert sum_primes(100, 0, 1) == 1060 - 2
    assert sum(sum_primes(100, share, 8) for share in range(8)) == 1060 - 2
    assert sum(sum_primes(10_007, share, 8) for share in range(8)) == sum_primes(10_007, 0, 1)
