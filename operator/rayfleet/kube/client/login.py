"""Finds the operator's credentials, and converts them for kopf."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import kopf

from rayfleet.kube.client.credentials import BearerToken, Credentials, CredentialsError, in_cluster
from rayfleet.kube.client.kubeconfig import from_kubeconfig


def find_credentials(kubeconfig: str | None, environment: Mapping[str, str] = os.environ) -> Credentials:
    """The named kubeconfig, else the pod's service account, else ~/.kube/config.

    `kubeconfig` may be several paths, joined as in the variable KUBECONFIG.
    Raises CredentialsError if none of them can be used.
    """
    if kubeconfig:
        return from_kubeconfig([Path(part).expanduser() for part in kubeconfig.split(os.pathsep) if part])
    service_account = in_cluster(environment)
    if service_account is not None:
        return service_account
    default = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if not default.is_file():
        raise CredentialsError(
            f"There is no service account in this pod and no {default}: name a kubeconfig with --kubeconfig."
        )
    return from_kubeconfig([default])


def connection_info(credentials: Credentials) -> kopf.ConnectionInfo:
    """The credentials for kopf. Call it for each login, not once, as it reads the token file."""
    ca, certificate, key = credentials.ca, credentials.certificate, credentials.key
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=ca if isinstance(ca, Path) else None,
        ca_data=ca if isinstance(ca, bytes) else None,
        certificate_path=certificate if isinstance(certificate, Path) else None,
        certificate_data=certificate if isinstance(certificate, bytes) else None,
        private_key_path=key if isinstance(key, Path) else None,
        private_key_data=key if isinstance(key, bytes) else None,
        token=BearerToken(credentials.token, clock=time.monotonic).reread(),
        insecure=credentials.insecure,
        default_namespace=credentials.namespace,
    )
