"""One node: its namespaces, cgroup, configuration and daemons."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from testbed import binaries, cgroups, images, paths
from testbed.control_plane import pki_of
from testbed.errors import TestbedError
from testbed.processes import Daemon
from testbed.record import Bed
from testbed.waiting import wait_for

_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_SYSCTL = {"overcommit_memory": "1\n", "panic": "10\n", "panic_on_oops": "1\n"}
_HIDDEN = ("/run", "/var/run", "/var/lib", "/var/log")  # each node has its own in their place


@dataclass(frozen=True)
class Node:
    """The node with this number, counted from 1."""

    bed: Bed
    number: int

    @property
    def name(self) -> str:
        return self.bed.node_names[self.number - 1]

    @property
    def address(self) -> str:
        return self.bed.subnets.node(self.number)

    @property
    def folder(self) -> Path:
        return self.bed.folder / "nodes" / self.name

    @property
    def cgroup(self) -> str:
        return f"rayfleet{self.bed.index}-{self.name}"

    @property
    def unhealthy_gpus(self) -> Path:
        """The names of GPUs in this file are reported as unhealthy."""
        return self.folder / "unhealthy-gpus"

    def set_unhealthy_gpus(self, gpus: Sequence[str]) -> None:
        self.unhealthy_gpus.write_text(" ".join(gpus))

    @property
    def device_plugins(self) -> Path:
        return self.folder / "lib" / "kubelet" / "device-plugins"

    def check_folder(self) -> None:
        """Raise TestbedError if the node would hide its own folder from itself."""
        hidden = next((place for place in _HIDDEN if self.folder.resolve().is_relative_to(place)), None)
        if hidden:
            raise TestbedError(
                f"the cache {paths.cache()} is under {hidden}, which each node has of its own:"
                " set RAYFLEET_CACHE to a folder elsewhere"
            )

    def daemon(self, name: str, argv: Sequence[str] = ()) -> Daemon:
        """A daemon of this node; without `argv` only to ask for the one that runs."""
        return Daemon(
            name=f"{self.name}-{name}",
            argv=tuple(argv),
            record=str(self.bed.folder / "processes"),
            log=str(self.bed.folder / "logs" / f"{self.name}-{name}.log"),
            cgroup=cgroups.daemons(self.cgroup) if argv else "",
            search_path=f"{binaries.folder('containerd')}:{binaries.folder('cni')}",
        )

    def make_namespaces(self) -> None:
        """Start the process that holds the node's network and mount namespaces."""
        for folder in (self.folder / "lib", self.folder / "log", self.folder / "sysctl", self.device_plugins):
            folder.mkdir(parents=True)
        for setting, value in _SYSCTL.items():
            (self.folder / "sysctl" / setting).write_text(value)
        script = str(paths.TEMPLATES / "node-namespaces.sh")
        unshare = ["unshare", "--net", "--mount", "--propagation=private", "--"]
        self.daemon("namespaces", [*unshare, "sh", script, str(self.folder)]).start()

    @property
    def pid(self) -> int:
        """The process that holds the namespaces."""
        return held_namespaces(self.daemon("namespaces"))

    @property
    def enter(self) -> tuple[str, ...]:
        """The command that runs another one on this node."""
        return ("nsenter", f"--target={self.pid}", "--net", "--mount", "--")

    def configure(self, server: str) -> None:
        """Write the configuration of each daemon, with credentials of the node's own."""
        pki = pki_of(self.bed)
        pki.sign(self.name, user=f"system:node:{self.name}", groups=["system:nodes"])
        pki.kubeconfig(self.name, server, self.folder / "kubelet.kubeconfig")
        pki.sign(f"{self.name}-proxy", user="system:kube-proxy")
        pki.kubeconfig(f"{self.name}-proxy", server, self.folder / "kube-proxy.kubeconfig")
        (self.folder / "cni").mkdir()
        for file in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml", "cni/10-pods.conflist"):
            template = Template((paths.TEMPLATES / Path(file).name).read_text())
            (self.folder / file).write_text(template.substitute(self._values()))

    def _values(self) -> dict[str, str]:
        subnets = self.bed.subnets
        return {
            "address": self.address,
            "ca": str(pki_of(self.bed).ca),
            "cgroup": self.cgroup,
            "cni_binaries": str(binaries.folder("cni")),
            "dns": subnets.dns_service,
            "folder": str(self.folder),
            "name": self.name,
            "node_pods": str(subnets.node_pods(self.number)),
            "pause": images.PAUSE,
            "pods": str(subnets.pods),
            "runc": shutil.which("runc", path=_SYSTEM_PROGRAMS) or "runc",
        }

    def start_containerd(self) -> None:
        containerd = str(binaries.path("containerd"))
        self._inside("containerd", [containerd, f"--config={self.folder / 'containerd.toml'}"])

    def await_containerd(self) -> None:
        socket = Path(f"/proc/{self.pid}/root/run/containerd/containerd.sock")
        daemon = self.daemon("containerd")
        wait_for(f"containerd on {self.name}", socket.is_socket, seconds=30, why=daemon.last_words)

    def start_kubelet(self) -> None:
        """Start the kubelet, kube-proxy, and the plugin that offers the GPUs."""
        self._inside(
            "kubelet",
            [
                str(binaries.path("kubelet")),
                f"--config={self.folder / 'kubelet.yaml'}",
                f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
                "--v=2",
            ],
        )
        proxy = str(binaries.path("kube-proxy"))
        self._inside("kube-proxy", [proxy, f"--config={self.folder / 'kube-proxy.yaml'}"])
        if self.bed.wanted.gpus_per_node:
            plugin = str(Path(__file__).parent / "gpu_plugin.py")
            gpus = str(self.bed.wanted.gpus_per_node)
            command = [sys.executable, "-P", plugin, str(self.device_plugins), gpus, str(self.unhealthy_gpus)]
            self.daemon("gpu-plugin", command).start()

    def _inside(self, name: str, argv: Sequence[str]) -> None:
        self.daemon(name, [*self.enter, *argv]).start()


def held_namespaces(holder: Daemon) -> int:
    """The pid of a process that holds namespaces, once they are whole: it then sleeps."""

    def pid() -> int | None:
        if holder.ended:
            raise TestbedError(f"{holder.name} could not be made; {holder.last_words()}")
        pid = holder.pid
        return pid if pid and Path(f"/proc/{pid}/comm").read_text() == "sleep\n" else None

    return wait_for(f"{holder.name} to be made", pid, seconds=10, why=holder.last_words)
