"""CRDs of the Prometheus Operator with the fields that our monitors use, and no others: a typo is refused."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
RELABELING: Schema = {
    "type": "object",
    "properties": {"sourceLabels": TEXTS, "targetLabel": TEXT, "replacement": TEXT, "action": TEXT},
}
ENDPOINT: Schema = {
    "type": "object",
    "properties": {
        "port": TEXT,
        "path": TEXT,
        "interval": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
        "honorLabels": {"type": "boolean"},
        "relabelings": {"type": "array", "items": RELABELING},
    },
}


RULE: Schema = {
    "type": "object",
    "required": ["expr"],
    "properties": {"alert": TEXT, "expr": TEXT, "for": TEXT, "labels": LABELS, "annotations": LABELS},
}
GROUP: Schema = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": TEXT, "interval": TEXT, "rules": {"type": "array", "items": RULE}},
}


def monitoring_crds() -> list[dict[str, Any]]:
    """ServiceMonitor, PodMonitor and PrometheusRule."""
    return [
        _crd("ServiceMonitor", _monitor("endpoints")),
        _crd("PodMonitor", _monitor("podMetricsEndpoints")),
        _crd("PrometheusRule", {"groups": {"type": "array", "items": GROUP}}),
    ]


def _monitor(endpoints: str) -> Schema:
    return {
        "selector": {"type": "object", "properties": {"matchLabels": LABELS}},
        "namespaceSelector": {
            "type": "object",
            "properties": {"any": {"type": "boolean"}, "matchNames": TEXTS},
        },
        endpoints: {"type": "array", "items": ENDPOINT},
    }


def _crd(kind: str, fields: Schema) -> dict[str, Any]:
    spec: Schema = {"type": "object", "required": list(fields)[:1], "properties": fields}
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
