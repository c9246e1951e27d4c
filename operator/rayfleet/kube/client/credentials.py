"""What a connection to the API server needs: its address, its CA, and our identity."""

import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token, CA and namespace."""
TOKEN_LIFE = 60.0
"""Seconds after which a token file is read again: the kubelet replaces it well before it expires."""


class CredentialsError(Exception):
    """The API server cannot be reached with what is configured; the message says why and what to do."""


class Credentials(Struct, frozen=True):
    """How to reach an API server. A file is given as a path, its content as bytes (PEM)."""

    server: str
    ca: Path | bytes | None = None
    """None means the system's authorities."""
    certificate: Path | bytes | None = None
    key: Path | bytes | None = None
    token: Path | str | None = None
    """A file is read again from time to time; a string is the token itself."""
    insecure: bool = False
    """Do not check the server's certificate."""
    namespace: str = "default"

    def __repr__(self) -> str:
        return f"Credentials({self.server!r})"  # Neither key nor token.

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, read from the files now; None for a plain `http` server.

        Raises CredentialsError for files that are missing or hold no certificate.
        """
        if not self.server.startswith("https:"):
            return None
        try:
            return self._ssl_context()
        except (OSError, ssl.SSLError, ValueError) as error:
            raise CredentialsError(
                f"The certificates for {self.server} cannot be used ({error}): check the CA and the client "
                "certificate and key in the kubeconfig or the service account."
            ) from error

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            cafile=self.ca if isinstance(self.ca, Path) else None,
            cadata=self.ca.decode("ascii") if isinstance(self.ca, bytes) else None,
        )
        # Python 3.13 demands more of a CA than Kubernetes' own clients; clusters with older CAs are in use.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None and self.key is not None:
            with ExitStack() as stack:
                context.load_cert_chain(_as_file(self.certificate, stack), _as_file(self.key, stack))
        return context


def _as_file(pem: Path | bytes, stack: ExitStack) -> Path:
    """A file with `pem` until `stack` closes: Python's ssl reads client certificates from files only."""
    if isinstance(pem, Path):
        return pem
    file = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115 - `stack` closes it
    file.write(pem)
    file.flush()
    return Path(file.name)


class BearerToken:
    """The token to send. A token file is read again each minute, and when the server refused the token."""

    def __init__(self, source: Path | str | None, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._value = source if isinstance(source, str) else None
        self._read_at: float | None = None

    def current(self) -> str | None:
        """The token; None for a client without one. Raises CredentialsError for a file never yet readable."""
        fresh = self._read_at is not None and self._clock() - self._read_at < TOKEN_LIFE
        return self._value if fresh else self.reread()

    def reread(self) -> str | None:
        """Read the file now; if it has become unreadable, the token stays as it was."""
        if isinstance(self._source, Path):
            try:
                self._value = self._source.read_text(encoding="ascii").strip()
            except (OSError, ValueError) as error:
                if self._value is None:
                    raise CredentialsError(
                        f"The token file {self._source} cannot be read ({error}): "
                        "mount the service account's token, or name another file."
                    ) from error
        self._read_at = self._clock()
        return self._value


def in_cluster(
    environment: Mapping[str, str] = os.environ, directory: Path = SERVICE_ACCOUNT
) -> Credentials | None:
    """The pod's own service account; None outside a cluster."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token = directory / "token"
    if not host or not port or not token.is_file():
        return None
    namespace = directory / "namespace"
    return Credentials(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=directory / "ca.crt",
        token=token,
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "default",
    )
