"""The operator says when a CRD is older than itself, and nothing else changes by it."""

import logging

import pytest

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.informer.crd_age import CrdAges, trouble_with
from support.wire import Answering, fails, says, wire

NAME = "rayclusters.ray.io"
GONE = fails(404, "NotFound", "not found", kind="customresourcedefinitions", name=NAME)


def crd(**annotations: str) -> Answering:
    found = {f"rayfleet.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return says({"kind": "PartialObjectMetadata", "metadata": {"name": NAME, "annotations": found}})


async def looks(*answers: Answering, revision: int = 2) -> list[tuple[dict[str, bool], tuple[str, ...]]]:
    """What is known after each answer."""
    async with wire(*answers) as server, KubeClient(Credentials(server.url)) as client:
        ages = CrdAges(client, {NAME: revision})
        seen = []
        for _ in answers:
            await ages.look(NAME, revision)
            seen.append((dict(ages.outdated), ages.remarks))
        accepted = {request.headers["accept"] for request in server.requests}
        assert all("PartialObjectMetadata" in header for header in accepted), "not the whole CRD"
        return seen


@pytest.mark.parametrize("text", ["2", "3", "10"])
def test_a_crd_as_new_as_the_operator_or_newer_is_well(text: str) -> None:
    """A newer one has every field of ours, as after a rollback of the operator alone."""
    assert trouble_with(NAME, {"rayfleet.io/crd-revision": text}, 2) is None


def test_an_older_crd_is_named_with_both_revisions_and_the_remedy() -> None:
    """What it costs stands before what to do."""
    words = trouble_with(NAME, {"rayfleet.io/crd-revision": "9"}, 10)
    assert words is not None
    assert words.startswith(f"the CRD {NAME} is older than this operator (revision 9, the operator's is 10)")
    assert words.endswith("upgrade it with the chart, or apply crds/")


@pytest.mark.parametrize(
    "annotations", [{}, {"rayfleet.io/crd-revision": "²"}, {"rayfleet.io/crd-revision": 2}]
)
def test_a_crd_without_our_revision_is_somebody_elses(annotations: dict[str, object]) -> None:
    """KubeRay's, or one that was edited."""
    assert "is not from rayfleet" in (trouble_with(NAME, annotations, 2) or "")


async def test_it_says_so_until_the_crd_is_upgraded(caplog: pytest.LogCaptureFixture) -> None:
    """Once in the log, and all the while elsewhere."""
    caplog.set_level(logging.INFO, "rayfleet.kube.informer.crd_age")
    first, second, third = await looks(crd(crd_revision="1"), crd(crd_revision="1"), crd(crd_revision="2"))
    assert first == second
    assert (first[0], len(first[1])) == ({NAME: True}, 1)
    assert third == ({NAME: False}, ())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_without_the_right_to_read_it_nothing_is_known_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither well nor outdated."""
    caplog.set_level(logging.INFO, "rayfleet.kube.informer.crd_age")
    forbidden = fails(403, "Forbidden", "cannot get resource")
    seen = await looks(crd(crd_revision="1"), forbidden, forbidden)
    assert [outdated for outdated, _ in seen] == [{NAME: True}, {}, {}]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_crd_that_is_not_there_is_not_outdated() -> None:
    """`/readyz` asks for it anyway."""
    assert await looks(GONE) == [({}, ())]


async def test_an_outage_changes_nothing() -> None:
    """What was seen last counts."""
    seen = await looks(crd(crd_revision="1"), fails(503, "ServiceUnavailable", "later"))
    assert seen[0] == seen[1]
