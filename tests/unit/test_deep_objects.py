"""An object that is nested too deeply stops only itself: no list, no watch, and no other pass."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from rayfleet.api.nesting import DEEPEST, TOO_DEEP
from rayfleet.api.raycluster import parse_spec
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.validity import judge
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.client.answers import Listing
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.client.decoding import decoded
from rayfleet.kube.informer.sinks import ChildSink
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from support.builders import UID, cluster, group, raycluster, snapshot, spec
from support.passes import KEY as DEMO
from support.passes import passes
from support.wire import event, says, streams, wire

PATH = "/apis/ray.io/v1/rayclusters"
MARK = "DEEP"


def deep(levels: int, kind: str = "object") -> bytes:
    """JSON with so many levels."""
    before, after = (b'{"a":', b"}") if kind == "object" else (b"[", b"]")
    return before * (levels - 1) + (b"{}" if kind == "object" else b"[]") + after * (levels - 1)


def stored(levels: int, version: int = 5, kind: str = "object") -> bytes:
    """A RayCluster from the API server whose worker template has an unknown field with so many levels."""
    fields = spec(group(replicas=1))
    fields["workerGroupSpecs"][0]["template"]["spec"]["x"] = MARK
    obj = raycluster(spec_fields=fields)
    obj["metadata"] |= {"uid": "u", "resourceVersion": str(version), "generation": version}
    return orjson.dumps(obj).replace(f'"{MARK}"'.encode(), deep(levels, kind))


def in_cache(levels: int, kind: str = "object") -> RootStore:
    store = RootStore("RayCluster")
    store.apply(decoded(stored(levels, kind=kind)))
    return store


@pytest.mark.parametrize("levels", [300, 1_100, 9_000])
async def test_a_watch_continues_after_an_object_that_is_too_deep(levels: int) -> None:
    line = b'{"type":"ADDED","object":' + stored(levels) + b"}\n"
    async with (
        wire(streams(line, event("ADDED", a=1))) as server,
        KubeClient(Credentials(server.url)) as client,
        aclosing(client.watch(PATH)) as events,
    ):
        seen: list[Any] = [item async for item in events]
    assert [(e["type"], e["object"].get("a")) for e in seen] == [("ADDED", None), ("ADDED", 1)]
    assert seen[0]["object"]["metadata"]["name"] == "demo"


@pytest.mark.parametrize("levels", [300, 1_100, 9_000])
async def test_a_list_and_a_read_return_an_object_that_is_too_deep_and_all_others(levels: int) -> None:
    listed = b'{"metadata":{"resourceVersion":"9"},"items":[{"n":1},' + stored(levels) + b',{"n":2}]}'
    async with (
        wire(says(listed), says(stored(levels))) as server,
        KubeClient(Credentials(server.url)) as client,
    ):
        found, alone = await client.list_all(PATH), await client.get(f"{PATH}/demo")
    assert isinstance(found, Listing)
    assert not isinstance(alone, ApiFailure)
    assert [item.get("n") for item in found.items] == [1, None, 2]
    assert found.items[1]["metadata"] == alone["metadata"]


@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize("levels", [DEEPEST, 300, 1_000, 1_100, 9_000])
def test_a_spec_that_is_too_deep_is_reported_with_its_field_and_its_remedy(levels: int, kind: str) -> None:
    found = in_cache(levels, kind).get(Key("RayCluster", "ml", "demo"))
    assert found is not None
    judgement = judge(found, None, None, {})
    raw = decoded(stored(levels, kind=kind))["spec"]  # The command line gets it so.
    assert parse_spec(raw) == judgement.violations
    (violation,) = judgement.violations
    assert violation.path.startswith("spec.workerGroupSpecs[0].template.spec.x")
    assert len(violation.path) < 120
    assert violation.message == (
        "is nested too deeply: use at most 250 levels of objects and lists in the spec."
    )


@pytest.mark.parametrize("kind", ["object", "list"])
def test_a_spec_at_the_limit_of_depth_is_acted_on(kind: str) -> None:
    """Its pods are built too; the field is the fifth level of the spec, counted from 0."""
    found = in_cache(DEEPEST - 5, kind).get(Key("RayCluster", "ml", "demo"))
    assert found is not None
    judgement = judge(found, None, None, {})
    assert judgement.violations == ()
    made = [a for a in plan(snapshot(found, spec=judgement.spec)).actions if isinstance(a, CreatePod)]
    assert [orjson.loads(orjson.dumps(action.body)) for action in made] == [action.body for action in made]
    assert len(made) == 2


async def test_running_pods_are_not_touched_when_a_spec_becomes_too_deep() -> None:
    """Neither in this process nor after a restart without an earlier spec; the status reports the depth."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        bed.head()
        bed.worker(1)
        await bed.reconciler.reconcile(DEMO)
        bed.api.writes.clear()
        for version in (3000, 3001):
            obj = decoded(stored(1_100, version))
            obj["metadata"]["uid"] = UID
            assert bed.clusters.apply(obj)
            bed.term_number += 1
            await bed.reconciler.reconcile(DEMO)
        assert not [write for write in bed.api.writes if write.startswith("DELETE") or "/pods" in write]
        for written in bed.api.bodies("PATCH", "/status")[-2:]:
            (valid,) = [c for c in written["status"]["conditions"] if c["type"] == "Valid"]
            assert (valid["status"], "nested too deeply" in valid["message"]) == ("False", True)


