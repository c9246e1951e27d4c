"""Random RayCluster specs, valid and not, drawn from the fields of the models."""

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from crds.cli import KUBERNETES_TYPES
from crds.kubernetes_types import KubernetesTypes
from rayfleet.api.names import Annotation, Label
from rayfleet.kinds.raycluster.support import ANNOTATIONS, LABELS
from support.builders import template
from support.odd_templates import ODD_VALUES, OddTemplates
from support.operator_process import REPOSITORY

Path = tuple[str, ...]

_CRD = REPOSITORY / "crds" / "ray.io_rayclusters.yaml"
_NAMES = ("a", "b", "c", "A_b", "a b", "", "headgroup", "x" * 64)
_SIZES = (*range(4), *range(4), *range(4), *range(4), *range(4), -1)
_LARGEST = 3
_SIZED = ("replicas", "minReplicas", "numOfHosts")
_DEEPEST = 4
"""Steps of a path. What lies deeper is Kubernetes' own, and mostly required to come with its siblings."""
_OF_TYPE: Mapping[str, Sequence[object]] = {
    "string": (
        "",
        "a",
        "1",
        "10s",
        "token",
        "2.60.0",
        "2.10.0",
        "Never",
        "ClusterIP",
        "ray.io/kuberay-operator",
    ),
    "integer": (0, 1, 2, 3, 60, -1),
    "number": (0, 0.5, 1),
    "boolean": (True, False),
    "array": ([], ["a"]),
    "object": ({}, {"a": "b"}, {"num-cpus": "1"}, {"CPU": "1"}),
}


_START_PARAMS: Mapping[str, Sequence[str]] = {
    "num-cpus": ("0", "4", '"4"', "$CPUS", "-1", "1e3", "four", ""),
    "num-gpus": ("0", "1", "'1'", "1.5", "$(nproc)"),
    "memory": ("1000000000", "1Gi", "0x10", "9" * 400),
    "resources": ("{}", '{"a": 1}', "'{\"a\": 1}'", '"{\\"a\\": 1}"', "{a: 1}", '{"GPU": 1}', "$R"),
    "port": ("6379", "6380", "0", "65536", "a"),
    "block": ("true", "false", ""),
    "metrics-export-port": ("8080", "-1"),
    "node-ip-address": ("$MY_POD_IP", "::1", "`id`"),
    "labels": ("a=b", "ray.io/group=b", "'"),
    "b c": ("; exit 1", "\n"),
}
"""As strings, which is what the field takes: what bash makes of them is what Ray gets."""
_KEYS: Mapping[str, Sequence[str]] = {
    "annotations": sorted(
        {
            *(str(text) for key, text in vars(Annotation).items() if key.isupper()),
            *(rule.key for rule in ANNOTATIONS),
            "kubectl.kubernetes.io/last-applied-configuration",
        }
    ),
    "labels": sorted(
        {*(str(text) for key, text in vars(Label).items() if key.isupper()), *(rule.key for rule in LABELS)}
    ),
}
_GATES = ("example.com/quota", "kueue.x-k8s.io/admission", "A b")
_WORDS = ("", "true", "false", "True", "0", "1", "-1", "a", "demo", "head", "headgroup", "A_b", "x" * 63)
_TEXTS = (*_WORDS, "é b", "{", "x" * 20_000, "9" * 400, "\n")
"""Annotations take these; the API server refuses an invalid label."""


