"""An API server that knows RayJobs, and operators that run them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cluster_api import ClusterApi
from support.operator_process import (
    RELEASE,
    OperatorProcess,
    install_chart,
    service_account_kubeconfig,
    wait_for_owner_references,
)
from support.waiting import eventually


@contextmanager
def jobs_installed(api: ClusterApi) -> Iterator[None]:
    """The chart with the CRD of RayJob and the rights that it takes."""
    install_chart(api.kubeconfig, "jobs.enabled=true")
    wait_for_owner_references(api, kind="RayJob")
    yield
    take_jobs_off(api)


def take_jobs_off(api: ClusterApi) -> None:
    """The chart without jobs, once the rights that they take are gone."""
    install_chart(api.kubeconfig, "jobs.enabled=false")
    eventually("the rights of jobs to be gone", lambda: not _may_create_clusters(api))


def _may_create_clusters(api: ClusterApi) -> bool:
    """Whether the operator may do so, by the API server, which learns of changed roles a moment later."""
    wanted = {"namespace": "default", "verb": "create", "group": "ray.io", "resource": "rayclusters"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": f"system:serviceaccount:{RELEASE}:{RELEASE}", "resourceAttributes": wanted},
    }
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(answer["status"]["allowed"])


@contextmanager
def job_operator(api: ClusterApi, namespace: str, folder: Path) -> Iterator[OperatorProcess]:
    """A running operator for a namespace that runs jobs."""
    kubeconfig = service_account_kubeconfig(api, folder)
    process = OperatorProcess(kubeconfig, folder, ["--namespace", namespace, "--jobs", "true"])
    process.start()
    yield process
    process.kill()
