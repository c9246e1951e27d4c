"""What the rules check: one RayJob."""

from collections.abc import Mapping

from msgspec import Struct

from rayfleet.api.names import Label
from rayfleet.api.rayjob.spec import RayJobSpec


class JobSubject(Struct, frozen=True):
    """One RayJob, as the rules see it."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: RayJobSpec

    @property
    def mode(self) -> str:
        """Who submits the job."""
        return self.spec.submission_mode

    @property
    def selects_a_cluster(self) -> bool:
        """Whether it runs on an existing cluster."""
        return bool(self.spec.cluster_selector)

    @property
    def selected_cluster(self) -> str:
        """The name of that cluster; empty if there is none."""
        return self.spec.cluster_selector.get(Label.CLUSTER, "")

    @property
    def is_autoscaled(self) -> bool:
        """Whether the cluster that it creates follows its queue."""
        cluster = self.spec.ray_cluster_spec
        return cluster is not None and cluster.enable_in_tree_autoscaling
