"""Decoding drops managed fields, and no text can make it drop anything else."""

from typing import Any

import orjson
import pytest

from rayfleet.kube.client.decoding import decoded_object

FIELDS: dict[str, Any] = {
    "manager": "kubelet",
    "operation": "Update",
    "time": "2026-01-01T00:00:00Z",
    "fieldsV1": {"f:status": {'k:{"type":"Ready"}': {".": {}, "f:status": {}}, 'v:"x"': {}}},
}
SPEC: dict[str, Any] = {"containers": [{"name": "ray", "env": [{"name": "A", "value": "}]"}]}]}


def pod(**metadata: Any) -> dict[str, Any]:
    """An object of a built-in kind, whose metadata ends with managedFields."""
    own = {"name": "a", "labels": {"x": "y"}, **metadata}
    return {"kind": "Pod", "metadata": own, "spec": SPEC, "status": {"phase": "Running"}}


def event(obj: dict[str, Any]) -> bytes:
    return orjson.dumps({"type": "ADDED", "object": obj})


def without_managed_fields(obj: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": kept}


def test_a_pod_is_decoded_without_its_managed_fields() -> None:
    obj = pod(managedFields=[FIELDS, FIELDS])
    assert decoded_object(event(obj))["object"] == without_managed_fields(obj)


def test_a_custom_resource_is_decoded_without_its_managed_fields() -> None:
    obj = {
        "kind": "RayCluster",
        "metadata": {"labels": {}, "managedFields": [FIELDS], "name": "a", "uid": "u"},
        "spec": {"workerGroupSpecs": [{"template": {"spec": SPEC}}]},
    }
    assert decoded_object(orjson.dumps(obj)) == without_managed_fields(obj)


def test_an_object_without_managed_fields_is_decoded_whole() -> None:
    assert decoded_object(orjson.dumps(pod())) == pod()


def test_the_managed_fields_of_a_template_stay() -> None:
    template = {"metadata": {"labels": {}, "managedFields": [FIELDS], "name": "t"}, "spec": SPEC}
    obj = {"metadata": {"name": "a"}, "spec": {"template": template}}
    assert decoded_object(orjson.dumps(obj)) == obj


HOSTILE = (
    "}]",
    '}],"name":"other","x":[{',
    '}]},"spec":{},"x":{"y":[{"z":"',
    ',"managedFields":[{',
    '"spec":{',
    "}]}",
    "}],",
    '\\"}]',
    "\\",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["manager", "key", "label", "annotation", "name"])
def test_no_text_changes_what_is_dropped(text: str, place: str) -> None:
    fields, metadata = dict(FIELDS), dict[str, Any]()
    if place == "manager":
        fields["manager"] = text
    elif place == "key":
        fields["fieldsV1"] = {"f:metadata": {"f:finalizers": {f'v:"{text}"': {}, text: {}}}}
    elif place == "label":
        metadata["labels"] = {"x": text, text: "x"}
    elif place == "annotation":
        metadata["annotations"] = {"managedFields": text, text: text}
    else:
        metadata["name"] = text
    for obj in (
        pod(**metadata, managedFields=[fields, FIELDS]),
        pod(managedFields=[fields], **metadata),
        {"metadata": {"managedFields": [FIELDS, fields], "name": "a", **metadata}, "spec": SPEC},
    ):
        seen = decoded_object(event(obj))["object"]
        assert seen in (obj, without_managed_fields(obj))
