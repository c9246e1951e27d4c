"""Passes the machine's package index settings to the build, as a secret that enters no layer."""

from collections.abc import Mapping

CA_IN_BUILD = "/run/secrets/ca"  # where both engines mount the secret named "ca"
_PASSED_ON = {
    "PIP_INDEX_URL": "index-url",
    "PIP_EXTRA_INDEX_URL": "extra-index-url",
    "PIP_TRUSTED_HOST": "trusted-host",
    "PIP_DEFAULT_TIMEOUT": "timeout",
    "PIP_RETRIES": "retries",
}


def pip_conf(environ: Mapping[str, str]) -> str:
    """A pip configuration with the indexes in `environ`, and `PIP_CERT` at its path in the build."""
    lines = [f"{option} = {environ[name]}" for name, option in _PASSED_ON.items() if environ.get(name)]
    if environ.get("PIP_CERT"):
        lines.append(f"cert = {CA_IN_BUILD}")
    return "\n".join(["[global]", *lines, ""])
