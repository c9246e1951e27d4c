"""RayCronJob and the kind of its children."""

from typing import Final

from rayfleet.api.names import GROUP, VERSION
from rayfleet.kube.objects.resources import Resource

RAYCRONJOBS: Final = Resource(GROUP, VERSION, "RayCronJob", "raycronjobs")
RAYJOBS: Final = Resource(GROUP, VERSION, "RayJob", "rayjobs")
