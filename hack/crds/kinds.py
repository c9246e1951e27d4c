"""The kinds of the API, each with its CRD and its pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crds.definition import Crd
from crds.job_pages import raycronjob_page, rayjob_page
from crds.kubernetes_types import KubernetesTypes
from crds.raycluster import raycluster_crd
from crds.raycluster_page import raycluster_page
from crds.raycronjob import raycronjob_crd
from crds.rayjob import rayjob_crd
from rayfleet.api.names import KIND, PLURAL, RAYCRONJOB_KIND, RAYCRONJOB_PLURAL, RAYJOB_KIND, RAYJOB_PLURAL
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.api.raycronjob.status import RayCronJobStatus
from rayfleet.api.rayjob.status import RayJobStatus
from rayfleet.api.status_model import StatusPart

_FIRST_SECTION: Final = "\n## "
_NOT_SERVED: Final = """
This release does not act on {kind}s yet: [keep KubeRay for them](../moving-from-kuberay.md).
"""


@dataclass(frozen=True)
class Kind:
    """What is generated for one kind."""

    kind: str
    plural: str
    crd: Callable[[KubernetesTypes], Crd]
    fields: Callable[[], str]
    """Returns the page of the fields of its spec."""
    status: type[StatusPart]
    status_page: str
    """The page with the table of its status; all but the table is written by hand."""
    feature: str = ""
    """The value of the chart with whose `enabled` its CRD comes; empty if it always does."""
    is_served: bool = True
    """Whether this release acts on it. The CRD of another kind is not installed: nothing would happen to its
    objects, and another operator may act on them by a CRD of its own."""

    @property
    def file(self) -> str:
        """The name of the CRD's file."""
        return f"ray.io_{self.plural}.yaml"

    @property
    def page(self) -> str:
        """The page of its fields."""
        return f"docs/reference/{self.kind.lower()}.md"

    def page_text(self) -> str:
        """What that page says."""
        text = self.fields()
        if self.is_served:
            return text
        head, first, tables = text.partition(_FIRST_SECTION)
        return head + _NOT_SERVED.format(kind=self.kind) + first + tables


KINDS: Final[Sequence[Kind]] = (
    Kind(KIND, PLURAL, raycluster_crd, raycluster_page, RayClusterStatus, "docs/reference/status.md"),
    Kind(
        RAYJOB_KIND,
        RAYJOB_PLURAL,
        rayjob_crd,
        rayjob_page,
        RayJobStatus,
        "docs/reference/rayjob-status.md",
        "jobs",
    ),
    Kind(
        RAYCRONJOB_KIND,
        RAYCRONJOB_PLURAL,
        raycronjob_crd,
        raycronjob_page,
        RayCronJobStatus,
        "docs/reference/raycronjob-status.md",
        is_served=False,
    ),
)
