"""The process: it restarts without a write, survives cut watches, and ends when asked."""

from pathlib import Path

from support.audit import operator_writes
from support.builders import group, raycluster, spec
from support.cluster_api import ClusterApi, Namespace
from support.operator_process import OperatorProcess, service_account_kubeconfig
from support.proxy import tcp_proxy
from support.testbed import RunningControlPlane
from support.waiting import eventually, throughout

CLUSTERS = 50
PODS = 3


def test_a_restart_with_fifty_clusters_makes_no_write(
    namespace: Namespace, operator: OperatorProcess, control_plane: RunningControlPlane
) -> None:
    """Everything that the operator must know is in the objects."""
    for number in range(CLUSTERS):
        namespace.apply(raycluster(f"c{number}", spec_fields=spec(group(replicas=PODS - 1))))
    eventually("all pods", lambda: len(namespace.pods()) == CLUSTERS * PODS, seconds=30)
    namespace.make_ready()
    eventually(
        "all clusters to be ready",
        lambda: all(c.get("status", {}).get("state") == "ready" for c in namespace.clusters()),
        seconds=30,
    )
    eventually("the last status to be written", lambda: _at_rest(namespace))
    before = operator_writes(control_plane.audit_log, namespace.name) if control_plane.audit_log else None
    versions = {c["metadata"]["resourceVersion"] for c in namespace.clusters()}
    operator.stop()
    operator.start()
    throughout(
        "no cluster is written to",
        lambda: {c["metadata"]["resourceVersion"] for c in namespace.clusters()} == versions,
        seconds=4,
    )
    assert len(namespace.pods()) == CLUSTERS * PODS
    if control_plane.audit_log:
        assert operator_writes(control_plane.audit_log, namespace.name) == before


def _at_rest(namespace: Namespace) -> bool:
    return all(c.get("status", {}).get("readyWorkerReplicas") == PODS - 1 for c in namespace.clusters())


def test_an_operator_that_was_killed_while_creating_goes_on_without_duplicates(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """SIGKILL in the middle of sixty creates; the next process creates the rest and no more."""
    wanted = 60
    namespace.apply(raycluster(spec_fields=spec(group(replicas=wanted, maxReplicas=100))))
    eventually("the first pods", lambda: namespace.pods("ray.io/group=gpu"))
    operator.kill()
    operator.start()
    eventually("all pods", lambda: len(namespace.living_pods("ray.io/group=gpu")) == wanted, seconds=30)
    throughout("there are no more pods", lambda: len(namespace.pods("ray.io/group=gpu")) == wanted, seconds=2)
    assert len(namespace.pods("ray.io/node-type=head")) == 1


def test_pods_that_vanish_while_the_watch_is_cut_are_replaced(
    namespace: Namespace, api: ClusterApi, control_plane: RunningControlPlane, tmp_path: Path
) -> None:
    """No event reports them."""
    with tcp_proxy(control_plane.server) as proxy:
        kubeconfig = service_account_kubeconfig(api, tmp_path)
        behind = tmp_path / "proxied.kubeconfig"
        proxy.kubeconfig(kubeconfig, behind)
        process = OperatorProcess(behind, tmp_path, ["--namespace", namespace.name])
        try:
            process.start()
            namespace.apply(raycluster())
            eventually("all pods", lambda: len(namespace.living_pods()) == 4)
            proxy.refuse()
            proxy.cut()
            for pod in namespace.pods("ray.io/group=gpu")[:2]:
                namespace.delete_pod(pod["metadata"]["name"])
            assert len(namespace.living_pods()) == 2
            proxy.accept()
            eventually(
                "the lost workers to be replaced", lambda: len(namespace.living_pods()) == 4, seconds=20
            )
            throughout("there are no more pods", lambda: len(namespace.living_pods()) == 4, seconds=1)
        finally:
            process.kill()


def test_it_ends_within_five_seconds_of_sigterm(namespace: Namespace, operator: OperatorProcess) -> None:
    """In the middle of work, too."""
    namespace.apply(raycluster(spec_fields=spec(group(replicas=100, maxReplicas=100))))
    eventually("the first pods", lambda: namespace.pods("ray.io/group=gpu"))
    assert operator.stop() < 5


def test_health_and_readiness_say_what_is_missing(operator: OperatorProcess) -> None:
    """200 when all is well."""
    assert operator.health("healthz") == (200, "ok")
    assert operator.health("readyz") == (200, "ok")


def test_bad_credentials_end_the_process_with_one_sentence(tmp_path: Path) -> None:
    """There is no traceback."""
    process = OperatorProcess(tmp_path / "missing.kubeconfig", tmp_path)
    process.start(wait=False)
    eventually("the process to end", lambda: not process.runs)
    assert "missing.kubeconfig" in process.last_words()
    assert "Traceback" not in process.last_words()
    process.kill()
