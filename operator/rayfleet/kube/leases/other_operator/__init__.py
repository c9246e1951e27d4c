"""Watches for another operator of this API, so that two never act on one cluster."""

from rayfleet.kube.leases.other_operator.leases import OthersLeases
from rayfleet.kube.leases.other_operator.watch import OtherOperatorWatch

__all__ = ["OtherOperatorWatch", "OthersLeases"]
