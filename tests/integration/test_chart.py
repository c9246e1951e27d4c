"""The chart: its rendering by the real helm, and the rights that a real API server grants by it."""

import re

import pytest
import yaml

from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.settings.flags import parse
from rayfleet.settings.scaling import ScalingSettings, parse_scaling_settings
from rayfleet.wiring import SERVED_CRDS
from support.chart import CHART, Object, helm, must_helm, of_kind
from support.cluster_api import ClusterApi
from support.operator_process import RELEASE, REPOSITORY

NAMESPACE = "somewhere"
OPERATOR_GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{RELEASE}", "system:authenticated"]


def render(*values: str) -> list[Object]:
    """The chart's objects with these `--set` values, CRDs left out."""
    settings = [f"--set={value}" for value in (*values, "crds.enabled=false")]
    text = must_helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *settings)
    return [item for item in yaml.safe_load_all(text) if item]


def flags(container: Object) -> list[str]:
    """The flags of the operator, without the one that names a file in its container."""
    return [flag for flag in container["args"] if not flag.startswith("--scaling-config=")]


def test_helm_lint_finds_nothing() -> None:
    """Neither with all namespaces nor with some."""
    for values in ("logLevel=info", "watchNamespaces={a,b}"):
        done = helm("lint", "--strict", str(CHART), f"--set={values}")
        assert done.returncode == 0, done.stdout + done.stderr


BAD_VALUES = [
    ("logLevel=loud", "logLevel"),
    ("replicas=0", "replicas"),
    ("imagee.tag=x", "imagee"),
    ("watchNamespaces={No_Name}", "watchNamespaces"),
    ("image.pullPolicy=Sometimes", "pullPolicy"),
    ("metrics.port=8081", "port"),
    ("metrics.serviceMonitor.interval=often", "interval"),
    ("scaling.ceilings.gpus=8", "gpus"),
    ("scaling.blockedSeconds=0", "blockedSeconds"),
    ("scaling.queries[0].name=q", "query"),
    ("scalingSecrets={No_Name}", "scalingSecrets"),
    ("networkPolicy.on=true", "on"),
    ("networkPolicy.metricsFrom={x}", "metricsFrom"),
    ("otherOperator.namespaces={No_Name}", "otherOperator"),
    ("nodes.watch=perhaps", "watch"),
]


@pytest.mark.parametrize(("value", "named"), BAD_VALUES)
def test_a_bad_value_is_refused_by_name(value: str, named: str) -> None:
    """It is refused before anything is installed."""
    done = helm("template", RELEASE, str(CHART), f"--set={value}")
    assert done.returncode != 0
    assert named in done.stderr


def test_the_operator_runs_with_minimal_privileges() -> None:
    """It has no root, no capability, no writable file system, and ends within ten seconds."""
    pod = of_kind("Deployment", render())[0]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] == 10
    assert container["resources"]["limits"] == {"memory": "256Mi"}


def test_another_operator_stands_by_on_another_node() -> None:
    """A replica of the new version is ready before the old leader is asked to end."""
    spec = of_kind("Deployment", render())[0]["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert (spec["replicas"], spec["strategy"]) == (2, rolling)
    preferred = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    term = preferred["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"] == spec["selector"]


def test_each_replica_has_its_pods_name_on_the_lease() -> None:
    """No two can share it, and a restarted container has the same."""
    container = of_kind("Deployment", render())[0]["spec"]["template"]["spec"]["containers"][0]
    sources = {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in container["env"]}
    assert sources == {"POD_NAMESPACE": "metadata.namespace", "RAYFLEET_IDENTITY": "metadata.name"}


def test_the_operator_understands_the_flags_that_the_chart_gives_it() -> None:
    """Its probes use its configured port."""
    container = of_kind("Deployment", render("watchNamespaces={a,b}", "logLevel=debug"))[0]["spec"][
        "template"
    ]["spec"]["containers"][0]
    settings = parse(flags(container), {})
    assert (settings.namespaces, settings.log_level) == (("a", "b"), "DEBUG")
    assert container["ports"] == [
        {"name": "health", "containerPort": settings.health_port},
        {"name": "metrics", "containerPort": settings.metrics_port},
    ]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}


