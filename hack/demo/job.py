"""The Ray job of the demo, in the head pod."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from demo.errors import DemoError
from demo.kubectl import Kubectl
from demo.pods import ray_pods

_FOLDER = "/tmp/job"  # noqa: S108 -- in the head's container
_ABOUT_JOB = re.compile(r"Job '[\w-]+' (?P<state>submitted|succeeded|failed|was stopped)[^.]*")
_RETRIED = re.compile(r"\(raylet[^)]*\) (?P<words>[^:]*so the task will be retried\.)")
_RAYS_OWN_LOG = re.compile(
    r"\[?\d{4}-\d\d-\d\d[ T]\d\d:|Running entrypoint|\(raylet[^)]*\)|\(\d\) raylet|\[state-dump\]|-+$|$"
)
"""Lines that do not help a newcomer; for a killed worker, Ray prints the whole state of its node in them."""
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def in_head(kubectl: Kubectl, cluster: str) -> tuple[str, ...]:
    """The arguments that run a command in the head's Ray container. Raises DemoError if there is no head."""
    head = next((pod for pod in ray_pods(kubectl, cluster) if pod.node_type == "head"), None)
    if head is None:
        raise DemoError(f"RayCluster {cluster} has no head pod")
    return ("exec", head.name, "--container=ray-head", "--")


def submit(kubectl: Kubectl, cluster: str, program: Path, submission: str) -> None:
    """Copy the program into the head and submit it as a job, without waiting for it."""
    head = in_head(kubectl, cluster)
    put = f"mkdir -p {_FOLDER} && cat > {_FOLDER}/{program.name}"
    kubectl(head[0], "--stdin", *head[1:], "sh", "-c", put, given=program.read_text())
    command = ("ray", "job", "submit", "--no-wait", f"--submission-id={submission}")
    kubectl(*head, *command, f"--working-dir={_FOLDER}", "--", "python", program.name)


def follow(kubectl: Kubectl, cluster: str, submission: str) -> Iterator[str]:
    """What the job prints, up to its end. Raises DemoError unless it succeeds."""
    ending = ""
    command = ("ray", "job", "logs", "--follow", submission)
    for line in own_words(kubectl.stream(*in_head(kubectl, cluster), *command)):
        found = _ABOUT_JOB.search(line)
        ending = found["state"] if found else ending
        yield line
    if ending != "succeeded":
        raise DemoError("`ray job logs` did not say that the job succeeded")


def own_words(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a job's log without Ray's own, except those about the job's end and a task's retry."""
    for line in lines:
        plain = _ESCAPES.sub("", line).strip()
        if found := _ABOUT_JOB.search(plain):
            yield found[0]
        elif found := _RETRIED.match(plain):
            yield f"({found['words']})"
        elif not _RAYS_OWN_LOG.match(plain):
            yield plain
