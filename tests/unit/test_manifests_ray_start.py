"""The `ray start` command: flags from the user, from the group and from the pod's resources."""

import json
import subprocess
from typing import Any

import pytest

from rayfleet.api.raycluster.start_params import known_param
from rayfleet.kinds.raycluster.manifests import worker_resources
from support.manifest_samples import (
    built_head,
    built_worker,
    cluster,
    environment,
    flags,
    ray,
    spec,
    template,
    worker_group,
)

RUN = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; "
HEAD = (
    "ray start --head --block --dashboard-agent-listen-port=52365 --dashboard-host=0.0.0.0"
    " --metrics-export-port=8080"
)
WORKER = (
    "ray start --address=demo-head-svc.team-a.svc.cluster.local:6379 --block"
    " --dashboard-agent-listen-port=52365 --metrics-export-port=8080"
)


def limits(**resources: object) -> dict[str, Any]:
    return template(resources={"limits": resources})


def ray_with(fields: dict[str, Any]) -> dict[str, Any]:
    return template(**fields)


def test_a_bare_group_starts_ray_with_the_flags_that_kubernetes_needs() -> None:
    """The command is written out in full, because every pod runs it."""
    assert ray(built_head(spec()))["command"] == ["/bin/bash", "-c", "--"]
    assert ray(built_head(spec()))["args"] == [RUN + HEAD]
    assert ray(built_worker(spec()))["command"] == ["/bin/bash", "-c", "--"]
    assert ray(built_worker(spec()))["args"] == [RUN + WORKER]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"dashboard-host": "::"}, "--dashboard-host=::"),
        ({"metrics-export-port": "9090"}, "--metrics-export-port=9090"),
        ({"dashboard-agent-listen-port": "1234"}, "--dashboard-agent-listen-port=1234"),
        ({"block": "false"}, "--block"),
        ({"no-monitor": "True"}, "--no-monitor"),
        ({"redis-password": "$REDIS_PASSWORD"}, "--redis-password=$REDIS_PASSWORD"),
        ({"include-dashboard": "false"}, "--include-dashboard=false"),
        ({"include-dashboard": "true"}, "--include-dashboard=true"),
        ({"log-color": "auto"}, "--log-color=auto"),
        ({"include-log-monitor": "False"}, "--include-log-monitor=False"),
        ({"resources": '\'"{\\"a\\": 1}"\''}, '--resources=\'"{\\"a\\": 1}"\''),
    ],
)
def test_a_users_flag_is_kept_except_block(params: dict[str, str], expected: str) -> None:
    """Values are shell words and stay as they are; only `block` is forced."""
    command = environment(ray(built_head(spec(head={"rayStartParams": params}))))["KUBERAY_GEN_RAY_START_CMD"]

    assert f" {expected} " in f"{command} "


def test_a_switch_that_is_off_is_omitted() -> None:
    """Ray has no flag `--no-monitor=false`."""
    assert "no-monitor" not in flags(built_head(spec(head={"rayStartParams": {"no-monitor": "false"}})))


