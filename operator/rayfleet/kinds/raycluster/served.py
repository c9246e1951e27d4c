"""Where RayClusters are in the API."""

from typing import Final

from rayfleet.api.names import GROUP, KIND, PLURAL, VERSION
from rayfleet.kube.objects.resources import Resource

RAYCLUSTERS: Final = Resource(GROUP, VERSION, KIND, PLURAL)
