"""The container that collects logs and events for Ray's history server."""

from pydantic import Field

from rayfleet.api.base import ApiModel, EnvVar, ResourceRequirements


class CollectorOptions(ApiModel):
    """The collector container."""

    image: str | None = Field(default=None, description="Image of the collector.")
    image_pull_policy: str | None = Field(default=None, description="Pull policy of the collector's image.")
    resources: ResourceRequirements | None = Field(default=None, description="Resources of the collector.")
    env: tuple[EnvVar, ...] = Field(
        default=(), description="Environment of the collector: STORAGE_BACKEND and what that backend needs."
    )


class HistoryServerOptions(ApiModel):
    """What is collected for Ray's history server."""

    collector_options: CollectorOptions | None = Field(default=None, description="The collector container.")