def test_workers_find_the_head_on_the_port_that_the_head_listens_on() -> None:
    """The port is the head's `port`, and an address that the user sets on a worker wins."""
    moved = spec(head={"rayStartParams": {"port": "6380"}})
    own = spec(worker={"rayStartParams": {"address": "elsewhere:1"}})

    assert flags(built_worker(moved))["address"] == "demo-head-svc.team-a.svc.cluster.local:6380"
    assert flags(built_worker(own))["address"] == "elsewhere:1"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"cpu": "2"}}, {"num-cpus": "2"}),
        ({"limits": {"cpu": "1500m"}}, {"num-cpus": "2"}),
        ({"limits": {"cpu": 3}}, {"num-cpus": "3"}),
        ({"requests": {"cpu": "100m"}}, {"num-cpus": "1"}),
        ({"limits": {"cpu": "0"}, "requests": {"cpu": "4"}}, {"num-cpus": "4"}),
        ({"limits": {"memory": "1.5Gi"}}, {"memory": "1610612736"}),
        ({"requests": {"memory": "1Gi"}}, {}),
        ({"limits": {"nvidia.com/gpu": "8"}}, {"num-gpus": "8"}),
        ({"limits": {"nvidia.com/gpu": "0"}}, {}),
        ({"limits": {"amd.com/gpu": "2", "nvidia.com/gpu": "4"}}, {"num-gpus": "2"}),
        ({"limits": {"amd.com/gpu": "0", "nvidia.com/gpu": "4"}}, {"num-gpus": "4"}),
        ({"limits": {"nvidia.com/mig-1g.5gb": "3"}}, {"num-gpus": "3"}),
        ({"limits": {"google.com/tpu": "4"}}, {"resources": """'{"TPU":4}'"""}),
        ({"limits": {"aws.amazon.com/neuroncore": "2"}}, {"resources": """'{"neuron_cores":2}'"""}),
        (
            {"limits": {"google.com/tpu": "4", "aws.amazon.com/neuroncore": "2"}},
            {"resources": """'{"neuron_cores":2}'"""},
        ),
        ({"limits": {"cpu": "lots", "memory": None, "nvidia.com/gpu": True}}, {}),
        ({"limits": None, "requests": None}, {}),
        (None, {}),
    ],
)
def test_ray_may_use_the_pods_resources(resources: object, expected: dict[str, str]) -> None:
    """Limits count, and a CPU request without a limit; a part of a CPU counts as one."""
    body = built_worker(spec(worker={"template": template(resources=resources)}))

    of_resources = {"num-cpus", "num-gpus", "memory", "resources"}
    assert {name: value for name, value in flags(body).items() if name in of_resources} == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("'{\"a\": 1}'", """'{"TPU":4,"a":1}'"""),
        ('\'"{\\"a\\": 1}"\'', '\'"{\\"a\\": 1}"\''),
        ('"{\\"a\\": 1}"', """'{"TPU":4,"a":1}'"""),
        ("'{\"TPU\": 1}'", "'{\"TPU\": 1}'"),
        ("'{\"neuron_cores\": 1}'", "'{\"neuron_cores\": 1}'"),
        ("$RESOURCES", "$RESOURCES"),
        ("'[1]'", "'[1]'"),
        ("'unclosed", "'unclosed"),
    ],
)
def test_an_accelerator_is_added_to_the_users_resources_if_they_can_be_parsed(
    given: str, expected: str
) -> None:
    """Other values stay as they are, and an accelerator in them is not counted twice."""
    group = {"rayStartParams": {"resources": given}, "template": limits(**{"google.com/tpu": "4"})}
    command = environment(ray(built_worker(spec(worker=group))))["KUBERAY_GEN_RAY_START_CMD"]

    assert f"--resources={expected}" in command


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ('{"$(KIND)": 1}', '{"NPU": 1}'),
        ('{"$$(KIND)": 1}', '{"$(KIND)": 1}'),
        ('{"$KIND": 1}', '{"$KIND": 1}'),
        ('{"$(WHO)": 1}', None),
        ('{"it\'s": 1}', '{"it\'s": 1}'),
    ],
)
def test_variables_in_json_without_quotes_are_read_as_kubernetes_replaces_them(
    given: str, known: str | None
) -> None:
    """It does so in every argument of a container, whatever bash would do with it."""
    assert known_param("resources", given, {"KIND": "NPU"}) == known


def test_a_users_flag_wins_over_the_pods_resources() -> None:
    """`num-cpus: 0` keeps work off the head, whatever its CPU limit is."""
    body = built_head(
        spec(head={"rayStartParams": {"num-cpus": "0"}, "template": limits(cpu="4", memory="1Gi")})
    )

    assert flags(body)["num-cpus"] == "0"
    assert flags(body)["memory"] == "1073741824"


