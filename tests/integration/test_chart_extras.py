"""Additions of administrators to the chart: budgets, spreading, pinned images, monitors, own objects."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.settings.flags import parse
from rayfleet.wiring import SERVED_CRDS
from support.chart import CHART, Object, helm, must_helm, of_kind, render_file, the
from support.operator_process import RELEASE

DIGEST = f"sha256:{'0a' * 32}"
ZONES = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}


@pytest.fixture
def values(tmp_path: Path) -> Path:
    """A file for values."""
    return tmp_path / "values.yaml"


def rendered(file: Path, **values: Any) -> list[Object]:
    """The chart's objects with these values."""
    file.write_text(yaml.safe_dump(values))
    return render_file(file, namespace="somewhere")


def pod_of(objects: list[Object]) -> Object:
    pod: Object = the("Deployment", objects)["spec"]["template"]
    return pod


def test_draining_nodes_leaves_a_replica_and_is_never_blocked(values: Path) -> None:
    """One may be away at a time, even a single one; unready pods do not count."""
    objects = rendered(values)
    budget = the("PodDisruptionBudget", objects)["spec"]
    assert budget == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": the("Deployment", objects)["spec"]["selector"],
    }
    assert not of_kind("PodDisruptionBudget", rendered(values, podDisruptionBudget={"enabled": False}))


@pytest.mark.parametrize("amount", [2, "50%", 0])
def test_a_budget_may_say_how_many_must_stay(values: Path, amount: int | str) -> None:
    """Kubernetes accepts one of the two bounds, so it replaces the default."""
    budget = the("PodDisruptionBudget", rendered(values, podDisruptionBudget={"minAvailable": amount}))[
        "spec"
    ]
    assert budget["minAvailable"] == amount
    assert "maxUnavailable" not in budget


def test_replicas_are_spread_as_configured_and_selected_by_default(values: Path) -> None:
    """Their labels need not be repeated; a given selector stays as it is."""
    own = {"matchLabels": {"team": "ray"}}
    objects = rendered(values, topologySpreadConstraints=[ZONES, {**ZONES, "labelSelector": own}])
    first, second = pod_of(objects)["spec"]["topologySpreadConstraints"]
    assert first == {**ZONES, "labelSelector": the("Deployment", objects)["spec"]["selector"]}
    assert second == {**ZONES, "labelSelector": own}
    assert "topologySpreadConstraints" not in pod_of(rendered(values))["spec"]


def test_a_digest_pins_the_image(values: Path) -> None:
    """It is added to the tag, which people read."""
    pod = pod_of(rendered(values, image={"repository": "r/o", "tag": "v9", "digest": DIGEST}))
    assert pod["spec"]["containers"][0]["image"] == f"r/o:v9@{DIGEST}"


def test_extras_come_after_the_charts_own_values(values: Path) -> None:
    """So an argument overrides a flag of the chart, and nothing of the chart is lost."""
    plain = pod_of(rendered(values))["spec"]
    volume: Object = {"name": "cache", "emptyDir": {}}
    mount = {"name": "cache", "mountPath": "/cache"}
    extras: dict[str, list[Any]] = {
        "extraArgs": ["--log-level=debug", "--write-concurrency=64"],
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [volume],
        "extraVolumeMounts": [mount],
    }
    pod = pod_of(rendered(values, **extras))["spec"]
    (before,), (after,) = plain["containers"], pod["containers"]
    assert after["args"] == [*before["args"], *extras["extraArgs"]]
    assert after["env"] == [*before["env"], *extras["extraEnv"]]
    assert after["volumeMounts"] == [*before["volumeMounts"], mount]
    assert pod["volumes"] == [*plain["volumes"], volume]
    settings = parse([flag for flag in after["args"] if "scaling-config" not in flag], {})
    assert (settings.log_level, settings.write_concurrency) == ("DEBUG", 64)


def test_extra_objects_are_rendered_like_the_charts_templates(values: Path) -> None:
    """They may be maps or text."""
    as_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}}
    as_text = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "rayfleet.fullname" . }}-text\n'
    objects = rendered(values, extraObjects=[as_map, as_text])
    names = {item["metadata"]["name"] for item in of_kind("ConfigMap", objects)}
    assert {f"{RELEASE}-map", f"{RELEASE}-text"} < names


