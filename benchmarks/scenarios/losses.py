"""A lost worker."""

from benchmarks.client import NOT_FOUND, RefusedError
from benchmarks.clusters import pods
from benchmarks.lab import Lab
from benchmarks.operator_process import OperatorProcess
from benchmarks.watch import WORKER, Where


async def replace_worker(lab: Lab, where: Where, running: OperatorProcess) -> float:
    """Delete a worker without grace; seconds from that request to the event of the new pod."""
    victim = next(name for name, kind in lab.watch.alive[where].items() if kind == WORKER)
    with lab.watch.expecting(where, 1) as sighting:
        try:
            await lab.client.call("DELETE", f"{pods(where.namespace)}/{victim}", {"gracePeriodSeconds": 0})
        except RefusedError as refused:
            # The library repeats a DELETE whose connection was cut, although the first one succeeded.
            if refused.status != NOT_FOUND:
                raise
        await lab.until("a lost worker to be replaced", lambda: sighting.added, running)
        return sighting.first
