"""`rayfleet plan`: what a cluster would do for a queue, from two files, in the operator's own words."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.cli.errors import CommandError
from rayfleet.cli.manifest_file import read_cluster
from rayfleet.cli.plan import plan
from rayfleet.cli.tables import WIDTH
from support.builders import group, raycluster, spec, template

EXAMPLES = Path(__file__).parents[2] / "examples"
PLANNING = EXAMPLES / "planning"


def run(manifest: Path, demand: Path, output: str = "text", cluster: str | None = None) -> str:
    return plan(Namespace(filename=str(manifest), demand=str(demand), output=output, cluster=cluster))


def files(folder: Path, manifest: object, demand: object) -> tuple[Path, Path]:
    found = folder / "manifest.yaml", folder / "demand.yaml"
    for path, content in zip(found, (manifest, demand), strict=True):
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return found


def planned(folder: Path, demand: object, *groups: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The JSON output of the command for a cluster that scales with its queue."""
    made = raycluster(spec_fields=spec(*groups, enableInTreeAutoscaling=True, **fields))
    found: dict[str, Any] = json.loads(run(*files(folder, made, demand), output="json"))
    return found


def refusal(folder: Path, demand: object, manifest: object = None) -> str:
    made = raycluster(spec_fields=spec(gpus(), enableInTreeAutoscaling=True))
    with pytest.raises(CommandError) as raised:
        run(*files(folder, manifest if manifest is not None else made, demand))
    return str(raised.value).replace(f"{folder}/", "")


def gpus(**fields: Any) -> dict[str, Any]:
    return group("gpu", 0, template=template(cpu="4", gpu="1"), maxReplicas=3, **fields)


def sizes(found: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["wanted"] for one in found["groups"]}


def test_the_example_of_ten_shapes_ends_as_computed_by_hand() -> None:
    """Four groups, labels with a fallback, parts of a GPU, memory, a licence, parents and children."""
    found = json.loads(run(PLANNING / "four-groups.yaml", PLANNING / "ten-shapes.yaml", "json"))
    assert sizes(found) == {"cpu": 2, "h100": 3, "l4": 2, "licence": 2}
    waiting = [(one["resources"], one["holds"][0]) for one in found["demand"] if one["unserved"]]
    words = "64 CPUs on one node: the largest group has 32"
    assert waiting == [({"CPU": 64}, {"kind": "Infeasible", "message": words})]


def test_the_example_of_the_gang_starts_nothing_and_says_why() -> None:
    """It needs four GPUs at once, and three are the maximum."""
    said = run(PLANNING / "three-gpus.yaml", PLANNING / "gang.yaml")
    assert "gpu          0       0      0     0      0..3" in said
    words = " ".join(said.split())
    assert "all wait: gpu is at its max of 3 replicas (all of its bundles are needed at once)" in words


@pytest.mark.parametrize(
    ("manifest", "demand"), [("four-groups.yaml", "ten-shapes.yaml"), ("three-gpus.yaml", "gang.yaml")]
)
def test_the_output_fits_a_hundred_columns(manifest: str, demand: str) -> None:
    """That holds for any names of shapes."""
    assert max(map(len, run(PLANNING / manifest, PLANNING / demand).splitlines())) <= WIDTH


def test_yaml_and_json_say_the_same() -> None:
    """JSON is for programs."""
    given = PLANNING / "three-gpus.yaml", PLANNING / "gang.yaml"
    assert yaml.safe_load(run(*given, "yaml")) == json.loads(run(*given, "json"))


def test_a_new_cluster_has_its_first_size(tmp_path: Path) -> None:
    """It starts with `replicas`, which serves what it can."""
    found = planned(tmp_path, {"tasks": [{"count": 2, "resources": {"GPU": 1}}]}, gpus() | {"replicas": 1})
    assert sizes(found) == {"gpu": 2}
    tiers = {placed["tier"]: placed["count"] for placed in found["demand"][0]["placed"]}
    assert tiers == {"coming": 1, "new": 1}


def test_running_nodes_are_used_first_and_idle_ones_go(tmp_path: Path) -> None:
    """One is half free, one has long been idle, one is on its way."""
    demand = {
        "tasks": [{"resources": {"CPU": 2}}],
        "nodes": [
            {"group": "gpu", "name": "half", "used": {"CPU": 2, "GPU": 1}},
            {"group": "gpu", "name": "idle", "idleSeconds": 300},
        ],
    }
    found = planned(tmp_path, demand, gpus())
    assert found["demand"][0]["placed"] == [{"group": "gpu", "tier": "running", "count": 1}]
    assert [one["replica"] for one in found["removed"]] == ["idle-1"]
    assert sizes(found) == {"gpu": 1}
    assert "idle-1   gpu    idle for its timeout of 60 s" in run(*files(tmp_path, cluster(), demand))


