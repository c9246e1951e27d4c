"""The operator's metrics for Prometheus. Names, labels and meanings are in `definitions`."""

from rayfleet.telemetry.metrics.collector import OperatorParts, PartsCollector
from rayfleet.telemetry.metrics.exposition import Exposition, Shown
from rayfleet.telemetry.metrics.recorder import Recorder
from rayfleet.telemetry.metrics.server import MetricsServer

__all__ = ["Exposition", "MetricsServer", "OperatorParts", "PartsCollector", "Recorder", "Shown"]
