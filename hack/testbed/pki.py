"""Certificates and kubeconfigs of a bed. Elliptic-curve keys: they are made in milliseconds."""

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650", "-sha256"]


@dataclass(frozen=True)
class Pki:
    """The certificate authority of one bed, and what it has signed."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def make_authority(self) -> None:
        """Make the authority and the key pair that signs service account tokens."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"]
        _openssl("req", "-x509", *_CURVE, "-subj", "/CN=testbed-ca", *usage, *self._out("ca"))
        _openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(self.key("sa"))
        )
        _openssl("pkey", "-in", str(self.key("sa")), "-pubout", "-out", str(self.folder / "sa.pub"))

    def sign(self, name: str, *, user: str, groups: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        """Make a certificate for `user`, with `names` such as `DNS:localhost` for one that serves."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        extensions = [
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "keyUsage=critical,digitalSignature",
        ]
        extensions += ["-addext", "extendedKeyUsage=serverAuth,clientAuth"]
        if names:
            extensions += ["-addext", f"subjectAltName={','.join(names)}"]
        authority = ["-CA", str(self.ca), "-CAkey", str(self.key("ca"))]
        _openssl("req", "-x509", *authority, *_CURVE, "-subj", subject, *extensions, *self._out(name))

    def _out(self, name: str) -> list[str]:
        return ["-keyout", str(self.key(name)), "-out", str(self.certificate(name))]

    def kubeconfig(self, name: str, server: str, target: Path) -> None:
        """Write a kubeconfig that holds all it needs, and that only its owner can read."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "testbed",
                    "cluster": {"server": server, "certificate-authority-data": _data(self.ca)},
                }
            ],
            "users": [
                {
                    "name": name,
                    "user": {
                        "client-certificate-data": _data(self.certificate(name)),
                        "client-key-data": _data(self.key(name)),
                    },
                }
            ],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
            "current-context": "testbed",
        }
        target.touch(mode=0o600)
        target.write_text(json.dumps(config, indent=2))  # JSON is YAML


def _data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(
            f"openssl {arguments[0]} failed (version 3.0 or newer is needed): {done.stderr.strip()[-300:]}"
        )