class RandomSpecs:
    """Draws specs. No group wants more than a few pods, so that hundreds of clusters fit into a test."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._templates = OddTemplates(KubernetesTypes.load(KUBERNETES_TYPES).schema("PodTemplateSpec"))
        self._template_places = self._templates.places()
        schema = yaml.safe_load(_CRD.read_text())["spec"]["versions"]
        served = next(version for version in schema if version["served"])
        self._fields = list(_fields(served["schema"]["openAPIV3Schema"]["properties"]["spec"], ()))

    def draw(self) -> dict[str, Any]:
        """One spec."""
        rng = self._rng
        spec: dict[str, Any] = {
            "rayVersion": "2.60.0",
            "headGroupSpec": {"template": self._template()},
            "workerGroupSpecs": [self._group(name) for name in rng.choices(_NAMES[:4], k=rng.randint(0, 3))],
        }
        if rng.random() < 0.9:  # Mostly distinct names.
            for number, group in enumerate(spec["workerGroupSpecs"]):
                group["groupName"] = _NAMES[number]
        if rng.random() < 0.1:
            spec["headGroupSpec"]["rayStartParams"] = self.start_params()
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            path, kind = rng.choice(self._fields)
            _set(spec, path, rng.choice(ODD_VALUES if rng.random() < 0.1 else _OF_TYPE.get(kind, ODD_VALUES)))
        return _bounded(spec)

    def metadata(self) -> dict[str, Any]:
        """Labels and annotations of one cluster: mostly none, else with keys that mean something."""
        rng = self._rng
        found: dict[str, Any] = {}
        for field, keys in _KEYS.items():
            if rng.random() < 0.3:
                words = _TEXTS if field == "annotations" else _WORDS
                found[field] = {
                    key: rng.choice(words) for key in rng.choices(keys, k=rng.choice((1, 1, 2, 5)))
                }
        return found

    def start_params(self) -> dict[str, str]:
        """One to three flags."""
        names = self._rng.choices(list(_START_PARAMS), k=self._rng.choice((1, 1, 2, 3)))
        return {name: self._rng.choice(_START_PARAMS[name]) for name in names}

    def _group(self, name: str) -> dict[str, Any]:
        rng = self._rng
        group: dict[str, Any] = {"groupName": name, "template": self._template()}
        if rng.random() < 0.05:
            group["groupName"] = rng.choice(_NAMES)
        for field in ("replicas", "minReplicas", "maxReplicas"):
            if rng.random() < 0.7:
                group[field] = rng.choice(_SIZES)
        if rng.random() < 0.1:
            group["rayStartParams"] = self.start_params()
        if rng.random() < 0.05:
            group["suspend"] = rng.random() < 0.7
        if rng.random() < 0.05:
            gates = [{"name": name} for name in rng.sample(_GATES, k=rng.randint(0, 2))]
            group["scaleStrategy"] = {"scaleGate": gates}
        return group

    def _template(self) -> dict[str, Any]:
        if self._rng.random() < 0.95:
            return template()
        return self._templates.random(self._rng, self._template_places)


def _fields(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    """Every field of a spec but those inside pod templates, with its type; a list's items are `[]`."""
    for name, inner in schema.get("properties", {}).items():
        if len(path) < _DEEPEST:
            yield (*path, name), str(inner.get("type"))
        if name != "template":
            yield from _fields(inner, (*path, name))
    if "items" in schema:
        yield from _fields(schema["items"], (*path, "[]"))


def _set(spec: dict[str, Any], path: Path, value: object) -> None:
    """Set a field; in a list, that of its first item, which is created if missing."""
    at: Any = spec
    for step, following in zip(path, (*path[1:], ""), strict=True):
        if step == "[]":
            if not at:
                at.append({})
            at = at[0]
        elif following == "":
            at[step] = copy.deepcopy(value)
        else:
            if not isinstance(at.get(step), list if following == "[]" else dict):
                at[step] = [] if following == "[]" else {}
            at = at[step]
        if not isinstance(at, dict | list):
            return


def _bounded(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec with sizes that a test can bear."""
    groups = spec.get("workerGroupSpecs")
    for group in groups if isinstance(groups, list) else ():
        for name in _SIZED if isinstance(group, dict) else ():
            size = group.get(name)
            if isinstance(size, int | float) and size > _LARGEST:
                group[name] = _LARGEST
    return spec