def test_a_cluster_is_still_healed_by_its_last_valid_spec_when_it_becomes_too_deep() -> None:
    store = RootStore("RayCluster")
    store.apply(decoded(stored(1, version=5)))
    good = store.stored_spec(Key("RayCluster", "ml", "demo"))
    assert store.apply(decoded(stored(1_100, version=6)))
    found = store.get(Key("RayCluster", "ml", "demo"))
    assert found is not None
    judgement = judge(found, good, good, {})
    before = judge(cluster(orjson.loads(good or b"")), None, None, {})
    assert judgement.spec == before.spec


def test_the_path_of_a_too_deep_value_is_bounded_whatever_its_keys_are() -> None:
    raw = stored(1).replace(deep(1), b'{"' + b"k" * 100_000 + b'":' + deep(400) + b"}", 1)
    store = RootStore("RayCluster")
    store.apply(decoded(raw))
    found = store.get(Key("RayCluster", "ml", "demo"))
    assert found is not None
    assert len(found.spec[TOO_DEEP]) < 120


def test_a_status_that_is_too_deep_leaves_the_cluster_readable() -> None:
    raw = raycluster() | {"status": {"state": "ready", "x": decoded(deep(900))}}
    raw["metadata"] |= {"uid": "u", "resourceVersion": "5"}
    store = RootStore("RayCluster")
    assert store.apply(raw)
    found = store.get(Key("RayCluster", "ml", "demo"))
    assert found is not None
    assert found.status["state"] == "ready"
    assert TOO_DEEP not in found.status


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":"\\ud800 b","c":1}', {"a": "\ufffd b", "c": 1}),
        (b'{"a":"\\udc00","b":"\\ud83d\\ude00"}', {"a": "\ufffd", "b": "\U0001f600"}),
        (b'{"a":"\\\\ud800","b":"\\ud800"}', {"a": "\\ud800", "b": "\ufffd"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":123456789012345678901234567890}', {"a": 1.2345678901234568e29}),
        (b'{"a":"' + b"[" * 2_000 + b'\\"","b":1}', {"a": "[" * 2_000 + '"', "b": 1}),
    ],
    ids=["high alone", "low alone", "escaped", "no UTF-8", "beyond 64 bits", "brackets in a text"],
)
def test_only_the_unreadable_part_of_an_object_is_lost(raw: bytes, value: object) -> None:
    assert decoded(raw) == value
    assert orjson.loads(orjson.dumps(decoded(raw))) == value


@pytest.mark.parametrize("raw", [b"<html>[[", b"", b'{"a":', b"[" * 5_000, b"]" * 5_000, b'{"a":NaN}'])
def test_invalid_json_is_still_an_error(raw: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        decoded(raw)


def test_reading_deep_objects_takes_linear_time() -> None:
    """It is a megabyte of the worst shapes for a scan that looks back."""
    began = time.process_time()
    for inner in (
        b'"' + b"\\\\" * 500_000 + b'"',
        b'"' + b"\\ud83d" * 170_000 + b'"',
        b"[" * 9_000 + b"]" * 9_000,
    ):
        assert decoded(b'{"a":' + deep(1_100) + b',"b":' + inner + b"}")["b"]
    assert time.process_time() - began < 5


@pytest.mark.parametrize("error", [OverflowError, RecursionError, ZeroDivisionError, KeyError, TypeError])
def test_an_object_that_cannot_be_parsed_keeps_no_other_out_of_the_cache(error: type[Exception]) -> None:
    def trim(obj: Mapping[str, Any]) -> Pod:
        if obj.get("odd"):
            raise error
        return pod_from_object(obj)

    woken: list[Key] = []
    sink = ChildSink("pods", None, trim, Store(Pod, ["RayCluster"]), woken.append)
    good = {"metadata": {"namespace": "ml", "name": "good", "uid": "u", "resourceVersion": "7"}}
    odd: list[Any] = [{"odd": True, "metadata": 3}, {"odd": True}, {"odd": True, "metadata": {"name": []}}]
    assert [pod.name for pod in sink.trimmed([*odd, good])] == ["good"]
    for obj in odd:
        sink.apply(obj, 7, born=True)
        sink.remove(obj, 8)
