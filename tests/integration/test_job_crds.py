"""The CRDs of RayJob and RayCronJob on a real API server: what they accept, refuse and keep."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest

from crds.cli import KUBERNETES_TYPES
from crds.kinds import KINDS
from crds.kubernetes_types import KubernetesTypes
from crds.raycronjob import raycronjob_crd
from crds.rayjob import rayjob_crd
from crds.render import manifest
from rayfleet.api import raycronjob, rayjob
from support.cluster_api import ClusterApi
from support.crd_plane import client_once_served, fresh_name, kubectl, refusal
from support.job_fuzz import JOBS, JobFuzz, odd_spec, own_places
from support.odd_templates import OddTemplates
from support.rayjob_rows import job_fields
from support.testbed import RunningControlPlane, running_control_plane

CRONS = "/apis/ray.io/v1/namespaces/default/raycronjobs"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TYPES = KubernetesTypes.load(KUBERNETES_TYPES)
SPEC_SCHEMAS = {
    kind: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for kind, crd in (("RayJob", rayjob_crd(TYPES)), ("RayCronJob", raycronjob_crd(TYPES)))
}
CRON: dict[str, Any] = {"schedule": "0 * * * *", "jobTemplate": job_fields()}
PLACES_OF_TEMPLATES = ("submitterPodTemplate", "rayClusterSpec.headGroupSpec.template")
FUZZ_SECONDS = 4
MOST_SECONDS = 60
ENOUGH = 50
THREADS = 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of the CRDs."""
    folder = tmp_path_factory.mktemp("crds")
    for kind in KINDS:
        if kind.kind != "RayCluster":
            (folder / kind.file).write_text(manifest(kind.crd(TYPES)))
    return folder


@pytest.fixture(scope="module")
def plane() -> Iterator[RunningControlPlane]:
    with running_control_plane("-job-crds", audit_log=False) as running:
        yield running


@pytest.fixture(scope="module")
def api(plane: RunningControlPlane, files: Path) -> Iterator[ClusterApi]:
    """An admin's client, once the CRDs are served."""
    kubectl(plane, "apply", "-f", str(files))
    client = client_once_served(plane, JOBS, CRONS)
    yield client
    client.close()


def job(spec: Mapping[str, Any], name: str = "dry") -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": name}, "spec": dict(spec)}


def cron(spec: Mapping[str, Any], name: str = "dry") -> dict[str, Any]:
    return {**job(spec, name), "kind": "RayCronJob"}


def dry_job(api: ClusterApi, **settings: object) -> dict[str, Any]:
    """The spec that the API server would store."""
    return dict(api.call("POST", JOBS, job(job_fields(settings)), dryRun="All")["spec"])


def dry_cron(api: ClusterApi, **fields: object) -> dict[str, Any]:
    return dict(api.call("POST", CRONS, cron({**CRON, **fields}), dryRun="All")["spec"])


def stored_job(api: ClusterApi, **settings: object) -> str:
    """The name of a stored RayJob."""
    return str(api.call("POST", JOBS, job(job_fields(settings), fresh_name()))["metadata"]["name"])


def change(api: ClusterApi, path: str, patch: object) -> dict[str, Any]:
    return api.call("PATCH", path, patch, content_type="application/merge-patch+json")


def test_plain_kubectl_apply_installs_and_updates_them(
    plane: RunningControlPlane, api: ClusterApi, files: Path
) -> None:
    """Also where an earlier copy is kept in an annotation."""
    assert kubectl(plane, "apply", "-f", str(files)).count("unchanged") == 2
    for plural in ("rayjobs", "raycronjobs"):
        crd = api.call("GET", f"{DEFINITIONS}/{plural}.ray.io")
        assert {c["type"]: c["status"] for c in crd["status"]["conditions"]} == {
            "NamesAccepted": "True",
            "Established": "True",
        }
    assert [v["version"] for v in api.call("GET", "/apis/ray.io")["versions"]] == ["v1"]


