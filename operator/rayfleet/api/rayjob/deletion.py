"""What is deleted after a RayJob has ended."""

from typing import Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from rayfleet.api.base import ApiModel, Integer, stored

PolicyType: TypeAlias = Literal["DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone"]
"""The cluster; its workers, while the head stays for its logs; the RayJob with all its objects; nothing."""
MOST_RULES: Final = 12
"""One for each policy and each status; any more would be duplicates."""
_POLICY: Final = (
    "What is deleted: the cluster, its workers only, the RayJob with all its objects, or nothing."
)


def _rules(*rules: tuple[str, str]) -> ConfigDict:
    """Rules that the API server checks, each with the message for the user."""
    found: list[Any] = [{"rule": rule, "message": message} for rule, message in rules]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": found})


class DeletionPolicy(ApiModel):
    """What is deleted after one outcome, once `ttlSecondsAfterFinished` have passed."""

    policy: PolicyType | None = Field(default=None, description=_POLICY)


class DeletionCondition(ApiModel):
    """When a rule applies: after which status, and how much later."""

    model_config = _rules(
        (
            "!(has(self.jobStatus) && has(self.jobDeploymentStatus))",
            "cannot set both jobStatus and jobDeploymentStatus: remove one.",
        ),
        (
            "has(self.jobStatus) || has(self.jobDeploymentStatus)",
            "exactly one of jobStatus and jobDeploymentStatus must be set.",
        ),
    )

    job_status: Literal["SUCCEEDED", "FAILED"] | None = Field(default=None, description="Ray's verdict.")
    job_deployment_status: Literal["Failed"] | None = Field(
        default=None,
        description="How the RayJob ended; it covers deadlines, too, and jobs that Ray never ran.",
    )
    ttl_seconds: Integer = stored(
        0, "How long after the end the rule applies.", json_schema_extra={"minimum": 0}
    )


class DeletionRule(ApiModel):
    """One thing that is deleted, and when. Of several that are due, the one that deletes most counts."""

    policy: PolicyType = Field(description=_POLICY)
    condition: DeletionCondition = Field(description="When it is deleted.")


class DeletionStrategy(ApiModel):
    """What is deleted after the end: by rules, or by the two policies of older versions."""

    model_config = _rules(
        (
            "!((has(self.onSuccess) || has(self.onFailure)) && has(self.deletionRules))",
            "Cannot use both legacy onSuccess/onFailure fields and deletionRules: remove one of them.",
        ),
        (
            "(has(self.onSuccess) && has(self.onFailure)) || has(self.deletionRules)",
            "requires either BOTH onSuccess and onFailure, or deletionRules: set them.",
        ),
    )

    on_success: DeletionPolicy | None = Field(
        default=None, description="What is deleted after a success; `deletionRules` can say more."
    )
    on_failure: DeletionPolicy | None = Field(
        default=None, description="What is deleted after a failure; `deletionRules` can say more."
    )
    deletion_rules: tuple[DeletionRule, ...] = Field(
        default=(),
        max_length=MOST_RULES,
        description="What is deleted after which status, and how much later.",
        json_schema_extra={"minItems": 1, "x-kubernetes-list-type": "atomic"},
    )
