"""`rayfleet explain`: why a cluster has its size, or what a job waits for, and what happens next."""

import argparse
import time

from rayfleet.cli.api_server import ApiServer, api_server
from rayfleet.cli.documents import dumped
from rayfleet.cli.explanation_data import explanation_data
from rayfleet.cli.explanation_text import explanation_text
from rayfleet.cli.jobs.explanation_data import job_explanation_data
from rayfleet.cli.jobs.explanation_text import job_explanation_text
from rayfleet.cli.jobs.reading import read_job_sources
from rayfleet.cli.reading import read_sources
from rayfleet.explain.explanation import explanation_of
from rayfleet.explain.job_explanation import job_explanation_of


def explain(given: argparse.Namespace) -> str:
    """What the command prints. Raises CommandError if the object cannot be read."""
    with api_server(given.kubeconfig, given.context) as server:
        namespace = given.namespace or server.namespace
        return (_job if given.of_job else _cluster)(server, namespace, given)


def _cluster(server: ApiServer, namespace: str, given: argparse.Namespace) -> str:
    sources = read_sources(server, namespace, given.name, time.time(), ask=not given.no_port_forward)
    explanation = explanation_of(sources)
    if given.output == "text":
        return explanation_text(explanation)
    return dumped(explanation_data(explanation), given.output)


def _job(server: ApiServer, namespace: str, given: argparse.Namespace) -> str:
    sources = read_job_sources(server, namespace, given.name, time.time(), ask=not given.no_port_forward)
    explanation = job_explanation_of(sources)
    if given.output == "text":
        return job_explanation_text(explanation)
    return dumped(job_explanation_data(explanation), given.output)
