"""The schema of a RayCluster's status: what Ray's users know, and what this operator remembers there."""

from typing import Final

from crds.kubernetes_types import QUANTITY, TIME, Schema


def _object(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    needed: Schema = {"required": list(required)} if required else {}
    return {
        "type": "object",
        **needed,
        "properties": properties,
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _list_by(key: str, entry: Schema) -> Schema:
    return {
        "type": "array",
        "items": entry,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }


_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "format": "int32"}
_GENERATION: Final[Schema] = {"type": "integer", "format": "int64"}

_CONDITION: Final = _object(
    {
        "type": _TEXT,
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": _GENERATION,
        "lastTransitionTime": TIME,
        "reason": _TEXT,
        "message": _TEXT,
    },
    required=("type", "status", "lastTransitionTime", "reason", "message"),
)

_AUTOSCALER: Final = {
    **_object(
        {
            "summary": {**_TEXT, "description": "The last decision on sizes, in words."},
            "queue": _object(
                {
                    "known": {"type": "boolean", "description": "Whether the head's answers are decided by."},
                    "since": TIME,
                    "message": _TEXT,
                }
            ),
            "unserved": {
                "type": "array",
                "description": "Demand that gets no node, and why.",
                "items": _object(
                    {
                        "kind": _TEXT,
                        "resources": {"type": "object", "additionalProperties": _TEXT},
                        "reason": _TEXT,
                        "message": _TEXT,
                    }
                ),
            },
            "faults": {
                "type": "array",
                "description": "What is wrong with metrics and ceilings.",
                "items": _TEXT,
            },
        }
    ),
    "description": "How the cluster follows its queue; absent where nobody scales it.",
}

_WORKER_GROUP: Final = _object(
    {
        "groupName": _TEXT,
        "desired": {**_COUNT, "description": "Replicas that the group is to have now."},
        "observedReplicas": {
            **_COUNT,
            "description": "Value of `replicas` in the spec that was last acted on.",
        },
        "replicas": {**_COUNT, "description": "Pods of the group that exist and count towards its size."},
        "ready": {**_COUNT, "description": "Those of them that are ready."},
        "pending": {**_COUNT, "description": "Those of them that have not been started."},
        "lastIndex": {**_COUNT, "description": "Highest number that a pod's name of this group has had."},
    },
    required=("groupName",),
)

STATUS: Final = _object(
    {
        "state": _TEXT,
        "reason": _TEXT,
        "desiredCPU": QUANTITY,
        "desiredMemory": QUANTITY,
        "desiredGPU": QUANTITY,
        "desiredTPU": QUANTITY,
        "lastUpdateTime": TIME,
        "stateTransitionTimes": {"type": "object", "additionalProperties": TIME},
        "endpoints": {"type": "object", "additionalProperties": _TEXT},
        "head": _object({"podIP": _TEXT, "podName": _TEXT, "serviceIP": _TEXT, "serviceName": _TEXT}),
        "readyWorkerReplicas": _COUNT,
        "availableWorkerReplicas": _COUNT,
        "desiredWorkerReplicas": _COUNT,
        "minWorkerReplicas": _COUNT,
        "maxWorkerReplicas": _COUNT,
        "observedGeneration": _GENERATION,
        "conditions": _list_by("type", _CONDITION),
        "unknownFields": {
            "type": "array",
            "description": "Fields of pod templates that Kubernetes does not know.",
            "items": _TEXT,
        },
        "headEpoch": {
            **_COUNT,
            "description": "How many heads there have been; it is part of the head pod's name.",
        },
        "workerGroups": _list_by("groupName", _WORKER_GROUP),
        "autoscaler": _AUTOSCALER,
        "leftOut": {
            **_TEXT,
            "description": "What this status would have beyond 64 KiB; absent where nothing is left out.",
        },
    }
)
