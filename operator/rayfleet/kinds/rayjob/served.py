"""Where RayJobs are in the API."""

from typing import Final

from rayfleet.api.names import GROUP, RAYJOB_KIND, RAYJOB_PLURAL, VERSION
from rayfleet.kube.objects.resources import Resource

RAYJOBS: Final = Resource(GROUP, VERSION, RAYJOB_KIND, RAYJOB_PLURAL)