def test_a_groups_resources_and_labels_win_over_the_pod() -> None:
    """Autoscalers count with `resources` and `labels` of the group, so Ray must have the same."""
    group = {
        "resources": {"CPU": "0", "GPU": "500m", "memory": "1Gi", "it's": "1.5", "disk": "2", "odd": "?"},
        "labels": {"zone": "b", "ray.io/accelerator-type": "H100"},
        "template": limits(cpu="4", memory="8Gi", **{"nvidia.com/gpu": "2"}),
    }
    body = built_worker(spec(worker=group))

    assert flags(body)["num-cpus"] == "0"
    assert flags(body)["num-gpus"] == "1"
    assert flags(body)["memory"] == "1073741824"
    assert flags(body)["labels"] == "ray.io/accelerator-type=H100,zone=b"
    assert body["metadata"]["labels"]["zone"] == "b"
    said = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {flags(body)['resources']}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == """{"disk":2,"it's":1.5}"""


CPU_ENV = [{"name": "CPUS", "value": "6"}, {"name": "FIELD", "valueFrom": {"fieldRef": {}}}]
COUNTED = [
    ({"num-cpus": '"4"'}, {"CPU": 4}),
    ({"num-cpus": "$CPUS"}, {"CPU": 6}),
    ({"num-cpus": "'${CPUS}'"}, {}),
    ({"num-gpus": '"$(CPUS)"'}, {"GPU": 6}),
    ({"memory": "1000 "}, {"memory": 1000}),
    ({"num-cpus": "$FIELD"}, {}),
    ({"resources": '{"NPU": 1}'}, {"NPU": 1}),
    ({"resources": '{"NPU": 1,"it\'s": 2}\n'}, {"NPU": 1, "it's": 2}),
    ({"resources": '"{\\"NPU\\": 1}"'}, {"NPU": 1}),
    ({"resources": "'{\"NPU\": $CPUS}'"}, {}),
    ({"resources": '"{\\"NPU\\": $CPUS}"'}, {"NPU": 6}),
]


@pytest.mark.parametrize(("params", "counted"), COUNTED)
def test_plans_use_the_values_that_bash_passes_to_ray(
    params: dict[str, str], counted: dict[str, float]
) -> None:
    """That holds for quotes, variables of the container and bare JSON; unknown values do not count."""
    of = spec(worker={"rayStartParams": params, "template": template(env=CPU_ENV)})
    command = environment(ray(built_worker(of)))["KUBERAY_GEN_RAY_START_CMD"].replace("$(CPUS)", "6")
    said = subprocess.run(
        ["/bin/bash", "-c", f"""ray() {{ printf '%s\\0' "$@"; }}; {command}"""],
        env={"CPUS": "6", "FIELD": "3"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")

    assert dict(worker_resources(worker_group(of))) == counted
    given = dict(word.removeprefix("--").partition("=")[::2] for word in said)
    (flag,) = params
    if counted and flag == "resources":
        assert json.loads(given[flag]) == counted
    elif counted:
        assert [int(given[flag])] == list(counted.values())


def test_only_the_name_gpu_of_a_group_means_rays_gpu() -> None:
    """Other names in a group's `resources` are custom, however they end."""
    of = spec(
        worker={"resources": {"gpu": "1", "vGPU": "2", "example.com/gpu": "3", "nvidia.com/mig-1g": "4"}}
    )

    assert flags(built_worker(of))["num-gpus"] == "1"
    assert dict(worker_resources(worker_group(of))) == {
        "GPU": 1,
        "vGPU": 2,
        "example.com/gpu": 3,
        "nvidia.com/mig-1g": 4,
    }


def test_quotes_around_ports_and_switches_are_removed() -> None:
    """Everybody uses the head's port as its container sets it."""
    head = {
        "rayStartParams": {"port": "$GCS", "include-dashboard": "'0'", "no-monitor": '"true"'},
        "template": template(env=[{"name": "GCS", "value": "6380"}]),
    }
    of = spec(head=head, rayVersion="2.50.0")

    assert flags(built_head(of))["port"] == "$GCS"
    assert flags(built_head(of))["no-monitor"] == ""
    assert flags(built_worker(of))["address"] == "demo-head-svc.team-a.svc.cluster.local:6380"
    assert built_worker(of)["spec"]["initContainers"][-1]["command"][-1] == "6380"
    assert "gcs_healthz" not in str(ray(built_head(of))["readinessProbe"]["exec"]["command"][-1])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"command": ["echo 123"], "args": ["456"]}, f"echo 123 456 && {RUN}{HEAD}"),
        ({"args": ["echo hi"]}, f"echo hi && {RUN}{HEAD}"),
        ({"command": None, "args": []}, RUN + HEAD),
    ],
)
def test_a_users_command_runs_before_ray(own: dict[str, Any], expected: str) -> None:
    """Both commands are one shell line."""
    container = ray(built_head(spec(head={"template": ray_with(own)})))

    assert container["command"] == ["/bin/bash", "-c", "--"]
    assert container["args"] == [expected]


