"""The node profile of the test bed: real pods on real nodes, and nothing left of them afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import beds, binaries, cluster, images, kind, record
from testbed.processes import start_time
from testbed.progress import QUIET
from testbed.record import Bed, Wanted
from testbed.waiting import wait_for

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/rayfleet/probe:1"
without_docker = pytest.mark.skipif(kind.answers(), reason="with Docker, kind makes and removes the nodes")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of a small server and client."""
    binaries.ensure(["probe"], QUIET)
    target = tmp_path_factory.mktemp("images") / "probe.tar"
    images.write_archive(target, IMAGE, {"/probe": binaries.path("probe")}, ["/probe"])
    return target


@pytest.fixture(scope="module")
def bed(archive: Path) -> Iterator[Bed]:
    name = f"test-{os.getpid()}-nodes"
    made = beds.up(Wanted(name, record.NODE), QUIET)
    try:
        beds.load_image(made, archive)
        serve_on_each_node(made)
        yield made
    finally:
        beds.down(name, QUIET)


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a bed that is gone after the test, whatever happens in it."""
    unique = f"test-{os.getpid()}-other"
    yield unique
    beds.down(unique, QUIET)


def kubectl(bed: Bed, *arguments: str, stdin: str = "") -> str:
    command = [str(binaries.path("kubectl")), f"--kubeconfig={bed.kubeconfig}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def node_names(bed: Bed) -> list[str]:
    listed = json.loads(kubectl(bed, "get", "nodes", "-o", "json"))["items"]
    return [
        node["metadata"]["name"]
        for node in listed
        if "node-role.kubernetes.io/control-plane" not in node["metadata"]["labels"]
    ]


def gpus(bed: Bed, node: str) -> tuple[str, str]:
    status = json.loads(kubectl(bed, "get", "node", node, "-o", "json"))["status"]
    return status["capacity"]["nvidia.com/gpu"], status["allocatable"]["nvidia.com/gpu"]


def serve_on_each_node(bed: Bed) -> None:
    """Start a pod `probe-N` on each node that answers `from-N`, and a Service `probe` before them."""
    ports = [{"port": 80, "targetPort": 8080}]
    objects: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "probe"},
            "spec": {"selector": {"app": "probe"}, "ports": ports},
        }
    ]
    for number, node in enumerate(node_names(bed), start=1):
        container = {
            "name": "probe",
            "image": IMAGE,
            "args": ["serve", f"from-{number}"],
            "resources": {"limits": {"nvidia.com/gpu": 1}},
        }
        metadata = {"name": f"probe-{number}", "labels": {"app": "probe"}}
        spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [container]}
        objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kubectl(bed, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    kubectl(bed, "wait", "--for=condition=Ready", "pod", "-l", "app=probe", "--timeout=30s")


def ask(bed: Bed, url: str, pod: str = "probe-1") -> str:
    return kubectl(bed, "exec", pod, "--", "/probe", "get", url)


def await_service(bed: Bed) -> None:
    """Wait until the Service answers: it refuses connections until kube-proxy has learnt of its pods."""

    def answered() -> bool:
        try:
            return ask(bed, "http://probe").startswith("from-")
        except AssertionError:
            return False

    wait_for("the Service to answer", answered, seconds=30)


def test_every_node_offers_its_gpus(bed: Bed) -> None:
    """Two nodes, four GPUs each, as a device plugin reports them."""
    assert [gpus(bed, node) for node in node_names(bed)] == [("4", "4"), ("4", "4")]


def test_a_container_can_read_which_gpus_it_got(bed: Bed) -> None:
    """They are in the variable that the vendor's plugin uses."""
    answer = ask(bed, "http://localhost:8080").split()
    assert answer[1] in {"gpu-0", "gpu-1", "gpu-2", "gpu-3"}


def test_pods_of_both_nodes_answer_behind_a_service_found_by_name(bed: Bed) -> None:
    """DNS, kube-proxy and the network between nodes work."""
    await_service(bed)
    answers = [ask(bed, "http://probe.default.svc.cluster.local").split()[0] for _ in range(20)]
    assert set(answers) == {"from-1", "from-2"}


def test_a_pod_reaches_the_api_server_at_its_service(bed: Bed) -> None:
    """An operator in a pod uses this address."""
    answer = json.loads(ask(bed, "https://kubernetes.default/version", pod="probe-2"))
    assert answer["gitVersion"].startswith("v1.36.")


