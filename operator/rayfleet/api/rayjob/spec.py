"""The spec of a RayJob."""

from typing import Final, Literal, TypeAlias

from pydantic import Field

from rayfleet.api.base import ApiModel, Boolean, Float, Integer, PodTemplate, stored
from rayfleet.api.names import ManagedBy
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.api.rayjob.deletion import DeletionStrategy
from rayfleet.api.rayjob.retry import RetryPolicy

SubmissionMode: TypeAlias = Literal["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]
StartPolicy: TypeAlias = Literal["AllWorkers", "Head"]
SUBMITTER_BACKOFF_LIMIT: Final = 2
"""Unless `submitterConfig` sets it."""


class SubmitterConfig(ApiModel):
    """The Kubernetes Job that submits the Ray job."""

    backoff_limit: Integer | None = Field(
        default=None,
        json_schema_extra={"minimum": 0},
        description=f"How often the pod that submits is replaced; {SUBMITTER_BACKOFF_LIMIT} if unset.",
    )


class RayJobSpec(ApiModel):
    """A program that runs on a Ray cluster of its own, or on an existing one."""

    entrypoint: str = Field(default="", description="Shell command of the driver.")
    runtime_env_yaml: str = Field(
        default="", alias="runtimeEnvYAML", description="Ray's runtime environment of the job: a map in YAML."
    )
    job_id: str = Field(
        default="",
        description="Ray's name of the job (submission id); made from the RayJob's name if unset. In"
        " InteractiveMode the job that the user has submitted.",
    )
    metadata: dict[str, str] = Field(default_factory=dict, description="Metadata of the Ray job.")
    entrypoint_num_cpus: Float | None = Field(
        default=None, description="CPUs reserved for the driver; none if 0 or less."
    )
    entrypoint_num_gpus: Float | None = Field(
        default=None, description="GPUs reserved for the driver; none if 0 or less."
    )
    entrypoint_resources: str = Field(
        default="", description="Custom resources reserved for the driver: a JSON object of numbers."
    )
    submission_mode: SubmissionMode = stored(
        "K8sJobMode",
        "Who submits the job: a Kubernetes Job, the operator over HTTP, a container next to the head, or the"
        " user.",
    )
    submitter_pod_template: PodTemplate | None = Field(
        default=None,
        description="Template of the pod that submits, in K8sJobMode; its first container submits, with a"
        " command of ours unless it has one.",
    )
    submitter_config: SubmitterConfig | None = Field(
        default=None, description="The Kubernetes Job that submits, in K8sJobMode."
    )
    ray_cluster_spec: RayClusterSpec | None = Field(
        default=None,
        description="The cluster that is created for the job; changes apply to the next attempt.",
    )
    cluster_selector: dict[str, str] = Field(
        default_factory=dict,
        description="An existing cluster of the namespace to use instead: its name under `ray.io/cluster`.",
    )
    backoff_limit: Integer = stored(
        0, "How often the job is tried again after it has failed.", json_schema_extra={"minimum": 0}
    )
    retry_policy: RetryPolicy | None = Field(
        default=None,
        description="How failures are told apart and retried; if unset, all count against `backoffLimit`, and"
        " each new attempt gets a new cluster at once.",
    )
    start_policy: StartPolicy | None = Field(
        default=None,
        description="What must be ready before the job is submitted: the head, or all workers, too. If unset:"
        " Head with `enableInTreeAutoscaling`, else AllWorkers.",
    )
    active_deadline_seconds: Integer | None = Field(
        default=None,
        json_schema_extra={"minimum": 1},
        description="How long an attempt may take, from its start.",
    )
    pre_running_deadline_seconds: Integer | None = Field(
        default=None,
        json_schema_extra={"minimum": 1},
        description="How long an attempt may take until its job can be submitted.",
    )
    shutdown_after_job_finishes: Boolean = Field(
        default=False, description="Whether the cluster is deleted after the end."
    )
    ttl_seconds_after_finished: Integer = stored(
        0, "How long after the end the cluster is deleted.", json_schema_extra={"minimum": 0}
    )
    deletion_strategy: DeletionStrategy | None = Field(
        default=None, description="What else is deleted after the end, and when."
    )
    suspend: Boolean = Field(
        default=False,
        description="Whether the job waits without a cluster; a running job loses its own and begins again.",
    )
    managed_by: str | None = Field(
        default=None,
        description="Which controller the job belongs to; it cannot be changed later.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self == oldSelf",
                    "message": "managedBy is immutable: create a new RayJob instead.",
                },
                {
                    "rule": f"self in {list(ManagedBy.ALL)}",
                    "message": f"managedBy must be one of {', '.join(ManagedBy.ALL)}.",
                },
            ]
        },
    )
