"""The schema of the status is what the operator writes: every status of the golden corpus is valid by it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from crds.kubernetes_types import QUANTITY, TIME
from crds.status_reference import table
from crds.status_schema import status_schema
from golden import draws, manifests
from golden.adapter import Operator
from rayfleet.api.raycluster.status import RayClusterStatus, WorkerGroupStatus
from support.structural_schema import faults

SCHEMA = status_schema(RayClusterStatus)
EACH = 12
"""One draw in so many is checked, and all of those in which pods are refused."""
Json = dict[str, Any]


class Recording(Operator):
    """Keeps the fields of each status that the operator changed."""

    statuses: list[tuple[str, Json]]
    name = ""

    def conclude(self, seen: Json, outcomes: Sequence[Json]) -> Json:
        reported = super().conclude(seen, outcomes)
        before = seen["cluster"].get("status") or {}
        written = {name: value for name, value in reported["status"].items() if before.get(name) != value}
        self.statuses.append((self.name, written))
        return reported


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    monkeypatch.setattr(Recording, "statuses", found, raising=False)
    monkeypatch.setattr(draws, "Operator", Recording)
    monkeypatch.setattr(manifests, "Operator", Recording)
    return found


def corpus() -> Iterator[str]:
    """Some draws of each family."""
    names = draws.names()
    yield from (name for n, name in enumerate(names) if not n % EACH or name.startswith("failing"))


def test_every_status_of_the_golden_corpus_is_valid_and_has_no_field_that_the_model_lacks(
    statuses: list[tuple[str, Json]],
) -> None:
    """What somebody else has forged there is not ours, and is not checked."""
    for name in corpus():
        Recording.name = name
        list(draws.passes(name))
    for manifest in manifests.manifests():
        Recording.name = manifest.name
        manifests.account_of(manifest)
    wrong = [(name, fault) for name, status in statuses for fault in faults(SCHEMA, status)]
    assert wrong == []
    fields = {path for _, status in statuses for path in paths(status)}
    written = {path for path in paths_of_schema(SCHEMA) if path not in NOT_IN_THE_CORPUS}
    assert written <= fields, "nobody writes one of the fields"


NOT_IN_THE_CORPUS = {"reason", "leftOut"}
"""KubeRay writes the first; the second is only in a status that others have filled."""


def paths(value: object, above: str = "") -> Iterator[str]:
    """The path of every field, without the indexes of lists."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{above}.{name}".removeprefix(".")
            yield path
            yield from paths(inner, path)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, above)


def paths_of_schema(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    schema = schema.get("items", schema)
    for name, inner in schema.get("properties", {}).items():
        path = f"{above}.{name}".removeprefix(".")
        yield path
        yield from paths_of_schema(inner, path)


def test_times_and_quantities_are_those_of_kubernetes() -> None:
    """Otherwise a Go client could not list the stored objects."""
    fields = SCHEMA["properties"]
    assert fields["lastUpdateTime"]["pattern"] == TIME["pattern"]
    assert fields["desiredCPU"]["pattern"] == QUANTITY["pattern"]
    assert fields["stateTransitionTimes"]["additionalProperties"] == TIME


def test_the_keys_of_list_entries_have_not_changed() -> None:
    """Server-side apply merges by these."""
    fields = SCHEMA["properties"]
    keys = {name: field.get("x-kubernetes-list-map-keys") for name, field in fields.items()}
    assert (keys["conditions"], keys["workerGroups"], keys["unknownFields"]) == (
        ["type"],
        ["groupName"],
        None,
    )
    condition, group = fields["conditions"]["items"], fields["workerGroups"]["items"]
    assert condition["required"] == ["type", "status", "lastTransitionTime", "reason", "message"]
    assert group["required"] == ["groupName"]
    assert "required" not in SCHEMA


def test_every_field_says_what_it_means() -> None:
    """In the CRD, and in the reference."""
    rows = table(RayClusterStatus)
    for path in paths_of_schema(SCHEMA):
        name = path.rpartition(".")[2]
        assert f"{name}`" in rows or f"{name}[]`" in rows
    assert " |  |" not in rows


def test_a_size_is_described_as_the_writer_counts_it() -> None:
    """`desired` was described in replicas once, and written in pods."""
    assert WorkerGroupStatus.fields["desired"].description.startswith("Pods ")
    assert "replaced" in RayClusterStatus.fields["head_epoch"].description
