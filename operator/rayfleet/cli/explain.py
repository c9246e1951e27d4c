"""`rayfleet explain`: why a cluster has its size, and what happens next."""

import argparse
import time

from rayfleet.cli.api_server import api_server
from rayfleet.cli.documents import dumped
from rayfleet.cli.explanation_data import explanation_data
from rayfleet.cli.explanation_text import explanation_text
from rayfleet.cli.reading import read_sources
from rayfleet.explain.explanation import explanation_of


def explain(given: argparse.Namespace) -> str:
    """What the command prints. Raises CommandError if the cluster cannot be read."""
    with api_server(given.kubeconfig, given.context) as server:
        namespace = given.namespace or server.namespace
        sources = read_sources(server, namespace, given.cluster, time.time(), ask=not given.no_port_forward)
    explanation = explanation_of(sources)
    if given.output == "text":
        return explanation_text(explanation)
    return dumped(explanation_data(explanation), given.output)
