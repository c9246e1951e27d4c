"""Settings that are not acted on are named by path, and clusters that need them are withheld."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crds.raycluster_page import raycluster_page
from rayfleet.kinds.raycluster.plan import CreatePod, in_words, plan, unsupported
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.support import ANNOTATIONS, FIELDS, GROUP_FIELDS, LABELS, FieldRule, GroupRule
from support.builders import cluster, group, head, parsed, snapshot, spec, worker

FT = {"ray.io/ft-enabled": "true"}
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "raycluster.md"


def paths(
    annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **fields: Any
) -> list[str]:
    found = unsupported(parsed(spec(**fields)), labels=labels or {}, annotations=annotations or {})
    return [finding.path for finding in found]


@pytest.mark.parametrize("key", [rule.key for rule in ANNOTATIONS])
def test_an_annotation_that_kuberay_acts_on_is_named(key: str) -> None:
    """It is named by its path; without fault tolerance its details do not matter."""
    assert f"metadata.annotations[{key}]" in paths(FT | {key: "true"})
    assert paths({key: ""}) == []


@pytest.mark.parametrize("key", [rule.key for rule in LABELS])
def test_a_label_for_a_gang_scheduler_is_named(key: str) -> None:
    """Nothing schedules the pods as a gang."""
    assert paths(labels={key: "x"}) == [f"metadata.labels[{key}]"]


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [
        ({"ray.io/ft-enabled": "false", "ray.io/external-storage-namespace": "a"}, {}),
        ({"ray.io/external-storage-namespace": "a", "ray.io/gcs-ft-deletion-timeout": "60"}, {}),
        ({"ray.io/enable-serve-service": "false"}, {}),
        ({"ray.io/overwrite-container-cmd": "true"}, {}),
        ({"ray.io/disable-provisioned-head-restart": "true"}, {}),
        ({}, {"ray.io/gang-scheduling-enabled": "false"}),
        ({"example.com/mine": "true"}, {"team": "x"}),
    ],
)
def test_settings_that_are_off_or_acted_on_are_not_named(
    annotations: dict[str, str], labels: dict[str, str]
) -> None:
    """Nor are those of other programs."""
    assert paths(annotations, labels) == []


KEYS = [rule.key for rule in (*ANNOTATIONS, *LABELS)]


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=20)), st.booleans())
def test_any_value_is_accepted_and_only_fault_tolerance_withholds(
    written: dict[str, str],
    as_labels: bool,  # noqa: FBT001 - drawn
) -> None:
    """Values may be anything; only the switch withholds a cluster."""
    given_as = {"labels" if as_labels else "annotations": written}
    of = replace(cluster(), **given_as)
    withheld = not as_labels and written.get("ray.io/ft-enabled", "").lower() == "true"
    assert (plan(snapshot(of)).actions == ()) is withheld
    found = unsupported(parsed(of.spec), labels=of.labels, annotations=of.annotations)
    assert len("; ".join(in_words(found))) < 1024


@pytest.mark.parametrize(
    ("annotations", "fields"),
    [
        (FT, {}),
        (FT | {"ray.io/external-storage-namespace": "team-a"}, {}),
        ({}, {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}),
    ],
)
def test_a_cluster_that_asks_to_keep_its_state_is_withheld(
    annotations: dict[str, str], fields: dict[str, Any]
) -> None:
    """Two clusters without their own storage namespace would overwrite each other; running pods stay."""
    of = replace(cluster(spec(group(replicas=2), **fields)), annotations=annotations)
    decided = plan(snapshot(of, with_service=False))
    assert decided.actions == ()
    assert any("not acted on yet: nothing is created" in words for words in decided.waits)


@pytest.mark.parametrize("annotations", [{}, FT, FT | {"ray.io/external-storage-namespace": "team-a"}])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_running_cluster_that_asks_to_keep_its_state_goes_on(
    annotations: dict[str, str],
    recorded: bool,  # noqa: FBT001 - drawn
) -> None:
    """It is healed as before, its head too; the condition says that its state is not kept."""
    fields = {} if annotations else {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}}
    status = {"head": {"podName": "demo-head-x7k2p"}} if recorded else {}
    of = replace(cluster(spec(group(replicas=2), **fields), status=status), annotations=annotations)
    seen = snapshot(of, [worker(of, 1)] if recorded else [head(of), worker(of, 1)])
    decided = plan(seen)
    made = [action.node_type for stage in decided.stages for action in stage if isinstance(action, CreatePod)]
    assert made == ["head", "worker"] if recorded else ["worker"]
    conditions = {entry["type"]: entry for entry in compute_status(seen, decided, ())["conditions"]}
    assert conditions["Supported"]["status"] == "False"
    assert "the cluster keeps running" in conditions["Supported"]["message"]
    assert "nothing is created" not in conditions["Supported"]["message"]


def test_a_withheld_cluster_keeps_the_sizes_that_it_was_scaled_to() -> None:
    """The next decision continues from them."""
    stored = {"groupName": "gpu", "desired": 5, "observedReplicas": 2, "lastIndex": 5}
    of = cluster(
        spec(group("gpu", 0), enableInTreeAutoscaling=True, suspend=True), status={"workerGroups": [stored]}
    )
    seen = snapshot(of, [head(of), *(worker(of, n) for n in range(1, 6))])
    (entry,) = compute_status(seen, plan(seen), ())["workerGroups"]
    assert stored.items() <= entry.items()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"image": "ray:2.54.0"}, ["image"]),
        ({"command": ["x"]}, ["command"]),
        ({"version": "v1"}, ["version"]),
        ({"runtime": "Sidecar"}, ["runtime"]),
        ({"runtime": "Sidecar", "image": "ray:2.54.0"}, ["runtime", "image"]),
        ({"runtime": "Operator", "image": "ray:2.54.0"}, ["image"]),
        ({"args": ["x"]}, ["args"]),
        ({"env": [{"name": "A"}], "envFrom": [{}], "volumeMounts": [{}]}, ["env", "envFrom", "volumeMounts"]),
        ({"resources": {"limits": {}}, "securityContext": {"a": 1}}, ["resources", "securityContext"]),
        ({"imagePullPolicy": "Always"}, ["imagePullPolicy"]),
        ({"env": [], "idleTimeoutSeconds": 1, "upscalingMode": "Default", "version": "v2"}, []),
    ],
)
def test_an_option_of_the_autoscaler_container_is_named_with_its_path(
    options: dict[str, Any], named: list[str]
) -> None:
    """It may request the container or only describe it; without autoscaling nothing is reported."""
    assert paths(enableInTreeAutoscaling=True, autoscalerOptions=options) == [
        f"spec.autoscalerOptions.{name}" for name in named
    ]
    assert paths(autoscalerOptions=options) == []


def test_a_setting_that_requires_an_older_autoscaler_is_named_with_its_path() -> None:
    """It may be the stated version, the image's, or a variable of the head."""
    image = {"containers": [{"name": "ray", "image": "rayproject/ray:2.9.0"}]}
    env = {"containers": [{"name": "ray", "env": [{"name": "RAY_enable_autoscaler_v2", "value": "0"}]}]}
    ray = "spec.headGroupSpec.template.spec.containers[0]"
    scaled: dict[str, Any] = {"enableInTreeAutoscaling": True}
    assert paths(**scaled, rayVersion="2.46.0") == ["spec.rayVersion"]
    assert paths(**scaled, rayVersion="", headGroupSpec={"template": {"spec": image}}) == [f"{ray}.image"]
    assert paths(**scaled, headGroupSpec={"template": {"spec": env}}) == [
        f"{ray}.env[RAY_enable_autoscaler_v2]"
    ]


