"""RayCronJob and the kind of its children."""

from typing import Final

from rayfleet.api.names import GROUP, RAYCRONJOB_KIND, RAYCRONJOB_PLURAL, RAYJOB_KIND, RAYJOB_PLURAL, VERSION
from rayfleet.kube.objects.resources import Resource

RAYCRONJOBS: Final = Resource(GROUP, VERSION, RAYCRONJOB_KIND, RAYCRONJOB_PLURAL)
RAYJOBS: Final = Resource(GROUP, VERSION, RAYJOB_KIND, RAYJOB_PLURAL)
