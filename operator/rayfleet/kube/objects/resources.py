"""Kinds of the Kubernetes API, and the paths of their objects."""

from typing import Final, NamedTuple


class Resource(NamedTuple):
    """A kind in one version of its API group."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    """False for a cluster-scoped kind, such as nodes."""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path of the kind's group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def collection(self, namespace: str | None = None) -> str:
        """The path of all objects in a namespace, or of all objects."""
        return (
            f"{self.root}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.root}/{self.plural}"
        )

    def path(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{name}"


PODS: Final = Resource("", "v1", "Pod", "pods")
SERVICES: Final = Resource("", "v1", "Service", "services")
SECRETS: Final = Resource("", "v1", "Secret", "secrets")
JOBS: Final = Resource("batch", "v1", "Job", "jobs")
EVENTS: Final = Resource("events.k8s.io", "v1", "Event", "events")
NODES: Final = Resource("", "v1", "Node", "nodes", namespaced=False)
LEASES: Final = Resource("coordination.k8s.io", "v1", "Lease", "leases")
