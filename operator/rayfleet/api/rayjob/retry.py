"""How often a RayJob is tried again, and where."""

from typing import Literal

from rayfleet.api.base import ApiModel, Integer, stored


class RetryPolicy(ApiModel):
    """How failures are told apart, and what an attempt costs.

    Failures of the infrastructure, such as a lost node, are counted apart from failures of the program, which
    `backoffLimit` counts.
    """

    infrastructure_limit: Integer = stored(
        3, "Attempts that may be lost to the infrastructure.", json_schema_extra={"minimum": 0}
    )
    cluster: Literal["Reuse", "Recreate"] = stored(
        "Reuse", "Whether an attempt uses the last cluster while its head is healthy, or always a new one."
    )
    backoff_seconds: Integer = stored(
        10,
        "Wait before the first new attempt; each further one doubles it.",
        json_schema_extra={"minimum": 0},
    )
    max_backoff_seconds: Integer = stored(300, "The longest such wait.", json_schema_extra={"minimum": 0})