def test_with_listed_namespaces_nothing_is_granted_outside_of_them() -> None:
    """Each has a Role and its binding, and there is no ClusterRole."""
    objects = render("watchNamespaces={a,b}")
    assert [role["metadata"]["namespace"] for role in of_kind("Role", objects)] == ["a", "b", NAMESPACE]
    assert [binding["metadata"]["namespace"] for binding in of_kind("RoleBinding", objects)] == [
        "a",
        "b",
        NAMESPACE,
    ]
    assert not of_kind("ClusterRole", objects) + of_kind("ClusterRoleBinding", objects)
    subjects = [subject for binding in of_kind("RoleBinding", objects) for subject in binding["subjects"]]
    assert subjects == [{"kind": "ServiceAccount", "name": RELEASE, "namespace": NAMESPACE}] * 3


def test_both_kinds_of_role_grant_the_same() -> None:
    """Everything that works with all namespaces works with some; reviews are made where the Role is."""
    *everywhere, review, crds = of_kind("ClusterRole", render())[0]["rules"]
    *here, local = of_kind("Role", render("watchNamespaces={a}"))[0]["rules"]
    assert here == everywhere
    for rule, resource in ((review, "subjectaccessreviews"), (local, "localsubjectaccessreviews")):
        assert rule == {
            "apiGroups": ["authorization.k8s.io"],
            "resources": [resource],
            "verbs": ["create"],
        }
    assert crds["resources"] == ["customresourcedefinitions"], "which are in no namespace"


def test_another_operators_namespace_is_a_flag_and_its_lease_can_be_read_there() -> None:
    """With all namespaces it can anyway; with some, a further Role allows it if there is none yet."""
    values = "otherOperator.namespaces={kuberay,a}"
    objects = render(values)
    container = of_kind("Deployment", objects)[0]["spec"]["template"]["spec"]["containers"][0]
    assert parse(flags(container), {}).other_operator_namespaces == ("kuberay", "a")
    assert [role["metadata"]["namespace"] for role in of_kind("Role", objects)] == [NAMESPACE]
    objects = render(values, "watchNamespaces={a,b}")
    names = [(role["metadata"]["namespace"], role["metadata"]["name"]) for role in of_kind("Role", objects)]
    assert ("kuberay", f"{RELEASE}-other-operator") in names
    assert len(names) == len(of_kind("RoleBinding", objects)) == 4
    (role,) = (r for r in of_kind("Role", objects) if r["metadata"]["namespace"] == "kuberay")
    assert role["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["ray-operator-leader"],
            "verbs": ["list"],
        }
    ]


def test_a_network_policy_admits_the_kubelet_and_the_configured_scrapers() -> None:
    """It admits nobody else; there is none by default, because not every network enforces it."""
    assert not of_kind("NetworkPolicy", render())
    objects = render("networkPolicy.enabled=true")
    (policy,) = of_kind("NetworkPolicy", objects)
    pod = of_kind("Deployment", objects)[0]["spec"]["template"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert (policy["spec"]["policyTypes"], policy["spec"]["ingress"]) == (
        ["Ingress"],
        [{"ports": [{"port": "health"}]}],
    )
    peer = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=ops"
    (policy,) = of_kind("NetworkPolicy", render("networkPolicy.enabled=true", peer))
    assert policy["spec"]["ingress"][1:] == [
        {
            "ports": [{"port": "metrics"}],
            "from": [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}],
        }
    ]
    (policy,) = of_kind("NetworkPolicy", render("networkPolicy.enabled=true", "metrics.enabled=false", peer))
    assert len(policy["spec"]["ingress"]) == 1


def test_without_token_auth_no_secret_can_be_read_or_created() -> None:
    """The operator has no right to Secrets."""
    (role,) = of_kind("ClusterRole", render("tokenAuth.enabled=false"))
    assert not any("secrets" in rule["resources"] for rule in role["rules"])


def test_without_target_spec_no_cluster_can_be_changed() -> None:
    """Only its status can be written."""
    (role,) = of_kind("ClusterRole", render("autoscaling.targetSpec=false"))
    verbs = {verb for rule in role["rules"] if "rayclusters" in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}


def test_finalizers_can_be_removed_with_or_without_target_spec() -> None:
    """It is the same right, granted for either."""
    (role,) = of_kind("ClusterRole", render("autoscaling.targetSpec=false", "finalizers.release=true"))
    assert role["rules"] == of_kind("ClusterRole", render())[0]["rules"]


