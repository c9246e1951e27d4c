"""The documentation page of a RayCluster's spec: every field, and whether it is acted on."""

from collections.abc import Iterable, Mapping
from typing import Final

from crds.field_reference import FieldReference
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.scaler import SIDECAR_OPTIONS
from rayfleet.kinds.raycluster import support

_HEAD: Final = """\
<!-- Generated from the models of the API by `make crds`. Do not edit. -->
# RayCluster

The fields of `spec` in `ray.io/v1`, one table per part. Types named like Kubernetes' own, such as
PodTemplateSpec, are Kubernetes'. An unlisted field is kept but not acted on. A listed field that this release
does not act on yet says so below, and the condition `Supported` names it if it is set.
"""
_METADATA: Final = """\

## Annotations and labels

What KubeRay acts on in the `metadata` of a RayCluster. The condition `Supported` names those that are set and
that this release does not act on yet.

| annotation or label | here |
|---|---|
"""
_ACTED_ON: Final = (
    (
        "annotation",
        "ray.io/overwrite-container-cmd",
        'With "true" the Ray container keeps its command; ours is in `KUBERAY_GEN_RAY_START_CMD`.',
    ),
    (
        "annotation",
        "ray.io/disable-provisioned-head-restart",
        'With "true" a cluster that has been provisioned once gets no other head.',
    ),
    (
        "label",
        "kueue.x-k8s.io/queue-name",
        "Kueue's queue: sizes are kept in `replicas`, where Kueue counts them.",
    ),
    (
        "label",
        "ray.io/originated-from-crd",
        "With `RayService` pods get the label `ray.io/serve`, and workers are ready while their proxy is.",
    ),
)
_VALUES: Final = {"spec.autoscalerOptions.runtime": "Sidecar", "spec.autoscalerOptions.version": "v1"}
"""Values that are not acted on, in fields that are."""


def raycluster_page() -> str:
    """The page, in Markdown."""
    return _HEAD + FieldReference(RayClusterSpec, remark=_limit).sections() + _metadata()


def _metadata() -> str:
    rows = [(kind, key, words) for kind, key, words in _ACTED_ON]
    for kind, rules in (("annotation", support.ANNOTATIONS), ("label", support.LABELS)):
        rows += [(kind, rule.key, f"Not acted on yet: {rule.instead}.") for rule in rules]
    return _METADATA + "".join(f"| {kind} `{key}` | {words} |\n" for kind, key, words in rows)


def _not_acted_on() -> Mapping[str, str]:
    """What happens instead, by field path without list indexes."""
    groups = {f"spec.workerGroupSpecs.{rule.path}": rule.instead for rule in support.GROUP_FIELDS}
    container = dict.fromkeys(SIDECAR_OPTIONS.values(), support.NO_CONTAINER)
    return {rule.path: rule.instead for rule in support.FIELDS} | groups | container


def _limit(paths: Iterable[str]) -> str:
    """The sentence about a field that is not acted on at any of its paths; empty for others."""
    known, places = _not_acted_on(), list(paths)
    if places[0] in _VALUES:
        return f" `{_VALUES[places[0]]}` is not acted on yet: {support.NO_SIDECAR}."
    instead = [known.get(path) for path in places]
    return f" Not acted on yet: {instead[0]}." if instead and None not in instead else ""