def test_the_condition_has_all_findings_and_the_withholding_ones_first() -> None:
    """Paths with the same effect share a sentence, and very many are counted."""
    groups = [group(f"g{index}", failurePolicy={"maxSurge": 2}) for index in range(20)]
    of = replace(
        cluster(spec(*groups, headGroupSpec={"enableIngress": True, "template": {"spec": {}}})),
        annotations=FT,
        labels={"ray.io/gang-scheduling-enabled": "true", "volcano.sh/queue-name": "q"},
    )
    seen = snapshot(of, with_service=False)
    conditions = {entry["type"]: entry for entry in compute_status(seen, plan(seen), ())["conditions"]}
    message = conditions["Supported"]["message"]
    assert message.startswith(
        "metadata.annotations[ray.io/ft-enabled] is not acted on yet: nothing is created"
    )
    gang = (
        "metadata.labels[ray.io/gang-scheduling-enabled] and metadata.labels[volcano.sh/queue-name] are not"
    )
    assert gang in message
    assert "spec.headGroupSpec.enableIngress is not acted on yet: no Ingress is created" in message
    assert "spec.workerGroupSpecs[7].failurePolicy.maxSurge and 12 more are not acted on yet" in message


def test_one_finding_reads_as_a_sentence() -> None:
    """It has the field's own path."""
    (words,) = in_words(unsupported(parsed(spec(suspend=True))))
    assert words == "spec.suspend is not acted on yet: no pod is created, none is removed"


def test_the_field_reference_says_for_each_field_annotation_and_label_what_happens_instead() -> None:
    """The row of the field has it; the page is generated."""
    page = raycluster_page()
    assert page == REFERENCE.read_text()
    rows = page.splitlines()
    rules: tuple[FieldRule | GroupRule, ...] = (*FIELDS, *GROUP_FIELDS)
    for rule in rules:
        name = rule.path.rpartition(".")[2]
        marked = [row for row in rows if row.startswith(f"| `{name}` ") and rule.instead in row]
        assert marked, rule.path
    for key in (*ANNOTATIONS, *LABELS):
        assert any(f"`{key.key}` | Not acted on yet: {key.instead}." in row for row in rows), key.key
    (runtime,) = [row for row in rows if row.startswith("| `runtime` ")]
    assert "`Sidecar` is not acted on yet" in runtime
    assert not any("not acted on" in row for row in rows if row.startswith("| `idleTimeoutSeconds` "))
