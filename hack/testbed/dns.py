"""CoreDNS next to the control plane, and the Service through which pods reach it."""

import socket
import struct
from string import Template
from typing import Any

from testbed import binaries, paths
from testbed.api import Api
from testbed.control_plane import Place, pki_of
from testbed.processes import Daemon
from testbed.record import Bed

_USER = "testbed:coredns"
_PORT = 53
_A_RECORD_IN_CLASS_IN = struct.pack(">HH", 1, 1)
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def start(bed: Bed, place: Place) -> None:
    """Start CoreDNS where the control plane runs."""
    pki = pki_of(bed)
    pki.sign("coredns", user=_USER)
    kubeconfig = pki.folder / "coredns.kubeconfig"
    pki.kubeconfig("coredns", place.server, kubeconfig)
    corefile = bed.folder / "Corefile"
    template = Template((paths.TEMPLATES / "Corefile").read_text())
    corefile.write_text(template.substitute(address=place.address, kubeconfig=kubeconfig))
    Daemon(
        name="coredns",
        argv=(*place.enter, str(binaries.path("coredns")), "-conf", str(corefile)),
        record=str(bed.folder / "processes"),
        log=str(bed.folder / "logs" / "coredns.log"),
    ).start()


def publish(api: Api, bed: Bed) -> None:
    """Grant CoreDNS its rights, and create its Service `kube-dns` for pods."""
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _USER}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _USER}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": _USER}}
    api.create(f"{_RBAC}/clusterroles", {**rbac, "kind": "ClusterRole", "rules": rules})
    api.create(
        f"{_RBAC}/clusterrolebindings",
        {**rbac, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]},
    )
    api.create("/api/v1/namespaces/kube-system/services", _service(bed))
    api.create("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", _endpoints(bed))


def answers(address: str) -> bool:
    """Whether the server at this address knows the Service `kubernetes`."""
    name = b"".join(bytes([len(part)]) + part for part in b"kubernetes.default.svc.cluster.local".split(b"."))
    query = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + name + b"\0" + _A_RECORD_IN_CLASS_IN
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.connect((address, _PORT))
            client.send(query)
            answer = client.recv(512)
        except OSError:
            return False
    return bool(struct.unpack(">H", answer[6:8])[0])  # the number of answers


def _service(bed: Bed) -> dict[str, Any]:
    ports = [{"name": protocol.lower(), "port": _PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": bed.subnets.dns_service, "ports": ports},
    }


def _endpoints(bed: Bed) -> dict[str, Any]:
    ports = [{"name": protocol.lower(), "port": _PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [bed.subnets.control_plane]}],
        "ports": ports,
    }
