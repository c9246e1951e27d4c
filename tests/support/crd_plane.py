"""A control plane where CRDs come from `kubectl apply`, not from the chart."""

import itertools
import json
import subprocess
from collections.abc import Callable
from functools import partial

import pytest

from support.cluster_api import ApiError, ClusterApi
from support.testbed import RunningControlPlane
from support.waiting import eventually
from testbed import binaries

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
_numbers = itertools.count(1)


def kubectl(plane: RunningControlPlane, *arguments: str) -> str:
    """What kubectl prints."""
    command = [str(binaries.path("kubectl")), "--kubeconfig", str(plane.kubeconfig), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def client_once_served(plane: RunningControlPlane, *paths: str) -> ClusterApi:
    """An admin's client, once these paths are served and pods can be created."""
    client = ClusterApi(plane.kubeconfig)
    for path in paths:
        eventually(f"{path} to be served", partial(_served, client, path), seconds=30)
    eventually("the default service account", lambda: client.exists(ACCOUNT), seconds=30)
    return client


def _served(api: ClusterApi, path: str) -> bool:
    try:
        return api.exists(path)
    except json.JSONDecodeError:
        return False  # A group that is not served yet is a plain text page.


def fresh_name() -> str:
    """A name that no other object has."""
    return f"c{next(_numbers)}"


def refusal(call: Callable[[], object]) -> str:
    """Why the API server does not take what it is given."""
    with pytest.raises(ApiError) as refused:
        call()
    assert refused.value.status == 422
    return refused.value.message
