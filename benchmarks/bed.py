"""The control plane for measurements: a kwok bed with the chart, and access for the operator."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.client import Client, RefusedError, tls_of
from benchmarks.operator_process import cpu_of
from benchmarks.waiting import TooLongError
from testbed import beds, binaries
from testbed.control_plane import on_loopback, pki_of
from testbed.processes import recorded
from testbed.progress import Progress
from testbed.record import KWOK, PROFILES, Bed, Wanted

REPOSITORY = Path(__file__).parents[1]
POLICY = Path(__file__).with_name("audit-policy.yaml")
RELEASE = "rayfleet"
OTHER = "other-operator"
"""The service account, with all rights, of an operator whose needs are not known."""
TOKEN_SECONDS = 6 * 3600


@contextmanager
def running_bed(progress: Progress) -> Iterator[Bed]:
    """A bed that ends with the block, and with this process."""
    usual = PROFILES[KWOK]
    name = f"bench-{os.getpid()}"
    wanted = Wanted(name, KWOK, usual.nodes, usual.gpus_per_node, audit_log=True, audit_policy=str(POLICY))
    beds.down_orphans(progress)
    binaries.ensure(["helm"], progress)
    try:
        yield beds.up(wanted, progress, owned=True)
    finally:
        beds.down(name, progress)


@dataclass(frozen=True)
class Access:
    """How to reach the bed's API server as somebody."""

    server: str
    authority: Path
    user: str
    token: str


def admin(bed: Bed) -> Client:
    """A client as the bed's administrator."""
    pki = pki_of(bed)
    return Client(on_loopback(bed).server, tls_of(pki.ca, pki.certificate("admin"), pki.key("admin")))


def install_chart(bed: Bed) -> None:
    """CRDs, service account and rights, installed by the real helm; the Deployment's pods are fake, too."""
    command = [
        str(binaries.path("helm")), "upgrade", "--install", RELEASE, str(REPOSITORY / "charts" / RELEASE),
        "--kubeconfig", str(bed.kubeconfig), "--namespace", RELEASE, "--create-namespace",
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"helm could not install the chart: {done.stderr.strip()}")


async def access(bed: Bed, client: Client, *, anything: bool) -> Access:
    """The operator's access: the chart's service account, or one that may do `anything`."""
    account = OTHER if anything else RELEASE
    if anything:
        await _allow_anything(client)
    path = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{account}/token"
    spec = {"expirationSeconds": TOKEN_SECONDS}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    token = (await client.call("POST", path, request))["status"]["token"]
    user = f"system:serviceaccount:{RELEASE}:{account}"
    return Access(on_loopback(bed).server, pki_of(bed).ca, user, token)


async def _allow_anything(client: Client) -> None:
    subject = {"kind": "ServiceAccount", "name": OTHER, "namespace": RELEASE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await client.create_if_absent(
        f"/api/v1/namespaces/{RELEASE}/serviceaccounts", {"metadata": {"name": OTHER}}
    )
    await client.create_if_absent(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"metadata": {"name": OTHER}, "roleRef": role, "subjects": [subject]},
    )


def kubeconfig(given: Access, file: Path) -> Path:
    """Write a kubeconfig for this access."""
    cluster = {"server": given.server, "certificate-authority": str(given.authority)}
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": given.token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "operator"}}],
        "current-context": "bench",
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(made))
    return file


async def await_admission(given: Access, seconds: float = 90.0) -> None:
    """Wait until the API server accepts RayClusters as owners: it learns of a kind within half a minute."""
    client = Client(given.server, tls_of(given.authority), given.token)
    owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "x", "uid": "x"}
    reference = {**owner, "controller": True, "blockOwnerDeletion": True}
    body = {"metadata": {"name": "x", "ownerReferences": [reference]}, "spec": {"ports": [{"port": 1}]}}
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                await client.call("POST", "/api/v1/namespaces/default/services", body, dryRun="All")
            except RefusedError as error:
                if time.monotonic() > deadline:
                    raise TooLongError(f"admission does not know RayClusters: {error}") from error
                await asyncio.sleep(0.25)
            else:
                return
    finally:
        await client.close()


def daemon_cpu(bed: Bed) -> dict[str, float]:
    """Seconds of CPU of each program of the bed so far."""
    daemons = recorded(bed.folder / "processes")
    return {daemon.name: cpu_of(daemon.pid) for daemon in daemons if daemon.pid}