class TestDefaults:
    def test_a_job_is_completed_as_the_api_says(self, api: ClusterApi) -> None:
        """And with nothing else: GitOps tools see no drift."""
        spec = api.call("POST", JOBS, job({}), dryRun="All")["spec"]
        assert spec == {"submissionMode": "K8sJobMode", "backoffLimit": 0, "ttlSecondsAfterFinished": 0}

    def test_parts_are_completed_once_they_are_there(self, api: ClusterApi) -> None:
        rule = {"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}
        spec = dry_job(api, retryPolicy={}, deletionStrategy={"deletionRules": [rule]}, submitterConfig={})
        assert spec["deletionStrategy"]["deletionRules"][0]["condition"]["ttlSeconds"] == 0
        assert spec["retryPolicy"] == {
            "infrastructureLimit": 3,
            "cluster": "Reuse",
            "backoffSeconds": 10,
            "maxBackoffSeconds": 300,
        }
        assert spec["submitterConfig"] == {}
        assert spec["rayClusterSpec"]["workerGroupSpecs"][0]["numOfHosts"] == 1

    def test_a_cron_job_gets_those_of_its_template(self, api: ClusterApi) -> None:
        """Its own fields stay as they are written."""
        spec = dry_cron(api)
        assert set(spec) == {"schedule", "jobTemplate"}
        assert spec["jobTemplate"]["submissionMode"] == "K8sJobMode"

    def test_counts_are_there_from_the_first_status(self, api: ClusterApi) -> None:
        name = stored_job(api)
        status = change(api, f"{JOBS}/{name}/status", {"status": {"jobId": "a"}})["status"]
        assert status == {"jobId": "a", "failed": 0, "succeeded": 0}

    def test_null_counts_as_absent(self, api: ClusterApi) -> None:
        """Go programs write null for what is not set."""
        spec = job_fields() | {"submissionMode": None, "deletionStrategy": None, "entrypointNumCpus": None}
        taken = api.call("POST", JOBS, job(spec), dryRun="All")["spec"]
        assert taken == dry_job(api)


RULE: dict[str, Any] = {"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}
BOTH = {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed"}
LEGACY = {"onSuccess": {"policy": "DeleteSelf"}, "onFailure": {"policy": "DeleteNone"}}


def rules(*given: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"deletionStrategy": {"deletionRules": list(given), **more}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"submissionMode": "Submit"}, "spec.submissionMode"),
        ({"startPolicy": "Now"}, "spec.startPolicy"),
        ({"preRunningDeadlineSeconds": 0}, "spec.preRunningDeadlineSeconds"),
        ({"activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
        ({"backoffLimit": -1}, "spec.backoffLimit"),
        ({"backoffLimit": 2**31}, "spec.backoffLimit"),
        ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
        ({"submitterConfig": {"backoffLimit": -1}}, "spec.submitterConfig.backoffLimit"),
        ({"retryPolicy": {"infrastructureLimit": -1}}, "spec.retryPolicy.infrastructureLimit"),
        ({"entrypointNumCpus": 1e39}, "spec.entrypointNumCpus"),
        ({"entrypointNumGpus": "1"}, "spec.entrypointNumGpus"),
        ({"metadata": {"a": 1}}, "spec.metadata.a"),
        ({"clusterSelector": {"a": 1}}, "spec.clusterSelector.a"),
        ({"rayClusterSpec": {}}, "spec.rayClusterSpec.headGroupSpec"),
        ({"submitterPodTemplate": {"spec": {"affinity": 7}}}, "spec.submitterPodTemplate.spec.affinity"),
        (
            {"submitterPodTemplate": {"metadata": {"managedFields": [{}]}}},
            "spec.submitterPodTemplate.metadata.managedFields",
        ),
        ({"managedBy": "me"}, "managedBy must be one of"),
        (rules(), "spec.deletionStrategy.deletionRules"),
        (rules(*[RULE] * 13), "spec.deletionStrategy.deletionRules"),
        (rules({"policy": "DeleteSelf"}), "spec.deletionStrategy.deletionRules[0].condition"),
        (rules({**RULE, "policy": "DeleteAll"}), "spec.deletionStrategy.deletionRules[0].policy"),
        (rules({**RULE, "condition": {"jobStatus": "STOPPED"}}), "deletionRules[0].condition.jobStatus"),
        (rules({**RULE, "condition": {"jobStatus": "FAILED", "ttlSeconds": -1}}), "condition.ttlSeconds"),
        (rules({**RULE, "condition": BOTH}), "cannot set both"),
        (rules({**RULE, "condition": {}}), "exactly one of"),
        (rules(RULE, **LEGACY), "Cannot use both legacy"),
        (rules(RULE, onSuccess={"policy": "DeleteSelf"}), "Cannot use both legacy"),
        ({"deletionStrategy": {}}, "requires either BOTH"),
        ({"deletionStrategy": {"onSuccess": {"policy": "DeleteSelf"}}}, "requires either BOTH"),
    ],
)
def test_what_a_job_cannot_mean_is_refused_with_its_path(
    api: ClusterApi, settings: dict[str, Any], words: str
) -> None:
    """Also in the template of a RayCronJob."""
    assert words in refusal(lambda: dry_job(api, **settings))
    inside = words.replace("spec.", "spec.jobTemplate.", 1)
    assert inside in refusal(lambda: dry_cron(api, jobTemplate=job_fields(settings)))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"schedule": None}, "spec.schedule"),
        ({"schedule": 7}, "spec.schedule"),
        ({"jobTemplate": None}, "spec.jobTemplate"),
        ({"timeZone": ""}, "spec.timeZone"),
        ({"concurrencyPolicy": "Wait"}, "spec.concurrencyPolicy"),
        ({"startingDeadlineSeconds": -1}, "spec.startingDeadlineSeconds"),
        ({"failedJobsHistoryLimit": -1}, "spec.failedJobsHistoryLimit"),
        ({"jobTemplateMetadata": {"labels": {"a": 1}}}, "spec.jobTemplateMetadata.labels.a"),
    ],
)
def test_what_a_cron_job_cannot_mean_is_refused_with_its_path(
    api: ClusterApi, fields: dict[str, Any], path: str
) -> None:
    assert path in refusal(lambda: dry_cron(api, **fields))


