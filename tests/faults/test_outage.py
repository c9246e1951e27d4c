"""The API server is down for a while: nothing answers, and soon afterwards all is as desired."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support.builders import raycluster
from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.scenario import spec_of
from support.operator_process import OperatorProcess, service_account_kubeconfig
from support.proxy import tcp_proxy
from support.waiting import eventually, throughout

BACK_S = 10.0
"""Retries against a server that is down are at most 5 s apart."""


def _away(seconds: float, bed: FaultBed, _: int) -> None:
    namespace = bed.namespace("away")
    with tcp_proxy(bed.control_plane.server) as proxy, tempfile.TemporaryDirectory() as folder:
        server = f"https://127.0.0.1:{proxy.port}"
        kubeconfig = service_account_kubeconfig(namespace.api, Path(folder), server)
        operator = OperatorProcess(kubeconfig, Path(folder), ["--namespace", namespace.name])
        operator.start()
        try:
            namespace.apply(raycluster("before", spec_fields=spec_of({"a": 3})))
            eventually("the pods", lambda: len(namespace.living_pods()) == 4)
            proxy.refuse()
            namespace.apply(raycluster("meanwhile", spec_fields=spec_of({"a": 2})))
            namespace.delete_pod(namespace.living_pods("ray.io/node-type=worker")[0]["metadata"]["name"])
            throughout("the process runs", lambda: operator.runs, seconds=seconds)
            proxy.accept()
            eventually(
                "the missed work to be done",
                lambda: len(namespace.living_pods()) == 4 + 3,
                seconds=BACK_S,
                why=operator.last_words,
            )
            throughout("there is no surplus pod", lambda: len(namespace.living_pods()) == 4 + 3, seconds=2)
            assert operator.is_ready()
        finally:
            operator.kill()


SHORT = Case("away-20-s", partial(_away, 20.0))
LONG = Case("away-5-minutes", partial(_away, 300.0))


@pytest.mark.parametrize("case", [SHORT, pytest.param(LONG, marks=pytest.mark.extended)], ids=str)
@pytest.mark.timeout(400)
def test_ten_seconds_after_the_api_server_is_back_all_is_as_desired(
    case: Case, verdict: Callable[[Case], None]
) -> None:
    """The process lives through it."""
    verdict(case)
