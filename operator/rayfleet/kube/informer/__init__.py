"""Clusters and their children, from the API server into the caches."""

from rayfleet.kube.informer.crd_age import CrdAges
from rayfleet.kube.informer.informer import Health, Informer
from rayfleet.kube.informer.reflector import Clockwork, Reflector, Source
from rayfleet.kube.informer.scope import Followed
from rayfleet.kube.informer.served import wait_until_served
from rayfleet.kube.informer.sinks import ChildSink, RootSink

__all__ = [
    "ChildSink",
    "Clockwork",
    "CrdAges",
    "Followed",
    "Health",
    "Informer",
    "Reflector",
    "RootSink",
    "Source",
    "wait_until_served",
]
