"""What the operator tells Prometheus. Names, labels and meaning are in `definitions`."""

from rayfleet.metrics.collector import Parts, PartsCollector
from rayfleet.metrics.exposition import Exposition
from rayfleet.metrics.recorder import Recorder
from rayfleet.metrics.server import MetricsServer

__all__ = ["Exposition", "MetricsServer", "Parts", "PartsCollector", "Recorder"]