def test_a_command_that_starts_ray_itself_is_kept() -> None:
    """Ray is not started twice."""
    own = {"command": ["bash", "-c"], "args": ["ray start --head --block"]}
    container = ray(built_head(spec(head={"template": ray_with(own)})))

    assert (container["command"], container["args"]) == (own["command"], own["args"])
    assert environment(container)["KUBERAY_GEN_RAY_START_CMD"] == HEAD


@pytest.mark.parametrize("on", ["cluster", "template"])
def test_the_overwrite_annotation_leaves_the_command_to_the_user(on: str) -> None:
    """The generated command is still in the environment for the user's script."""
    annotation = {"ray.io/overwrite-container-cmd": "True"}
    own = template({"annotations": annotation} if on == "template" else None, args=["./start.sh"])
    owner = cluster(annotations=annotation if on == "cluster" else None)
    body = built_head(spec(head={"template": own}), owner)

    assert "command" not in ray(body)
    assert ray(body)["args"] == ["./start.sh"]
    assert environment(ray(body))["KUBERAY_GEN_RAY_START_CMD"] == HEAD
    assert body["metadata"]["annotations"]["ray.io/overwrite-container-cmd"] == "True"


@pytest.mark.parametrize(
    ("of_cluster", "of_template", "args"),
    [
        ("false", "true", ["./start.sh"]),
        ("False", None, None),
        ("true", "false", ["./start.sh"]),
        ("no", "TRUE", ["./start.sh"]),
    ],
)
def test_a_cluster_can_switch_the_overwrite_on_for_all_templates_and_off_for_none(
    of_cluster: str, of_template: str | None, args: list[str] | None
) -> None:
    """A template with its own script keeps it, whatever the cluster says."""
    key = "ray.io/overwrite-container-cmd"
    metadata = {"annotations": {key: of_template}} if of_template is not None else None
    own = template(metadata, args=["./start.sh"])
    body = built_worker(spec(worker={"template": own}), cluster(annotations={key: of_cluster}))

    assert ray(body)["args"] == (args or [f"./start.sh && {RUN}{WORKER}"])
    assert (body["metadata"]["annotations"][key].lower() == "true") is (args is not None)


def test_ray_gets_the_termination_signal() -> None:
    """bash replaces itself with the last command, so that Ray gets SIGTERM and drains."""
    line = ray(built_head(spec(head={"template": template(args=["true"])})))["args"][0]
    assert line.endswith(HEAD)

    script = f"{line.removesuffix(HEAD)}cat /proc/$$/comm"
    ran = subprocess.run(["/bin/bash", "-c", "--", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "cat\n"