@without_docker
def test_the_host_reaches_pods_and_services(bed: Bed) -> None:
    """Tests ask a dashboard in a pod without a tunnel."""
    await_service(bed)
    listed = json.loads(kubectl(bed, "get", "pods", "-o", "json"))["items"]
    pods = [f"{pod['status']['podIP']}:8080" for pod in listed]
    service = json.loads(kubectl(bed, "get", "service", "probe", "-o", "json"))["spec"]["clusterIP"]
    for address in [*pods, service]:
        probe = [str(binaries.path("probe")), "get", f"http://{address}"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("from-"), done.stderr


@without_docker
@pytest.mark.parametrize("url", ["http://192.0.2.1", "http://example.com"])
def test_nothing_that_a_pod_sends_leaves_the_machine(bed: Bed, url: str) -> None:
    """No route leads outside, and no DNS query goes there; the refusal comes at once."""
    with pytest.raises(AssertionError, match=r"network is unreachable|server misbehaving"):
        ask(bed, url)


def test_a_gpu_in_error_is_not_allocatable_until_it_is_healthy_again(bed: Bed) -> None:
    """The node still has the device, and nothing can be placed on it."""
    node = node_names(bed)[1]
    beds.set_unhealthy_gpus(bed, node, ["gpu-3"])
    wait_for("three GPUs to be allocatable", lambda: gpus(bed, node) == ("4", "3"), seconds=30)
    beds.set_unhealthy_gpus(bed, node, [])
    wait_for("four GPUs to be allocatable", lambda: gpus(bed, node) == ("4", "4"), seconds=30)


class Traces:
    """Everything that a bed has on the machine, recorded while it runs."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.holders = [node.pid for node in cluster.nodes(bed)]
        self.namespaces = {self._namespace(pid) for pid in self.holders}
        groups = [Path(group) for group in bed.cgroups]
        listed = [file.read_text().split() for group in groups for file in group.rglob("cgroup.procs")]
        self.pids = {int(pid): start_time(int(pid)) for pids in listed for pid in pids}

    def left(self) -> list[str]:
        """What is left of it."""
        links = [link for link in self.bed.links if Path(f"/sys/class/net/{link}").exists()]
        groups = [group for group in self.bed.cgroups if Path(group).exists()]
        pids = [str(pid) for pid, begun in self.pids.items() if begun and start_time(pid) == begun]
        mounts = [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if self.bed.name in line
        ]
        alive = [
            pid
            for pid in (entry.name for entry in Path("/proc").iterdir())
            if pid.isdigit() and self._namespace(int(pid)) in self.namespaces
        ]
        folder = [str(self.bed.folder)] if self.bed.folder.exists() else []
        return links + groups + pids + mounts + alive + folder

    @staticmethod
    def _namespace(pid: int) -> str:
        try:
            return str(Path(f"/proc/{pid}/ns/net").readlink())
        except OSError:
            return ""


@without_docker
def test_a_second_bed_runs_beside_the_first_and_leaves_nothing(bed: Bed, name: str, archive: Path) -> None:
    """Other addresses, other GPUs; taken down with pods running, it takes nothing of the first with it."""
    second = beds.up(Wanted(name, record.NODE, nodes=1), QUIET)
    beds.load_image(second, archive)
    serve_on_each_node(second)
    traces = Traces(second)
    assert len(traces.pids) > 5
    assert not second.subnets.all.overlaps(bed.subnets.all)
    beds.down(name, QUIET)
    assert traces.left() == []
    await_service(bed)


@without_docker
def test_nodes_whose_start_was_killed_half_way_are_taken_down_whole(name: str) -> None:
    """kill -9 while containerd and the kubelet start: `down` finds all of it, and a second up works."""
    with subprocess.Popen(
        [sys.executable, "-m", "testbed", "up", "--name", name, "--profile", "node"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "hack")},
        stdout=subprocess.DEVNULL,
    ) as process:
        half = wait_for("containerd to run", lambda: running(name, "worker-2-containerd"), seconds=30)
        process.kill()
    traces = Traces(half)
    assert traces.left() != []
    beds.down(name, QUIET)
    assert traces.left() == []
    again = beds.up(Wanted(name, record.NODE, nodes=1), QUIET)
    assert beds.healthy(again)


def running(name: str, daemon: str) -> Bed | None:
    """The record of a bed, once this daemon of it runs."""
    bed = record.load(name)
    stat = bed.folder / "processes" / f"{daemon}.stat" if bed else None
    return bed if stat and stat.exists() else None