def cluster() -> dict[str, Any]:
    return raycluster(spec_fields=spec(gpus(), enableInTreeAutoscaling=True))


def test_an_idle_node_says_when_it_goes(tmp_path: Path) -> None:
    """The timeout of its group counts."""
    demand = {"nodes": [{"group": "gpu", "idleSeconds": 20}]}
    said = run(*files(tmp_path, cluster(), demand))
    assert "Time alone changes this in 40 s." in said
    assert "Nothing waits." in said


def test_the_head_serves_what_it_has_cpus_for(tmp_path: Path) -> None:
    """Ray does so, too, unless the manifest says that the head has none."""
    demand = {"tasks": [{"resources": {"CPU": 1}}]}
    head = {"template": template(cpu="2")}
    assert sizes(planned(tmp_path, demand, gpus(), headGroupSpec=head)) == {"gpu": 0}
    head["rayStartParams"] = {"num-cpus": "0"}
    assert sizes(planned(tmp_path, demand, gpus(), headGroupSpec=head)) == {"gpu": 1}


def test_each_host_of_a_replica_is_a_node(tmp_path: Path) -> None:
    """Two replicas of two hosts have room for four tasks."""
    slices = group("tpu", 0, numOfHosts=2, template=template(**{"google.com/tpu": "4"}))
    demand = {"tasks": [{"count": 4, "resources": {"TPU": 4}}], "nodes": [{"group": "tpu"}]}
    found = planned(tmp_path, demand, slices)
    assert sizes(found) == {"tpu": 2}
    assert found["groups"][0]["replicas"] == 1


def test_request_resources_counts_busy_nodes(tmp_path: Path) -> None:
    """It asks for what the cluster should have, used or not."""
    demand = {
        "requestResources": [{"count": 2, "resources": {"GPU": 1}}],
        "nodes": [{"group": "gpu", "used": {"GPU": 1}}],
    }
    assert sizes(planned(tmp_path, demand, gpus())) == {"gpu": 2}


