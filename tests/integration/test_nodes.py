"""Nodes: the right to read them, and the operator with it, without it, and with it later."""

import itertools
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.children import CHILDREN, NODE_CHILD
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.nodes import Devices
from rayfleet.settings.flags import parse
from support.builders import raycluster
from support.cluster_api import ClusterApi, Namespace
from support.informing import client_of, following, until
from support.node_objects import ALWAYS, DEVICES, READY, SINCE
from support.operator_process import RELEASE, REPOSITORY, Grants, OperatorProcess, service_account_kubeconfig
from support.testbed import RunningControlPlane
from support.waiting import eventually
from testbed import binaries

NODES = "/api/v1/nodes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
IMPATIENT = """
import sys
from rayfleet import main
from rayfleet.kube.informer import machine

machine.UNAVAILABLE_WAIT = 4.0
sys.exit(main.main())
"""
"""Waits of seconds instead of a minute."""
_numbers = itertools.count(1)


def rendered(*values: str) -> list[dict[str, Any]]:
    """The chart's objects with these `--set` values."""
    done = subprocess.run(
        [
            str(binaries.path("helm")), "template", RELEASE, str(REPOSITORY / "charts" / "rayfleet"),
            *(f"--set={value}" for value in values),
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def follows_nodes(objects: list[dict[str, Any]]) -> bool:
    """Whether the chart has the operator follow nodes."""
    (deployment,) = (item for item in objects if item["kind"] == "Deployment")
    flags = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return parse([flag for flag in flags if not flag.startswith("--scaling-config=")], {}).watch_nodes


def rules_about_nodes(objects: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    return [
        (item["kind"], item["metadata"]["name"], rule["verbs"])
        for item in objects
        for rule in item.get("rules") or ()
        if "nodes" in rule["resources"]
    ]


@pytest.mark.parametrize("namespaces", ["logLevel=info", "watchNamespaces={a,b}"], ids=["all", "a list"])
def test_the_right_to_read_nodes_comes_with_the_value_and_as_a_cluster_role_of_its_own(
    namespaces: str,
) -> None:
    """In both modes it is bound to the operator's account; without the value nothing is about nodes."""
    objects = rendered(namespaces)
    assert (rules_about_nodes(objects), follows_nodes(objects)) == ([], False)
    objects = rendered(namespaces, "nodes.watch=true")
    name = f"{RELEASE}-nodes"
    assert rules_about_nodes(objects) == [("ClusterRole", name, ["get", "list", "watch"])]
    assert follows_nodes(objects)
    (binding,) = (
        item for item in objects if item["kind"] == "ClusterRoleBinding" and item["metadata"]["name"] == name
    )
    assert binding["roleRef"]["name"] == name
    assert [subject["name"] for subject in binding["subjects"]] == [RELEASE]


@pytest.fixture
async def client(control_plane: RunningControlPlane) -> AsyncIterator[KubeClient]:
    """An admin's client."""
    async with client_of(control_plane.kubeconfig) as client:
        yield client


async def test_a_node_is_followed_from_its_creation_to_its_deletion(
    control_plane: RunningControlPlane, client: KubeClient
) -> None:
    """Beside a list of namespaces; a heartbeat changes nothing in the cache and wakes nobody."""
    name = f"node-{next(_numbers)}"
    async with following(control_plane.kubeconfig, "default", children=(*CHILDREN, NODE_CHILD)) as seen:
        nodes = seen.stores.of(NODE_CHILD)
        labels = {**ALWAYS, "team": "blue"}
        taints = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
        body = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": taints, "unschedulable": True},
        }
        made = _done(await client.create(NODES, body))
        await until("the node", lambda: nodes.get("", name))
        node = nodes.get("", name)
        assert node is not None
        assert (node.ready, node.unschedulable, node.devices) == (False, True, ())
        assert labels.items() <= dict(node.labels).items()
        assert "nvidia.com/gpu" in {taint.key for taint in node.taints}

        ready = {"conditions": [READY | {"lastHeartbeatTime": SINCE}], "capacity": DEVICES}
        status = f"{NODES}/{name}/status"
        _done(await client.patch_status(status, {"status": ready | {"allocatable": DEVICES}}))
        await until(
            "it to be ready", lambda: (found := nodes.get("", name)) and found.ready and found.devices
        )
        well = nodes.get("", name)
        assert well is not None
        assert well.devices == (Devices("nvidia.com/gpu", 8, 8),)

        images = {"images": [{"names": ["registry.example/ray"], "sizeBytes": 1}]}
        beat = _done(await client.patch_status(status, {"status": images}))
        version = int(beat["metadata"]["resourceVersion"])
        await until(
            "the heartbeat", lambda: (found := nodes.get("", name)) and found.resource_version >= version
        )
        beaten = nodes.get("", name)
        assert beaten is not None
        assert (beaten.devices, beaten.ready, beaten.since) == (well.devices, True, well.since)

        _done(await client.delete(f"{NODES}/{name}", made["metadata"]["uid"]))
        await until("its deletion", lambda: nodes.get("", name) is None)
        assert seen.woken == []
        (health,) = (each for each in seen.informer.health if each.kind == "nodes")
        assert (health.namespace, health.synced, health.relists, health.error) == (None, True, 0, "")


def _done(answer: dict[str, Any] | ApiFailure) -> dict[str, Any]:
    assert not isinstance(answer, ApiFailure), answer
    return answer


class NodeReader:
    """An operator of one namespace that should follow nodes and may not."""

    def __init__(self, api: ClusterApi, namespace: Namespace, folder: Path) -> None:
        self._api = api
        self.account = f"nodes-{next(_numbers)}"
        grants = Grants(api, self.account)
        grants.give(namespace.name)
        grants.give(namespace.name, lease=True)
        kubeconfig = service_account_kubeconfig(api, folder, account=self.account)
        names = ["--namespace", namespace.name, "--watch-nodes", "true"]
        self.operator = OperatorProcess(kubeconfig, folder, names, program=("-c", IMPATIENT))

    def grant(self) -> None:
        """Grant what the chart grants with `nodes.watch`."""
        (role,) = (
            item
            for item in rendered("watchNamespaces={x}", "nodes.watch=true")
            if item["kind"] == "ClusterRole"
        )
        metadata = {"name": self.account}
        self._api.call("POST", f"{RBAC}/clusterroles", {"metadata": metadata, "rules": role["rules"]})
        self._api.call(
            "POST",
            f"{RBAC}/clusterrolebindings",
            {
                "metadata": metadata,
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": self.account,
                },
                "subjects": [{"kind": "ServiceAccount", "name": self.account, "namespace": RELEASE}],
            },
        )

    @property
    def synced(self) -> float | None:
        """The metric about the view of nodes."""
        start = 'rayfleet_informer_synced{kind="nodes",scope="*"} '
        found = [line for line in self.operator.metrics().splitlines() if line.startswith(start)]
        return float(found[0].removeprefix(start)) if found else None


@pytest.fixture
def reader(api: ClusterApi, namespace: Namespace, tmp_path: Path) -> Iterator[NodeReader]:
    reader = NodeReader(api, namespace, tmp_path)
    yield reader
    reader.operator.kill()


def test_without_the_right_only_nodes_are_unavailable_until_it_is_granted(
    reader: NodeReader, namespace: Namespace
) -> None:
    """Metrics and `/readyz` say so, and the operator keeps trying to list them."""
    reader.operator.start()
    status, words = reader.operator.health("readyz")
    first, *remarks = words.splitlines()
    assert (status, first) == (200, "ok")
    assert [remark.partition(":")[0] for remark in remarks] == ["nodes"]
    assert "forbidden" in remarks[0]
    assert reader.synced == 0

    namespace.apply(raycluster("demo"))
    eventually("the pods of demo", lambda: len(namespace.living_pods("ray.io/cluster=demo")) == 4)

    reader.grant()
    eventually("the list of nodes", lambda: reader.synced == 1, seconds=20)
    assert reader.operator.health("readyz") == (200, "ok")
