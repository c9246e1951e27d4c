"""Credentials from a kubeconfig file: certificates or a token, as data or as files."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rayfleet.kube.client.credentials import Credentials, CredentialsError

NOT_SUPPORTED: Mapping[str, str] = {
    "exec": "an exec plugin",
    "auth-provider": "an auth provider",
    "username": "a user name and password",
    "proxy-url": "a proxy",
    "tls-server-name": "another TLS server name",
}


def from_kubeconfig(files: Sequence[Path], context: str | None = None) -> Credentials:
    """The current context (or `context`) of a kubeconfig; of several files, the first to define a thing wins.

    Raises CredentialsError, with one sentence, for a file that is missing, broken, or needs a plugin.
    """
    configs = [(path, _read(path)) for path in files if path.is_file()]
    if not configs:
        raise CredentialsError(
            f"There is no kubeconfig at {', '.join(map(str, files))}: name the right file with KUBECONFIG."
        )
    name = context or next((c["current-context"] for _, c in configs if c.get("current-context")), None)
    if name is None:
        raise CredentialsError(
            f"{configs[0][0]} has no current-context: set one with `kubectl config use-context`."
        )
    chosen, _ = _entry(configs, "context", name)
    cluster, cluster_folder = _entry(configs, "cluster", str(chosen.get("cluster")))
    user, user_folder = (
        _entry(configs, "user", str(chosen.get("user"))) if chosen.get("user") else ({}, Path())
    )
    for key, feature in NOT_SUPPORTED.items():
        if cluster.get(key) or user.get(key):
            raise CredentialsError(
                f"Context {name} of the kubeconfig asks for {feature} ({key}), which rayfleet does not "
                "support: use a client certificate or a token."
            )
    if not cluster.get("server"):
        raise CredentialsError(
            f"Cluster {chosen.get('cluster')} of the kubeconfig has no server: set its address."
        )
    return Credentials(
        server=str(cluster["server"]),
        ca=_pem(cluster, "certificate-authority", cluster_folder),
        certificate=_pem(user, "client-certificate", user_folder),
        key=_pem(user, "client-key", user_folder),
        token=_token(user, user_folder),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        namespace=str(chosen.get("namespace") or "default"),
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise CredentialsError(
            f"The kubeconfig {path} cannot be read ({reason}): fix it or name another."
        ) from error
    if not isinstance(config, dict):
        raise CredentialsError(f"The kubeconfig {path} is not a mapping: fix it or name another.")
    return config


def _entry(
    configs: Sequence[tuple[Path, Mapping[str, Any]]], kind: str, name: str
) -> tuple[Mapping[str, Any], Path]:
    """The cluster, user or context of this name, and the folder that its paths are relative to."""
    for path, config in configs:
        for entry in config.get(f"{kind}s") or ():
            if entry.get("name") == name:
                return entry.get(kind) or {}, path.parent
    raise CredentialsError(
        f"The kubeconfig {configs[0][0]} has no {kind} named {name}: add it or choose another."
    )


def _pem(entry: Mapping[str, Any], field: str, folder: Path) -> Path | bytes | None:
    data = entry.get(f"{field}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise CredentialsError(f"{field}-data of the kubeconfig is not base64: fix it.") from error
    return folder / str(entry[field]) if entry.get(field) else None


def _token(user: Mapping[str, Any], folder: Path) -> Path | str | None:
    if user.get("tokenFile"):
        return folder / str(user["tokenFile"])
    return str(user["token"]) if user.get("token") else None