def test_selectors_are_written_as_ray_writes_them(tmp_path: Path) -> None:
    """A value, a list, and their negations."""
    near = gpus(labels={"zone": "a"}) | {"groupName": "near"}
    far = gpus(labels={"zone": "b"}) | {"groupName": "far"}
    for selector, chosen in (("a", "near"), ("!a", "far"), ("in(b, c)", "far"), ("!in(b,c)", "near")):
        demand = {"tasks": [{"resources": {"GPU": 1}, "labelSelector": {"zone": selector}}]}
        wanted = sizes(planned(tmp_path, demand, near, far))
        assert [name for name, size in wanted.items() if size] == [chosen], selector


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enableInTreeAutoscaling": False}, "set spec.enableInTreeAutoscaling: true"),
        ({"autoscalerOptions": {"runtime": "Sidecar"}}, "The manifest asks for Ray's own autoscaler"),
        ({"suspend": True}, "spec.suspend is not acted on yet"),
    ],
)
def test_the_output_says_if_the_operator_would_not_scale_the_cluster(
    tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    """It still shows what the operator would do otherwise."""
    made = raycluster(spec_fields=spec(gpus(), **({"enableInTreeAutoscaling": True} | fields)))
    assert words in run(*files(tmp_path, made, {"tasks": [{"resources": {"GPU": 1}}]}))


FAULTS = [
    ({"tasks": [{"count": 0, "resources": {"GPU": 1}}]}, "tasks[0].count: must be at least 1, but is 0."),
    ({"tasks": [{"count": 2}]}, "tasks[0].resources: is required: set it."),
    ({"task": []}, "task: is not known: check its spelling, or remove it."),
    ({"tasks": [{"resources": {"GPU": -1}}]}, "tasks[0].resources.GPU: must be an amount of at least 0"),
    ({"tasks": [{"resources": {"GPU": "1e400"}}]}, "tasks[0].resources.GPU: must be an amount of at least 0"),
    ({"tasks": [{"resources": {"GPU": float("nan")}}]}, "tasks[0].resources.GPU: must be an amount"),
    (
        {"nodes": [{"group": "gpu", "idleSeconds": float("inf")}]},
        "nodes[0].idleSeconds: must be a finite number, but is inf.",
    ),
    (
        {"tasks": [{"resources": {"gpu": 1}}]},
        "tasks[0].resources.gpu: is not one of Ray's resources: write GPU.",
    ),
    ({"tasks": [{"resources": {"memory": "4 GB"}}]}, "tasks[0].resources.memory: must be an amount"),
    ({"tasks": [{"resources": {"CPU": True}}]}, "tasks[0].resources.CPU: must be an amount"),
    (
        {"tasks": [{"resources": {}, "labelSelector": {"zone": "in()"}}]},
        'tasks[0].labelSelector.zone: must be a value, "!value", "in(a,b)" or "!in(a,b)"',
    ),
    ({"gangs": [{"bundles": []}]}, "gangs[0].bundles: must have at least one bundle"),
    (
        {"gangs": [{"strategy": "TIGHT", "bundles": [{"resources": {"GPU": 1}}]}]},
        "gangs[0].strategy: must be 'PACK'",
    ),
    (
        {"nodes": [{"group": "cpu"}]},
        "nodes[0].group: must be a worker group of the manifest (gpu), but is 'cpu'",
    ),
    ({"nodes": [{"group": "gpu", "used": {"GPU": 2}}]}, "nodes[0].used.GPU: must be at most 1"),
    (
        {"nodes": [{"group": "gpu", "used": {"GPU": 1}, "idleSeconds": 5}]},
        "nodes[0].idleSeconds: must be left out for nodes in use",
    ),
    ({"nodes": [{"group": "gpu", "joined": False, "idleSeconds": 5}]}, "nodes[0].joined: must be true"),
    ([], "the file: must be an object, but is a list."),
    ("tasks: [", "demand.yaml is not valid YAML (line 1, column 9: expected the node content"),
    (f"tasks: {'[' * 1000}", "demand.yaml is not valid YAML (it is nested too deeply): fix it."),
    ("tasks: []\ntasks: []", "tasks is there twice, line 1 and after it"),
    ("{}\n---\n{}", "demand.yaml has 2 documents: write the queue as a single document."),
]


@pytest.mark.parametrize(("demand", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_fault_in_the_queue_names_the_field_and_the_remedy(
    tmp_path: Path, demand: object, words: str
) -> None:
    """One sentence does; nothing is guessed or silently left out."""
    assert words in refusal(tmp_path, demand)


def test_an_empty_queue_is_valid(tmp_path: Path) -> None:
    """Nothing waits, and nothing is started."""
    assert "Nothing waits." in run(*files(tmp_path, cluster(), ""))


def test_a_manifest_is_judged_as_the_operator_judges_it(tmp_path: Path) -> None:
    """A wrong type, a broken rule or a missing name is reported with its field."""
    wrong = cluster()
    wrong["spec"]["workerGroupSpecs"][0]["minReplicas"] = "two"
    assert "spec.workerGroupSpecs[0].minReplicas: must be a whole number" in refusal(tmp_path, {}, wrong)
    wrong["spec"]["workerGroupSpecs"][0]["minReplicas"] = 9
    assert "spec.workerGroupSpecs[0]" in refusal(tmp_path, {}, wrong)
    nameless = cluster()
    del nameless["metadata"]["name"]
    assert "metadata.name: is required: set it." in refusal(tmp_path, {}, nameless)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ({"cpu": "-1"}, "[cpu]: must not be negative, but is -1."),
        ({"cpu": float("nan")}, "[cpu]: nan is not a quantity: write a number"),
        ({"nvidia.com/gpu": "one"}, "[nvidia.com/gpu]: 'one' is not a quantity"),
        ({"nvidia.com/gpu": 1.5}, "[nvidia.com/gpu]: must be a whole number, but is 1.5"),
    ],
)
def test_an_amount_that_kubernetes_would_refuse_is_refused(
    tmp_path: Path, amount: dict[str, object], words: str
) -> None:
    """The message has its place in the template; a decision without it would be about another cluster."""
    wrong = cluster()
    containers = wrong["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    containers[0]["resources"] = {"limits": amount}
    place = "spec.workerGroupSpecs[0].template.spec.containers[0].resources.limits"
    assert f"{place}{words}" in refusal(tmp_path, {}, wrong)


def test_an_unknown_field_does_nothing_and_is_named(tmp_path: Path) -> None:
    """The API server drops it, so a typo would be hard to find otherwise."""
    slipped = cluster()
    slipped["spec"]["rayVersoin"] = "2.60.0"
    slipped["spec"]["workerGroupSpecs"][0]["min_replicas"] = 2
    found = json.loads(run(*files(tmp_path, slipped, {}), "json"))
    assert sizes(found) == {"gpu": 0}
    assert {note.partition(" ")[0] for note in found["notes"]} == {
        "spec.workerGroupSpecs[0].min_replicas",
        "spec.rayVersoin",
    }
    assert all("is unknown and has no effect: check its spelling" in note for note in found["notes"])


@pytest.mark.parametrize("manifest", sorted(EXAMPLES.rglob("raycluster.yaml")), ids=str)
def test_no_field_of_an_example_is_unknown(manifest: Path) -> None:
    """A cluster has all their fields."""
    assert not read_cluster(str(manifest), None).unknown


def test_standard_input_is_one_file() -> None:
    """It cannot be both the manifest and the queue."""
    with pytest.raises(CommandError, match="standard input holds only one file: name the other one"):
        run(Path("-"), Path("-"))


def test_a_group_without_a_max_is_shown_as_open_ended(tmp_path: Path) -> None:
    """It is not shown with the largest integer."""
    open_group = gpus()
    del open_group["maxReplicas"]
    made = raycluster(spec_fields=spec(open_group, enableInTreeAutoscaling=True))
    assert "      0..  as large" in run(*files(tmp_path, made, {}))


def test_one_of_several_clusters_is_chosen_by_name(tmp_path: Path) -> None:
    """It may be among other objects, or in a List; without a name the command asks for one."""
    second = cluster() | {"metadata": {"name": "second"}}
    many = yaml.safe_dump_all([{"kind": "Namespace"}, {"kind": "List", "items": [cluster(), second]}])
    manifest, demand = files(tmp_path, many, {})
    assert "RayCluster second" in run(manifest, demand, cluster="second")
    with pytest.raises(CommandError, match=r"2 RayClusters \(demo, second\): choose one with --cluster NAME"):
        run(manifest, demand)
    with pytest.raises(CommandError, match="no RayCluster named third"):
        run(manifest, demand, cluster="third")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(CommandError, match=r"nowhere.yaml cannot be read .*: name a readable file\."):
        run(tmp_path / "nowhere.yaml", PLANNING / "gang.yaml")


def test_settings_that_are_not_acted_on_are_listed(tmp_path: Path) -> None:
    """These are fields, annotations and labels, whether they withhold the cluster or are only ignored."""
    made = raycluster(
        spec_fields=spec(
            gpus(), enableInTreeAutoscaling=True, autoscalerOptions={"env": [{"name": "A", "value": "1"}]}
        )
    )
    made["metadata"] |= {
        "annotations": {"ray.io/ft-enabled": "true", "kubernetes.io/ingress.class": "nginx"},
        "labels": {"volcano.sh/queue-name": "q"},
    }
    found = json.loads(run(*files(tmp_path, made, {}), output="json"))
    said = " ".join(found["notes"])
    for path in (
        "metadata.annotations[ray.io/ft-enabled]",
        "metadata.annotations[kubernetes.io/ingress.class]",
        "metadata.labels[volcano.sh/queue-name]",
        "spec.autoscalerOptions.env",
    ):
        assert f"{path} is not acted on yet: " in said


def test_a_placement_group_within_one_domain_is_decided_by_labels(tmp_path: Path) -> None:
    """The labels of running nodes and of groups count."""
    manifest = spec(
        group("a", 0, maxReplicas=2, labels={"domain": "a"}, template=template(cpu="4", gpu="1")),
        group("b", 0, maxReplicas=2, template=template(cpu="4", gpu="1")),
    )["workerGroupSpecs"]
    demand = {"gangs": [{"locality": "domain", "bundles": [{"count": 2, "resources": {"GPU": 1}}]}]}
    assert sizes(planned(tmp_path, demand, *manifest)) == {"a": 2, "b": 0}
    there = [{"group": "b", "count": 2, "labels": {"domain": "x"}}]
    assert sizes(planned(tmp_path, demand | {"nodes": there}, *manifest)) == {"a": 0, "b": 2}
    busy = [{**there[0], "used": {"GPU": 1}}]
    three = {"gangs": [{"locality": "domain", "bundles": [{"count": 3, "resources": {"GPU": 1}}]}]}
    held = planned(tmp_path, three | {"nodes": busy}, *manifest)
    assert "within one value of domain" in held["demand"][0]["holds"][0]["message"]
