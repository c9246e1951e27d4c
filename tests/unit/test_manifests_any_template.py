"""Every spec that the API server has accepted gives a body, and is not changed."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rayfleet.kinds.raycluster.manifests import head_pod, head_service, worker_pods
from support.manifest_samples import cluster, spec, worker_group

words = st.sampled_from(
    ["", "ray start", "a b", "shared-mem", "metrics", "wait-gcs-ready", "RAY_ADDRESS", "/dev/shm", "ü'\"$x"]  # noqa: S108 - a mount path in a pod
)
numbers = st.integers(-1, 70_000)
quantities = words | numbers | st.sampled_from(["500m", "1Gi", "1e3", "-1", "0", "1.5"])
json_values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of these fields missing or null, and one that we do not know."""
    optional = {name: st.none() | values for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional={**optional, "unknown": json_values})


def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, max_size=3)


resource_names = st.sampled_from(
    ["cpu", "memory", "nvidia.com/gpu", "google.com/tpu", "nvidia.com/mig-1g.5gb"]
)
amounts = st.dictionaries(resource_names, quantities, max_size=3)
probes = some({"httpGet": some({"port": numbers | words}), "timeoutSeconds": numbers})
containers = some(
    {
        "name": words,
        "image": words,
        "command": lists(words),
        "args": lists(words),
        "env": lists(some({"name": words, "value": words, "valueFrom": some({})})),
        "ports": lists(some({"name": words, "containerPort": numbers, "protocol": words})),
        "resources": some({"limits": amounts, "requests": amounts}),
        "volumeMounts": lists(some({"name": words, "mountPath": words})),
        "livenessProbe": probes,
        "readinessProbe": probes,
        "securityContext": some({"privileged": st.booleans()}),
    }
)
metadata = some(
    {
        "name": words,
        "labels": st.dictionaries(words, words, max_size=2),
        "annotations": st.dictionaries(words, words, max_size=2),
        "finalizers": lists(words),
    }
)
templates = some(
    {
        "metadata": metadata,
        "spec": some(
            {
                "containers": lists(containers),
                "initContainers": lists(containers),
                "volumes": lists(some({"name": words, "emptyDir": some({})})),
                "restartPolicy": words,
            }
        ),
    }
)
service_ports = some({"name": words, "port": numbers, "targetPort": numbers | words, "protocol": words})
services = some(
    {"metadata": metadata, "spec": some({"type": words, "clusterIP": words, "ports": lists(service_ports)})}
)
flags = st.dictionaries(
    st.sampled_from(["port", "num-cpus", "resources", "metrics-export-port", "plasma-directory", "block"]),
    words | st.sampled_from(["6380", "true", "'{\"TPU\": 1}'", "{" * 9, "[" * 5000]),
    max_size=3,
)
groups = st.fixed_dictionaries(
    {"template": templates},
    optional={
        "rayStartParams": flags,
        "resources": st.dictionaries(words, quantities.map(str), max_size=2),
        "labels": st.dictionaries(words, words, max_size=2),
    },
)


@given(
    groups, groups, st.none() | services, st.sampled_from(["", "2.60.0", "2.52", "x"]), st.integers(1, 10**6)
)
def test_every_accepted_spec_gives_a_body_and_is_not_changed(
    head: dict[str, Any], worker: dict[str, Any], service: dict[str, Any] | None, version: str, index: int
) -> None:
    """This covers every shape that the schema accepts."""
    of = spec(head={**head, "headService": service}, worker=worker, rayVersion=version)
    before = copy.deepcopy(of)
    factory = worker_pods(cluster(), of, worker_group(of))
    built = head_pod(cluster(), of, index)
    bodies = [built.body, factory.named(index), head_service(cluster(), of)]

    assert of == before
    assert json.loads(json.dumps(bodies)) == bodies
    for body, template in zip(bodies, (head["template"], worker["template"]), strict=False):
        given_spec = template.get("spec") or {}
        assert (body["spec"].get("containers") or [])[1:] == (given_spec.get("containers") or [])[1:]
        assert body["spec"].get("restartPolicy") == given_spec.get("restartPolicy")
    assert worker_pods(cluster(), before, worker_group(before)).template_hash == factory.template_hash
    assert head_pod(cluster(), before, index + 1).template_hash == built.template_hash
