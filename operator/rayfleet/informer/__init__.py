"""Clusters and their children, from the API server into the caches."""

from rayfleet.informer.informer import Health, Informer
from rayfleet.informer.reflector import Clockwork, Reflector, Source
from rayfleet.informer.scope import Stores, Wakes
from rayfleet.informer.served import wait_until_served
from rayfleet.informer.sinks import ChildSink, ClusterSink

__all__ = [
    "ChildSink",
    "Clockwork",
    "ClusterSink",
    "Health",
    "Informer",
    "Reflector",
    "Source",
    "Stores",
    "Wakes",
    "wait_until_served",
]
