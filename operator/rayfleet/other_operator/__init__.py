"""Watching for another operator of this API, so that two never act on one cluster."""

from rayfleet.other_operator.leases import OthersLeases
from rayfleet.other_operator.watch import OtherOperatorWatch

__all__ = ["OtherOperatorWatch", "OthersLeases"]
