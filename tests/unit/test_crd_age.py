"""The operator says if a CRD is older than itself, and changes nothing else."""

import logging
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
import yaml

from rayfleet.api.crd_revisions import CRD_REVISIONS
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer.crd_age import LARGEST_STATUS, CrdAges, parts_of, trouble_with
from support.wire import Answering, fails, says, wire

NAME = "rayclusters.ray.io"
GONE = fails(404, "NotFound", "not found", kind="customresourcedefinitions", name=NAME)


def crd(*descriptions: str, generation: int = 1) -> dict[str, object]:
    """With one served version for each description, and one that is not served."""
    versions = [{"served": True, "schema": {"openAPIV3Schema": {"description": d}}} for d in descriptions]
    metadata = {"name": NAME, "uid": "u", "generation": generation}
    unserved = {"served": False, "schema": {"openAPIV3Schema": {"type": "object"}}}
    return {"metadata": metadata, "spec": {"versions": [*versions, unserved]}}


def ours(revision: int) -> str:
    return f"A Ray cluster. Schema revision {revision} of rayfleet."


def read(text: str, generation: int) -> tuple[Answering, Answering]:
    """The metadata, and the whole of it."""
    whole = crd(text, generation=generation)
    return says({"kind": "PartialObjectMetadata", "metadata": whole["metadata"]}), says(whole)


Known = tuple[dict[str, bool], tuple[str, ...]]


async def looks(*answers: Sequence[Answering], revision: int = 2) -> list[Known]:
    """What is known after each look, which takes so many answers."""
    flat = [answer for each in answers for answer in each]
    async with wire(*flat) as server, KubeClient(Credentials(server.url)) as client:
        ages = CrdAges(client, {NAME: revision})
        seen = []
        for _ in answers:
            await ages.look(NAME, revision)
            seen.append((dict(ages.outdated), ages.remarks))
        assert len(server.requests) == len(flat)
        return seen


@pytest.mark.parametrize("revision", [2, 3, 10])
def test_a_crd_as_new_as_the_operator_or_newer_is_fine(revision: int) -> None:
    """A newer one has every field of ours, as after a rollback of the operator alone."""
    assert trouble_with(NAME, crd(ours(revision)), 2) is None


def test_an_older_crd_is_named_with_both_revisions_and_the_remedy() -> None:
    """The message has the effect before the remedy."""
    words = trouble_with(NAME, crd(ours(9)), 10)
    assert words is not None
    assert words.startswith(f"the CRD {NAME} is older than this operator (revision 9, the operator's is 10)")
    assert words.endswith("upgrade it with the chart, or apply crds/")


@pytest.mark.parametrize(
    "found",
    [crd("RayCluster is the Schema for the RayClusters API"), crd(ours(2), "another"), crd(), {}],
    ids=["KubeRay's", "with another served version", "none served", "empty"],
)
def test_a_crd_without_our_revision_is_reported_as_foreign(found: dict[str, object]) -> None:
    """It is KubeRay's, or was edited."""
    assert "is not from rayfleet" in (trouble_with(NAME, found, 2) or "")


async def test_it_says_so_until_the_crd_is_upgraded(caplog: pytest.LogCaptureFixture) -> None:
    """The log has it once, `/readyz` all the time. The whole CRD is read only when it has changed."""
    caplog.set_level(logging.INFO, "rayfleet.kube.informer.crd_age")
    old, new = read(ours(1), 1), read(ours(2), 2)
    first, second, third, fourth = await looks(old, old[:1], new, new[:1])
    assert first == second
    assert (first[0], len(first[1])) == ({NAME: True}, 1)
    assert third == fourth == ({NAME: False}, ())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_without_the_right_to_read_it_the_age_is_unknown_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It counts as neither fine nor outdated."""
    caplog.set_level(logging.INFO, "rayfleet.kube.informer.crd_age")
    forbidden = fails(403, "Forbidden", "cannot get resource")
    seen = await looks(read(ours(1), 1), [forbidden], [forbidden])
    assert [outdated for outdated, _ in seen] == [{NAME: True}, {}, {}]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_missing_crd_is_not_outdated() -> None:
    """`/readyz` reports it anyway."""
    assert await looks([GONE]) == [({}, ())]


async def test_an_outage_changes_nothing() -> None:
    """The last answer counts."""
    later = fails(503, "ServiceUnavailable", "later")
    seen = await looks(read(ours(1), 1), [later], [read(ours(2), 2)[0], later])
    assert seen[0] == seen[1] == seen[2]


def test_only_the_parts_of_a_crd_that_are_read_are_unpacked() -> None:
    """A whole one takes megabytes, which Python keeps for later."""
    text = Path(__file__).parents[2].joinpath("crds", "ray.io_rayclusters.yaml").read_text("utf-8")
    whole = yaml.load(text, Loader=yaml.CSafeLoader)
    whole["metadata"] |= {"uid": "u", "generation": 3}
    parts = parts_of(orjson.dumps(whole))
    assert len(orjson.dumps(parts)) < 2000
    for revision in (CRD_REVISIONS[NAME], CRD_REVISIONS[NAME] + 1):
        assert trouble_with(NAME, parts, revision) == trouble_with(NAME, whole, revision)
    assert parts["metadata"] == {"uid": "u", "generation": 3}


@pytest.mark.parametrize("size", [0, LARGEST_STATUS])
def test_a_refusal_and_what_is_no_crd_are_unpacked_whole(size: int) -> None:
    """Whatever their size; what is no JSON is an error as for any other answer."""
    status = {"kind": "Status", "code": 403, "message": "no" + " " * size, "metadata": []}
    assert parts_of(orjson.dumps(status)) == status
    with pytest.raises(orjson.JSONDecodeError):
        parts_of(b"<html>" + b" " * size)