class TestChanges:
    def test_the_manager_of_a_job_cannot_be_changed(self, api: ClusterApi) -> None:
        """Two controllers would work on it in turns."""
        path = f"{JOBS}/{stored_job(api, managedBy='kueue.x-k8s.io/multikueue')}"
        words = refusal(lambda: change(api, path, {"spec": {"managedBy": "rayfleet.io/operator"}}))
        assert "managedBy is immutable: create a new RayJob instead." in words

    def test_a_manager_can_be_set_and_removed(self, api: ClusterApi) -> None:
        """How a job moves from one operator to another."""
        path = f"{JOBS}/{stored_job(api)}"
        assert change(api, path, {"spec": {"managedBy": "rayfleet.io/operator"}})["spec"]["managedBy"]
        assert "managedBy" not in change(api, path, {"spec": {"managedBy": None}})["spec"]

    def test_what_is_nested_may_change(self, api: ClusterApi) -> None:
        """It describes a cluster, or a RayJob, that does not exist yet."""
        options = "gcsFaultToleranceOptions"
        name = stored_job(api, **{f"rayClusterSpec.{options}": {"backend": "rocksdb"}})
        redis = {"rayClusterSpec": {options: {"backend": "redis"}}}
        assert change(api, f"{JOBS}/{name}", {"spec": redis})
        spec = {**CRON, "jobTemplate": job_fields({"managedBy": "kueue.x-k8s.io/multikueue"})}
        api.call("POST", CRONS, cron(spec, "changes"))
        template = {"managedBy": "rayfleet.io/operator", **redis}
        assert change(api, f"{CRONS}/changes", {"spec": {"jobTemplate": template}})


UNKNOWN: dict[str, Any] = {"ofTomorrow": {"a": [1, {"b": True}], "c": "d"}}


def test_unknown_fields_are_kept_where_they_are_most_likely(api: ClusterApi) -> None:
    """In our own parts, in pods, containers and volumes; a closed type drops them, as the reference says."""
    container = {"name": "ray", "image": "i", "env": [{"name": "A", **UNKNOWN}], **UNKNOWN}
    pod = {"containers": [container], "volumes": [{"name": "v", **UNKNOWN}], **UNKNOWN}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod, **UNKNOWN}
    spec = {
        "rayClusterSpec": {"headGroupSpec": {"template": template, **UNKNOWN}, **UNKNOWN},
        "submitterPodTemplate": template,
        "deletionStrategy": {"deletionRules": [{**RULE, **UNKNOWN}], **UNKNOWN},
        **UNKNOWN,
    }
    taken = api.call("POST", JOBS, job(spec), dryRun="All")["spec"]
    assert taken["submitterPodTemplate"] == template
    assert taken["rayClusterSpec"] == spec["rayClusterSpec"]
    assert taken["ofTomorrow"] == UNKNOWN["ofTomorrow"]
    assert taken["deletionStrategy"]["deletionRules"][0]["ofTomorrow"] == UNKNOWN["ofTomorrow"]

    closed = {**template, "metadata": {"labels": {"a": "b"}, **UNKNOWN}}
    assert dry_job(api, submitterPodTemplate=closed)["submitterPodTemplate"] == template


def test_unknown_fields_of_a_status_are_kept(api: ClusterApi) -> None:
    """Also in the status of the cluster."""
    name = stored_job(api)
    status = {
        "jobId": "a",
        "failed": 1,
        "succeeded": 0,
        "rayClusterStatus": {"state": "ready", **UNKNOWN},
        **UNKNOWN,
    }
    assert change(api, f"{JOBS}/{name}/status", {"status": status})["status"] == status


