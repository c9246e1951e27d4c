"""Where the state of Ray's head is kept, so that a new head can continue with it."""

from typing import Literal

from pydantic import Field

from rayfleet.api.base import ApiModel, EnvVarSource, QuantityValue


class RedisCredential(ApiModel):
    """A user name or password of Redis."""

    value: str | None = Field(default=None, description="The value itself.")
    value_from: EnvVarSource | None = Field(default=None, description="Where the value is read from.")


class GcsStorage(ApiModel):
    """The volume of the embedded store."""

    claim_name: str | None = Field(default=None, description="An existing PersistentVolumeClaim.")
    size: QuantityValue | None = Field(
        default=None, description="Size of the claim that is created; 1Gi if unset."
    )
    storage_class_name: str | None = Field(
        default=None, description="Storage class of the claim that is created."
    )
    access_modes: tuple[str, ...] = Field(
        default=(), description="Access modes of the claim that is created; ReadWriteOnce if unset."
    )
    sub_path: str | None = Field(default=None, description="Folder to use on the volume.")
    deletion_policy: Literal["DeleteWithCluster", "Retain"] = Field(
        default="DeleteWithCluster", description="What happens to the claim when the cluster is deleted."
    )


class GcsFaultToleranceOptions(ApiModel):
    """Where the state of Ray's head is kept."""

    backend: Literal["redis", "rocksdb"] = Field(
        default="redis",
        description="Kind of store; it cannot be changed later.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "backend is immutable: create a new cluster instead."}
            ]
        },
    )
    redis_address: str | None = Field(default=None, description="Address of Redis, host:port.")
    redis_username: RedisCredential | None = Field(default=None, description="User name for Redis.")
    redis_password: RedisCredential | None = Field(default=None, description="Password for Redis.")
    external_storage_namespace: str | None = Field(
        default=None, description="Name under which the state is kept; the cluster's uid if unset."
    )
    storage: GcsStorage | None = Field(default=None, description="The volume of the rocksdb backend.")
