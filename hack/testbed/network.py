"""The network of a bed: a namespace with a bridge, to which the host and every node have a link.

No route leads outside, so nothing that a node or a pod sends can leave the machine.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.errors import TestbedError
from testbed.subnets import Subnets
from testbed.waiting import wait_for

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def host_link(subnets: Subnets) -> str:
    """The name of the link on the host."""
    return f"rayfleet{subnets.index}"


def connect(subnets: Subnets, bridge: int, nodes: Sequence[int]) -> None:
    """Connect the namespaces that these processes hold, of the bridge and of each node, with us."""
    numbers = range(1, len(nodes) + 1)
    link = host_link(subnets)
    _ip([f"link add {link} type veth peer name host netns {bridge}"])
    _ip(
        [
            "link set lo up",
            "link add nodes type bridge",
            f"address add {subnets.control_plane}/24 dev nodes",
            "link set nodes up",
            "link set host master nodes up",
            *(
                line
                for number, pid in zip(numbers, nodes, strict=True)
                for line in (
                    f"link add node{number} type veth peer name eth0 netns {pid}",
                    f"link set node{number} master nodes up",
                )
            ),
            *_routes(subnets, numbers),
        ],
        bridge,
    )
    for number, pid in zip(numbers, nodes, strict=True):
        others = [other for other in numbers if other != number]
        _ip(
            [
                "link set lo up",
                f"address add {subnets.node(number)}/24 dev eth0",
                "link set eth0 up",
                # A dead end: but a packet needs a route before the node's NAT sends it to a pod.
                f"route add {subnets.services} dev eth0",
                *(_to_pods(subnets, other) for other in others),
            ],
            pid,
        )
    _ip([f"address add {subnets.host}/24 dev {link}", f"link set {link} up", *_routes(subnets, numbers)])


def disconnect(link: str) -> None:
    """Delete the host's end of a link, and with it the other one."""
    if _is_there(link):
        subprocess.run([_program("ip"), "link", "delete", link], capture_output=True, check=False)
        wait_for(f"the network link {link} to go", lambda: not _is_there(link), seconds=10)


def is_free(subnets: Subnets) -> bool:
    return not _is_there(host_link(subnets))


def _is_there(link: str) -> bool:
    return Path(f"/sys/class/net/{link}").exists()


def _routes(subnets: Subnets, numbers: Sequence[int]) -> list[str]:
    """Routes from outside the nodes: to pods through their nodes, to Services through the first node."""
    return [
        *(_to_pods(subnets, number) for number in numbers),
        f"route add {subnets.services} via {subnets.node(1)}",
    ]


def _to_pods(subnets: Subnets, number: int) -> str:
    return f"route add {subnets.node_pods(number)} via {subnets.node(number)}"


def _ip(lines: Sequence[str], pid: int | None = None) -> None:
    enter = [] if pid is None else ["nsenter", "--target", str(pid), "--net"]
    done = subprocess.run(
        [*enter, _program("ip"), "-batch", "-"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TestbedError(f"the bed's network cannot be made; `ip` said: {done.stderr.strip()[-300:]}")


def _program(name: str) -> str:
    return shutil.which(name, path=_SBIN) or name