def test_only_the_leaders_lease_is_granted_in_the_operators_namespace() -> None:
    """It is granted by name, except for the create, which cannot be limited to one."""
    (role,) = of_kind("Role", render())
    assert (role["metadata"]["namespace"], role["rules"]) == (
        NAMESPACE,
        [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": ["rayfleet-leader"],
                "verbs": ["get", "patch"],
            },
        ],
    )


def test_prometheus_finds_every_replica_by_the_service() -> None:
    """It is headless, so that each is scraped; its selector and its port are those of the pods."""
    objects = render("metrics.port=9090")
    service = of_kind("Service", objects)[0]
    pod = of_kind("Deployment", objects)[0]["spec"]["template"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 9090, "targetPort": "metrics"}]
    assert {"name": "metrics", "containerPort": 9090} in pod["spec"]["containers"][0]["ports"]
    assert parse(flags(pod["spec"]["containers"][0]), {}).metrics_port == 9090
    assert not of_kind("ServiceMonitor", objects)


def test_a_service_monitor_selects_the_service_and_has_the_configured_labels() -> None:
    """The labels of the metrics stay as they are."""
    monitor = "metrics.serviceMonitor"
    objects = render(f"{monitor}.enabled=true", f"{monitor}.interval=15s", f"{monitor}.labels.release=prom")
    found, service = of_kind("ServiceMonitor", objects)[0], of_kind("Service", objects)[0]
    assert found["metadata"]["labels"]["release"] == "prom"
    assert found["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert found["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    assert found["spec"]["endpoints"] == [
        {"port": "metrics", "path": "/metrics", "interval": "15s", "honorLabels": True}
    ]


def test_without_metrics_nothing_listens_for_prometheus() -> None:
    """There is no port, no Service, and no ServiceMonitor."""
    objects = render("metrics.enabled=false", "metrics.serviceMonitor.enabled=true")
    container = of_kind("Deployment", objects)[0]["spec"]["template"]["spec"]["containers"][0]
    assert parse(flags(container), {}).metrics_port == 0
    assert [port["name"] for port in container["ports"]] == ["health"]
    assert not of_kind("Service", objects) + of_kind("ServiceMonitor", objects)


def test_the_operator_reads_the_scaling_settings_that_the_chart_gives_it() -> None:
    """Those of values.yaml are its own defaults, and it knows each of their fields."""
    assert parse_scaling_settings(scaling_file(render())) == ScalingSettings()
    query = "scaling.queries[0]"
    read = parse_scaling_settings(
        scaling_file(
            render(
                "scaling.ceilings.gpusTotal=64",
                "scaling.ceilings.newGpusPerMinute=8",
                "scaling.ceilings.gpusPerCluster=0",
                "scaling.ceilings.gpusPerNamespace=16",
                "scaling.blockedSeconds=60",
                f"{query}.name=waiting",
                f"{query}.server=https://prometheus:9090",
                f'{query}.query=sum(q{{namespace="$namespace"}})',
                f"{query}.tokenFile=/etc/rayfleet/secrets/prometheus/token",
                f"{query}.caFile=/etc/rayfleet/secrets/prometheus/ca.crt",
                f"{query}.timeoutSeconds=2",
            )
        )
    )
    assert isinstance(read, ScalingSettings), read
    assert read.limits == ScalingLimits(60.0, 100, CostCeilings(0, 16, 64, 8))
    assert read.queries["waiting"].promql.render("a", "b") == 'sum(q{namespace="a"})'


def test_the_scaling_settings_and_their_secrets_are_mounted_at_the_configured_paths() -> None:
    """They are read-only; changed settings create new pods, of which invalid ones never take over."""
    objects = render("scalingSecrets={prom,other}")
    pod = of_kind("Deployment", objects)[0]["spec"]["template"]
    mounts = {mount["name"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert all(mount["readOnly"] for mount in mounts.values())
    (given,) = (flag for flag in pod["spec"]["containers"][0]["args"] if flag.startswith("--scaling-config="))
    assert given == f"--scaling-config={mounts['scaling']['mountPath']}/scaling.yaml"
    (config,) = of_kind("ConfigMap", objects)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["scaling"]["configMap"]["name"] == config["metadata"]["name"]
    found = {
        volumes[name]["secret"]["secretName"]: mount["mountPath"]
        for name, mount in mounts.items()
        if name != "scaling"
    }
    assert found == {"prom": "/etc/rayfleet/secrets/prom", "other": "/etc/rayfleet/secrets/other"}
    changed = of_kind("Deployment", render("scaling.defaultMaxPods=50"))[0]["spec"]["template"]
    assert changed["metadata"]["annotations"] != pod["metadata"]["annotations"]


def scaling_file(objects: list[Object]) -> object:
    (config,) = of_kind("ConfigMap", objects)
    return yaml.safe_load(config["data"]["scaling.yaml"])


def test_an_image_is_given_by_its_parts() -> None:
    """The tag is the chart's version by default."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    for values, image in (
        (["image.repository=r/o"], f"r/o:{version}"),
        (["image.repository=r/o", "image.tag=v9"], "r/o:v9"),
    ):
        assert (
            of_kind("Deployment", render(*values))[0]["spec"]["template"]["spec"]["containers"][0]["image"]
            == image
        )


GRANTED = {
    ("ray.io", "rayclusters"): {"get", "list", "watch", "patch"},
    ("ray.io", "rayclusters/status"): {"patch"},
    ("ray.io", "rayclusters/finalizers"): {"update"},
    ("", "pods"): {"get", "list", "watch", "create", "delete"},
    ("", "services"): {"get", "list", "watch", "create", "patch"},
    ("", "namespaces"): {"get"},
    ("", "secrets"): {"get", "create"},
    ("events.k8s.io", "events"): {"create"},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create"},
}
WITH_JOBS = {"rayclusters": {"create", "delete"}}
"""Further verbs with `jobs.enabled`."""
CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
OTHERS = [
    ("", "pods/exec"),
    ("", "nodes"),
    ("apps", "deployments"),
    ("coordination.k8s.io", "leases"),
    CRDS,
]


def allowed(api: ClusterApi, namespace: str, verb: str, group: str, resource: str, name: str = "") -> bool:
    """Whether the API server lets the operator's service account do this."""
    kind, _, subresource = resource.partition("/")
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": kind, "name": name}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{RELEASE}:{RELEASE}",
            "groups": OPERATOR_GROUPS,
            "resourceAttributes": {**attributes, "subresource": subresource},
        },
    }
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize(("group", "resource"), [*GRANTED, *OTHERS])
def test_the_operator_has_exactly_the_rights_that_it_needs(
    group: str, resource: str, api: ClusterApi
) -> None:
    """The API server judges each verb."""
    verbs = {verb for verb in VERBS if allowed(api, NAMESPACE, verb, group, resource)}
    assert verbs == GRANTED.get((group, resource), set())


def test_each_right_is_explained() -> None:
    """The page has its purpose, its risk, and the value that removes it."""
    page = (REPOSITORY / "docs" / "security.md").read_text()
    explained: dict[str, set[str]] = {}
    for name, verbs in re.findall(r"`([^` ]+)`: ([a-z, ]+)", page):
        explained.setdefault(name, set()).update(set(verbs.replace(",", " ").split()) & set(VERBS))
    for (group, resource), granted in GRANTED.items():
        name = f"{group}/{resource}" if group == "events.k8s.io" else resource
        assert explained[name] == granted | WITH_JOBS.get(name, set()), name


def test_the_operator_can_read_only_the_other_operators_lease(api: ClusterApi) -> None:
    """It can only read it."""
    lease = (NAMESPACE, "list", "coordination.k8s.io", "leases")
    assert allowed(api, *lease, name="ray-operator-leader")
    assert not allowed(api, *lease, name="some-other")
    assert not allowed(api, NAMESPACE, "patch", "coordination.k8s.io", "leases", name="ray-operator-leader")


def test_the_operator_can_read_only_its_own_crd(api: ClusterApi) -> None:
    """It changes none."""
    for name in SERVED_CRDS:
        verbs = {verb for verb in VERBS if allowed(api, NAMESPACE, verb, *CRDS, name=name)}
        assert verbs == {"get"}
    assert not allowed(api, NAMESPACE, "get", *CRDS, name="rayjobs.ray.io")
