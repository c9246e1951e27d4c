"""The addresses of a bed: a /16 of its own, so that beds can run side by side."""

import ipaddress
import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import ClassVar

Network = ipaddress.IPv4Network


@dataclass(frozen=True)
class Subnets:
    """`10.(100 + index).0.0/16`, cut into nodes, Services and pods."""

    MAX_NODES: ClassVar[int] = 64
    index: int

    @property
    def _prefix(self) -> str:
        return f"10.{100 + self.index}"

    @property
    def all(self) -> Network:
        return Network(f"{self._prefix}.0.0/16")

    @property
    def host(self) -> str:
        """The machine itself, as the bed sees it."""
        return f"{self._prefix}.0.254"

    @property
    def control_plane(self) -> str:
        return f"{self._prefix}.0.253"

    def node(self, number: int) -> str:
        """The address of the node with this number, counted from 1."""
        return f"{self._prefix}.0.{number}"

    @property
    def services(self) -> Network:
        return Network(f"{self._prefix}.16.0/20")

    @property
    def kubernetes_service(self) -> str:
        return f"{self._prefix}.16.1"

    @property
    def dns_service(self) -> str:
        return f"{self._prefix}.16.10"

    @property
    def pods(self) -> Network:
        return Network(f"{self._prefix}.128.0/17")

    def node_pods(self, number: int) -> Network:
        """The pods of the node with this number, counted from 1."""
        return Network(f"{self._prefix}.{128 + number}.0/24")


def host_networks() -> list[Network]:
    """Every IPv4 network that this machine already has a route to, its default route aside."""
    if not shutil.which("ip"):
        return []
    listed = subprocess.run(
        ["ip", "-4", "-json", "route", "show", "table", "all"], capture_output=True, check=False
    )
    if listed.returncode:
        return []
    destinations = [route["dst"] for route in json.loads(listed.stdout)]
    return [Network(destination) for destination in destinations if destination != "default"]
