"""A driver in the head pod of a cluster that does what a test asks, step by step."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.live_cluster import LiveCluster, ray_container
from support.waiting import eventually

_READY = "ready"
_MARK = "\x1e"
_LOOP = f"""
import json, sys, threading, time, traceback
import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

ray.init(address="auto", log_to_driver=False, logging_level="error")

def tell(what):
    print("{_MARK}" + json.dumps(what), flush=True)

tell(["{_READY}", None])
space = dict(globals())
for line in sys.stdin:
    space.pop("answer", None)
    try:
        exec(json.loads(line), space)
        tell(["answer", space.get("answer")])
    except BaseException:
        tell(["failure", traceback.format_exc()])
"""


class RayDriver:
    """Runs Python statements one after the other in one process that is connected to Ray.

    Names that they set stay. Available from the start: `ray`, `time`, `threading`, placement groups.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._said.put(line)

    def do(self, program: str, *, seconds: float = 60) -> Any:  # noqa: ANN401 - whatever the program answers
        """Run `program`; return what it has set `answer` to. Fails if it raises, or takes longer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(program) + "\n")
        self._process.stdin.flush()
        return self.next_answer(seconds)

    def next_answer(self, seconds: float) -> Any:  # noqa: ANN401 - as above
        """The next answer of the process."""
        other: list[str] = []

        def parsed_line() -> list[Any] | None:
            try:
                line = self._said.get(timeout=0.5)
            except queue.Empty:
                assert self._process.poll() is None, "the driver has ended"
                return None
            mark, _, rest = line.partition(_MARK)
            if rest:
                found: list[Any] = json.loads(rest)
                return found
            other.append(mark)
            return None

        kind, answer = eventually(
            "the driver's answer", parsed_line, seconds=seconds, why=lambda: "".join(other)
        )
        assert kind != "failure", answer
        return answer


@contextmanager
def ray_driver(cluster: LiveCluster, *, seconds: float = 30) -> Iterator[RayDriver]:
    """A driver in the head of `cluster`; it ends with the block, and so does all that it keeps alive."""
    head = cluster.head()
    place = (f"--namespace={cluster.name}", f"--container={ray_container(head)}", head["metadata"]["name"])
    command = cluster.installation.kubectl.command(
        "exec", "--stdin", *place, "--", "python", "-u", "-c", _LOOP
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]  # pipes are three of its arguments
        driver = RayDriver(process)
        try:
            driver.next_answer(seconds)
            yield driver
        finally:
            if process.stdin is not None and process.poll() is None:
                process.stdin.close()  # At the end of its input it ends by itself, and Ray forgets its work.
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
