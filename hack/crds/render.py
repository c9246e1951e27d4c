"""Writes a CRD to a file."""

from typing import Any, Final

import yaml

from crds.model_schema import Embedded

_HEADER: Final = "# Generated from the models of the API by `make crds`. Do not edit.\n"
_LINE_LENGTH: Final = 140
_ENABLED: Final = 'dig "enabled" true (.Values.crds | default dict)'
_END: Final = "{{- end }}\n"


class _Dumper(yaml.CSafeDumper):
    """Block style for our own parts, flow style for Kubernetes' types; no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _embedded(dumper: yaml.CSafeDumper, data: Embedded) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)


_Dumper.add_representer(Embedded, _embedded)


def manifest(crd: dict[str, Any]) -> str:
    """A file for `kubectl apply`."""
    return _HEADER + yaml.dump(
        crd, Dumper=_Dumper, sort_keys=False, width=_LINE_LENGTH, default_flow_style=False
    )


def chart_template(crd: dict[str, Any], feature: str = "") -> str:
    """A chart template: the CRD, and the objects with it, stay when the release no longer contains it.

    `feature` is the value of the chart with whose `enabled` it comes; empty if it always does.
    """
    metadata = dict(crd["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), "helm.sh/resource-policy": "keep"}
    text = manifest(crd | {"metadata": metadata}).replace("{{", '{{ "{{" }}')
    wanted = f"and ({_ENABLED}) (.Values.{feature} | default dict).enabled" if feature else _ENABLED
    return f"{{{{- if {wanted} -}}}}\n{text}{_END}"
