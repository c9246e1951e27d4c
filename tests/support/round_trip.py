"""From a task that is sent while there are no workers to no workers again, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from support.live_cluster import LiveCluster
from support.pod_times import PodTimes
from support.ray_driver import RayDriver
from support.waiting import eventually

IDLE_TIMEOUT = 5.0
"""Seconds, as the manifests say."""

GPU_WORK = """
@ray.remote(num_gpus=1, num_cpus=0)
def on_gpu(seconds=0.0):
    began = time.time()
    time.sleep(seconds)
    return began, time.time()

@ray.remote(num_gpus=1, num_cpus=0)
class Holder:
    def here(self):
        return ray.get_runtime_context().get_node_id()
"""
"""A task that takes a GPU for some seconds, and an actor that keeps one."""
NOTE_NODES = """
alive = {}

def look():
    while True:
        now = time.time()
        for node in ray.nodes():
            if node["Alive"]:
                alive.setdefault(node["NodeID"], now)
        time.sleep(0.1)

threading.Thread(target=look, daemon=True).start()
"""
_ONE_TASK = """
known, sent = set(alive), time.time()
began, ended = ray.get(on_gpu.remote())
joined = [at for node, at in alive.items() if node not in known]
answer = [sent, min(joined, default=began), began, ended]
"""


@dataclass(frozen=True)
class RoundTrip:
    """Seconds after the task was sent; the last two: after the worker's idle timeout, and after that."""

    created: float
    running: float
    """Its container."""
    alive: float
    """Its Ray node, to within 0.1 s."""
    ran: float
    terminating: float
    gone: float


def round_trip(cluster: LiveCluster, driver: RayDriver, times: PodTimes) -> RoundTrip:
    """One GPU task without workers, and the worker's end. The driver has done GPU_WORK and NOTE_NODES."""
    why = cluster.installation.why
    sent, alive, began, ended = driver.do(_ONE_TASK, seconds=60)
    created = eventually("the pod on the watch", lambda: times.of("created", after=sent))
    running = eventually("its container on the watch", lambda: times.of("running", after=sent))
    terminating = eventually(
        "the idle worker to be given back", lambda: times.of("terminating", after=sent), seconds=30, why=why
    )[0][0]
    eventually("no worker to be left", lambda: not cluster.workers(), seconds=30, why=why)
    gone = eventually("the end on the watch", lambda: times.of("gone", after=sent))
    assert len(created) == len(running) == 1, f"one worker was needed, {created} were made"
    due = ended + IDLE_TIMEOUT
    return RoundTrip(
        created[0][0] - sent,
        running[0][0] - sent,
        alive - sent,
        began - sent,
        terminating - due,
        gone[0][0] - terminating,
    )


def table(trips: Sequence[RoundTrip]) -> str:
    """Median and 95th percentile of each step, as lines of a Markdown table."""
    steps = {
        "task sent -> pod created": [trip.created for trip in trips],
        "pod created -> its container runs": [trip.running - trip.created for trip in trips],
        "container runs -> Ray node alive": [trip.alive - trip.running for trip in trips],
        "Ray node alive -> task runs": [trip.ran - trip.alive for trip in trips],
        "task sent -> task runs": [trip.ran for trip in trips],
        "idle timeout over -> pod terminating": [trip.terminating for trip in trips],
        "pod terminating -> pod gone": [trip.gone for trip in trips],
    }
    lines = [f"| {step} | {median(s):.2f} | {p95(s):.2f} |" for step, s in steps.items()]
    return "\n".join(["| step, seconds | median | p95 |", "|---|---|---|", *lines])


def p95(figures: Sequence[float]) -> float:
    """The 95th percentile; for a few values, about the largest."""
    return quantiles(figures, n=20, method="inclusive")[-1] if len(figures) > 1 else figures[0]