@pytest.mark.parametrize(
    "status",
    [
        {"startTime": "yesterday"},
        {"failed": -(2**31) - 1},
        {"rayJobInfo": {"endTime": 7}},
        {"rayClusterStatus": {"desiredCPU": "many"}},
        {"rayClusterStatus": {"conditions": [{"type": "Ready"}]}},
        {"conditions": [{"type": "Valid", "status": "Perhaps"}]},
        {"gpuSeconds": "1"},
    ],
    ids=str,
)
def test_a_status_that_a_go_client_cannot_read_is_refused(api: ClusterApi, status: dict[str, Any]) -> None:
    """Whoever writes it."""
    path = f"{JOBS}/{stored_job(api)}/status"
    assert "status" in refusal(lambda: change(api, path, {"status": status}))


def test_columns_are_those_that_users_know(plane: RunningControlPlane, api: ClusterApi) -> None:
    """With ours in the wide form."""
    name = stored_job(api)
    status = {
        "jobStatus": "FAILED",
        "jobDeploymentStatus": "Failed",
        "rayClusterName": f"{name}-abcde",
        "startTime": "2027-01-15T08:00:00Z",
        "endTime": "2027-01-15T09:00:00Z",
        "reason": "AppFailed",
        "gpuSeconds": 12.5,
        "attempt": 2,
    }
    change(api, f"{JOBS}/{name}/status", {"status": status})
    header, row = kubectl(plane, "get", "rayjob", name).splitlines()
    titles = "NAME   JOB STATUS   DEPLOYMENT STATUS   RAY CLUSTER NAME   START TIME   END TIME   AGE"
    assert header.split() == titles.split()
    assert row.split()[1:6] == ["FAILED", "Failed", f"{name}-abcde", status["startTime"], status["endTime"]]
    wide = kubectl(plane, "get", "rayjob", name, "--output=wide").splitlines()[1]
    assert wide.split()[-3:] == ["2", "12.5", "AppFailed"]

    api.call("POST", CRONS, cron({**CRON, "timeZone": "Europe/Berlin", "suspend": True}, "columns"))
    header, row = kubectl(plane, "get", "raycronjob", "columns").splitlines()
    assert header.split() == ["NAME", "SCHEDULE", "TIMEZONE", "LAST", "SCHEDULE", "AGE", "SUSPEND"]
    assert row.split()[1:7] == ["0", "*", "*", "*", "*", "Europe/Berlin"]
    assert row.split()[-1] == "true"


def searched(judge: Callable[[int], None], fuzz: JobFuzz, *outcomes: str) -> None:
    """Judge seeds for a while, and until each outcome has occurred often: else the search misses much."""
    began = time.monotonic()

    def goes_on() -> bool:
        passed, rarest = time.monotonic() - began, min(fuzz.outcomes[outcome] for outcome in outcomes)
        return passed < FUZZ_SECONDS or (rarest < ENOUGH and passed < MOST_SECONDS)

    def run(first: int) -> None:
        for seed in takewhile(lambda _: goes_on(), count(first, THREADS)):
            judge(seed)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))
    assert min(fuzz.outcomes[outcome] for outcome in outcomes) >= ENOUGH, fuzz.outcomes


@pytest.mark.parametrize("kind", ["RayJob", "RayCronJob"])
def test_every_spec_that_is_accepted_can_be_read(api: ClusterApi, kind: str) -> None:
    """By its types: what it says may still break a rule."""
    path, parse = (JOBS, rayjob.parse_spec) if kind == "RayJob" else (CRONS, raycronjob.parse_spec)
    fuzz, ordinary = JobFuzz(api, path, kind, parse), job_fields() if kind == "RayJob" else CRON
    odd = OddTemplates(SPEC_SCHEMAS[kind], lambda: deepcopy(ordinary))
    places = own_places(odd)
    searched(lambda seed: fuzz.judge_spec(odd_spec(odd, places, seed)), fuzz, "taken", "refused")


def test_pods_of_every_accepted_job_can_be_parsed(api: ClusterApi) -> None:
    """Never 400 'cannot be handled as a Pod': every Go client's list of RayJobs would break on such a one."""
    templates = OddTemplates(TYPES.schema("PodTemplateSpec"))
    places, fuzz = templates.places(), JobFuzz(api, JOBS, "RayJob", rayjob.parse_spec)

    def judge(seed: int) -> None:
        template = templates.random(random.Random(seed), places)  # noqa: S311 - odd values, not secrets
        where = PLACES_OF_TEMPLATES[seed // THREADS % 2]
        fuzz.judge_template(job_fields({where: template}), *where.split("."))

    searched(judge, fuzz, "refused", "pod taken", "pod refused")