def test_rays_own_metrics_are_scraped_where_clusters_run(values: Path) -> None:
    """Every Ray pod is scraped, on the port that the operator adds to each, with the cluster as a label."""
    assert not of_kind("PodMonitor", rendered(values))
    monitor = {"enabled": True, "interval": "1m", "labels": {"release": "prom"}}
    found = the("PodMonitor", rendered(values, podMonitor=monitor))
    assert found["metadata"]["labels"]["release"] == "prom"
    assert found["spec"]["namespaceSelector"] == {"any": True}
    assert found["spec"]["selector"] == {"matchLabels": {"ray.io/is-ray-node": "yes"}}
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("metrics", "/metrics", "1m")
    labels = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
    assert labels == {name: [f"__meta_kubernetes_pod_label_{name}"] for name in labels}
    assert set(labels) == {"ray_io_cluster", "ray_io_group", "ray_io_node_type"}
    found = the("PodMonitor", rendered(values, podMonitor={"enabled": True}, watchNamespaces=["a", "b"]))
    assert found["spec"]["namespaceSelector"] == {"matchNames": ["a", "b"]}


def test_connections_of_the_operator_are_limited_only_on_request(values: Path) -> None:
    """A wrong list would cut it off from its clusters."""
    rule = {"ports": [{"port": 443, "protocol": "TCP"}]}
    policy = the("NetworkPolicy", rendered(values, networkPolicy={"enabled": True, "egress": [rule]}))["spec"]
    assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [rule])


def test_the_crd_may_be_managed_elsewhere() -> None:
    """GitOps may manage it, or somebody with the rights."""
    assert "kind: CustomResourceDefinition" in must_helm("template", RELEASE, str(CHART))
    without = must_helm("template", RELEASE, str(CHART), "--set=crds.enabled=false")
    assert "CustomResourceDefinition" not in without


@pytest.mark.parametrize("checked", [False, True])
def test_with_listed_namespaces_the_crd_is_read_only_if_set(values: Path, checked: bool) -> None:  # noqa: FBT001 - a value
    """That requires a ClusterRole. Without it the operator does not try."""
    objects = rendered(values, watchNamespaces=["a"], crds={"check": checked})
    (container,) = pod_of(objects)["spec"]["containers"]
    assert (
        parse([flag for flag in container["args"] if "scaling-config" not in flag], {}).check_crds == checked
    )
    names = [rule["resourceNames"] for role in of_kind("ClusterRole", objects) for rule in role["rules"]]
    assert names == [list(SERVED_CRDS)] * checked
    assert len(of_kind("ClusterRoleBinding", objects)) == checked


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a digest that is none": ({"image": {"digest": "latest"}}, "digest"),
    "a tag with a digest": ({"image": {"tag": f"v1@{DIGEST}"}}, "tag"),
    "a quantity in words": ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
    "a quantity with a space": ({"resources": {"limits": {"memory": "1 Gi"}}}, "/resources/limits/memory"),
    "a misspelt alert": (
        {"metrics": {"prometheusRule": {"alerts": {"RayfleetPodPending": {}}}}},
        "at '/metrics/prometheusRule/alerts': additional properties 'RayfleetPodPending' not allowed",
    ),
    "a misspelt switch": ({"crds": {"enable": True}}, "enable"),
    "a budget that allows nothing": ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
    "a misspelt budget": ({"podDisruptionBudget": {"minAvailble": 1}}, "minAvailble"),
    "a constraint without its skew": ({"topologySpreadConstraints": [{"topologyKey": "zone"}]}, "maxSkew"),
    "a misspelt constraint": ({"topologySpreadConstraints": [{**ZONES, "topologykey": "z"}]}, "topologykey"),
    "a number in the environment": ({"extraEnv": [{"name": "A", "value": 1}]}, "value"),
    "a misspelt variable": ({"extraEnv": [{"name": "A", "valeu": "1"}]}, "valeu"),
    "an argument without dashes": ({"extraArgs": ["log-level=debug"]}, "extraArgs"),
    "a volume without a kind": ({"extraVolumes": [{"name": "v"}]}, "extraVolumes"),
    "a misspelt mount": ({"extraVolumeMounts": [{"name": "v", "mountpath": "/v"}]}, "mountpath"),
    "an object without a kind": ({"extraObjects": [{"apiVersion": "v1", "metadata": {}}]}, "extraObjects"),
    "an interval in words": ({"podMonitor": {"interval": "often"}}, "interval"),
    "a misspelt toleration": ({"tolerations": [{"keys": "gpu"}]}, "keys"),
    "a misspelt affinity": ({"affinity": {"nodeAfinity": {}}}, "nodeAfinity"),
    "a misspelt peer": ({"networkPolicy": {"metricsFrom": [{"namespaceselector": {}}]}}, "namespaceselector"),
    "a misspelt way out": ({"networkPolicy": {"egress": [{"from": []}]}}, "from"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_refused_by_name(values: Path, case: str) -> None:
    """It is refused before anything is installed."""
    given, named = BAD[case]
    values.write_text(yaml.safe_dump(given))
    done = helm("install", RELEASE, str(CHART), "--dry-run=client", f"--values={values}")
    assert done.returncode != 0
    assert named in done.stderr
