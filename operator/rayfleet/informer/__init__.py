"""The children of clusters, from the API server into the caches."""

from rayfleet.informer.informer import Health, Informer
from rayfleet.informer.reflector import Clockwork, Reflector, Source

__all__ = ["Clockwork", "Health", "Informer", "Reflector", "Source"]
