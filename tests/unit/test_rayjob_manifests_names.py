"""Names follow from the RayJob and the attempt, so that nothing can be made twice."""

import re
from itertools import product

import pytest

from rayfleet.kinds.rayjob.manifests.names import cluster_name, dashboard_url, job_id
from support.manifest_samples import cluster, template
from support.rayjob_samples import cluster_spec, cluster_spec_of, rayjob, spec_of

SHAPE = re.compile(r"train-[a-z0-9]{5}")


def test_a_name_is_the_same_in_every_process_and_another_one_in_every_attempt() -> None:
    """A create whose answer was lost meets its own name, and a lost status makes no second cluster."""
    job = rayjob()
    names = [cluster_name(job, attempt) for attempt in range(1, 6)]
    ids = [job_id(job, spec_of(job), attempt) for attempt in range(1, 6)]

    assert names[:2] == ["train-7l5g5", "train-k9j4z"]
    assert ids[:2] == ["train-5r2v6", "train-wf5cz"]
    assert len({*names, *ids}) == 10
    assert all(SHAPE.fullmatch(name) for name in (*names, *ids))


def test_a_rayjob_that_was_made_anew_gets_other_names() -> None:
    """The cluster of the deleted one may still be there."""
    assert cluster_name(rayjob(uid="a"), 1) != cluster_name(rayjob(uid="b"), 1)


def test_the_longest_name_of_a_rayjob_leaves_room_for_those_of_its_clusters_objects() -> None:
    """A RayCluster's name has at most 53 characters, for the same reason."""
    job = rayjob("a" * 47)
    assert len(cluster_name(job, 2_147_483_647)) == 53
    assert cluster_name(job, 1).startswith("a" * 47 + "-")


def test_the_id_that_the_user_demands_is_used_in_every_attempt_with_a_new_cluster() -> None:
    job = rayjob(jobId="mine")
    assert [job_id(job, spec_of(job), attempt) for attempt in (1, 2)] == ["mine", "mine"]


def test_on_a_cluster_that_has_run_an_attempt_the_id_is_a_new_one() -> None:
    """Ray takes no id twice, and would show the job that failed."""
    job = rayjob(jobId="mine")
    again = [job_id(job, spec_of(job), attempt, reuses_cluster=True) for attempt in (2, 3)]
    assert all(re.fullmatch(r"mine-[a-z0-9]{5}", name) for name in again)
    assert len(set(again)) == 2


@pytest.mark.parametrize("given", ["", "raysubmit_abc"])
def test_in_interactive_mode_only_the_user_knows_the_id(given: str) -> None:
    job = rayjob(submissionMode="InteractiveMode", jobId=given)
    found = {job_id(job, spec_of(job), n, reuses_cluster=r) for n, r in product((1, 2), (False, True))}
    assert found == {given}


@pytest.mark.parametrize(
    ("head", "port"),
    [
        pytest.param({}, 8265, id="usual"),
        pytest.param({"rayStartParams": {"dashboard-port": "8300"}}, 8300, id="by flag"),
        pytest.param(
            {"template": template(ports=[{"name": "dashboard", "containerPort": 8299}])}, 8299, id="declared"
        ),
        pytest.param({"template": template(ports=[{"containerPort": 1234}])}, 8265, id="not declared"),
        pytest.param(
            {"headService": {"spec": {"ports": [{"name": "dashboard", "port": 80}]}}}, 80, id="moved"
        ),
        pytest.param(
            {"headService": {"spec": {"clusterIP": "None", "ports": [{"name": "dashboard", "port": 80}]}}},
            8265,
            id="moved, but nothing forwards it",
        ),
        pytest.param(
            {
                "headService": {
                    "spec": {"clusterIP": "None", "ports": [{"name": "dashboard", "targetPort": "d"}]}
                }
            },
            8265,
            id="a name that leads nowhere",
        ),
    ],
)
def test_the_dashboard_is_found_through_the_clusters_head_service(head: dict[str, object], port: int) -> None:
    of = cluster_spec_of(cluster_spec(head))
    assert dashboard_url(cluster(), of) == f"demo-head-svc.team-a.svc.cluster.local:{port}"
    assert dashboard_url(cluster(), of, "") == f"demo-head-svc.team-a.svc:{port}"
