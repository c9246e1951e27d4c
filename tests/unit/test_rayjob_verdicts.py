"""Whose fault the end of an attempt was: each row of the table, with what it was concluded from."""

from collections.abc import Mapping

import pytest

from rayfleet.kinds.rayjob.snapshot import Loss
from rayfleet.kinds.rayjob.verdict import LONGEST_EVIDENCE, MOST_EVIDENCE, of_failure, of_lost_head
from rayfleet.ray.dashboard import JobDetails
from support.builders import NOW

INFRASTRUCTURE, APPLICATION, CONFIGURATION = "infrastructure", "application", "configuration"


def failed(message: str = "", error_type: str = "", code: int | None = None) -> JobDetails:
    return JobDetails("j", "FAILED", message, error_type, driver_exit_code=code)


def lost(reason: str, *, is_head: bool = False, ago: float = 30, node: str = "node-7") -> Loss:
    return Loss("train-gpu-1", is_head, NOW - ago, reason, node)


RUNTIME_ENV = "RUNTIME_ENV_SETUP_FAILURE"
DIED = "JOB_SUPERVISOR_ACTOR_DIED"
FAILURES: Mapping[str, tuple[JobDetails, tuple[Loss, ...], str, str]] = {
    "its packages": (failed("pip: no such package", RUNTIME_ENV), (), CONFIGURATION, "RuntimeEnvFailed"),
    "its packages, and a worker is lost": (
        failed(error_type=RUNTIME_ENV),
        (lost("Evicted"),),
        CONFIGURATION,
        "RuntimeEnvFailed",
    ),
    "no node for its driver": (
        failed(error_type="JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"),
        (),
        CONFIGURATION,
        "DriverUnschedulable",
    ),
    "no such command": (
        failed(error_type="JOB_ENTRYPOINT_COMMAND_START_ERROR"),
        (),
        CONFIGURATION,
        "CommandNotStarted",
    ),
    "memory of a GPU": (failed("uncorrectable ECC error encountered"), (), INFRASTRUCTURE, "GpuFault"),
    "a GPU off the bus": (failed("NVRM: Xid (PCI:0000:3b:00): 79, pid=1"), (), INFRASTRUCTURE, "GpuFault"),
    "the network of GPUs": (failed("NCCL error: unhandled system error"), (), INFRASTRUCTURE, "GpuFault"),
    "an index out of range on a GPU": (
        failed("CUDA error: device-side assert triggered", code=1),
        (),
        APPLICATION,
        "DriverExited",
    ),
    "an access beyond the memory of a GPU": (
        failed("NVRM: Xid (PCI:0000:3b:00): 31, pid=1; CUDA error: an illegal memory access", code=1),
        (),
        APPLICATION,
        "DriverExited",
    ),
    "a worker that was evicted": (failed(code=1), (lost("Evicted"),), INFRASTRUCTURE, "WorkerLost"),
    "a worker that was preempted": (
        failed(code=1),
        (lost("PreemptionByScheduler"),),
        INFRASTRUCTURE,
        "WorkerLost",
    ),
    "a worker that was lost, as is seen after the failure": (
        failed(code=1),
        (lost("DeletionByTaintManager", ago=-40),),
        INFRASTRUCTURE,
        "WorkerLost",
    ),
    "a worker that was evicted long before": (
        failed(code=1),
        (lost("Evicted", ago=121),),
        APPLICATION,
        "DriverExited",
    ),
    "a worker out of memory": (failed(code=1), (lost("OOMKilled"),), APPLICATION, "OutOfMemory"),
    "a worker out of memory, and one evicted": (
        failed(code=1),
        (lost("OOMKilled"), lost("Evicted")),
        INFRASTRUCTURE,
        "WorkerLost",
    ),
    "a head that went on elsewhere without the driver": (
        failed(error_type=DIED),
        (lost("Evicted", is_head=True),),
        INFRASTRUCTURE,
        "HeadEvicted",
    ),
    "a driver that was killed": (failed(code=137), (), APPLICATION, "OutOfMemory"),
    "a driver that was killed, as Python says it": (failed(code=-9), (), APPLICATION, "OutOfMemory"),
    "a program out of memory": (
        failed("ray.exceptions.OutOfMemoryError", code=1),
        (),
        APPLICATION,
        "OutOfMemory",
    ),
    "a program out of a GPU's memory": (
        failed("CUDA out of memory. Tried", code=1),
        (),
        APPLICATION,
        "OutOfMemory",
    ),
    "the job's supervisor": (failed("node died", DIED), (), INFRASTRUCTURE, "SupervisorFailed"),
    "a supervisor that did not start": (
        failed(error_type="JOB_SUPERVISOR_ACTOR_START_TIMEOUT"),
        (),
        INFRASTRUCTURE,
        "SupervisorFailed",
    ),
    "the program": (failed("Traceback", "JOB_ENTRYPOINT_COMMAND_ERROR", 1), (), APPLICATION, "DriverExited"),
    "nobody says why": (failed(), (), APPLICATION, "DriverExited"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_job_is_judged_by_the_strongest_evidence(case: str) -> None:
    job, losses, category, cause = FAILURES[case]
    judged = of_failure(job, losses, NOW)
    assert (judged.category, judged.cause) == (category, cause)


HEADS: Mapping[str, tuple[Loss | None, str, str]] = {
    "out of memory": (lost("OOMKilled", is_head=True), APPLICATION, "HeadOutOfMemory"),
    "evicted": (lost("Evicted", is_head=True), INFRASTRUCTURE, "HeadEvicted"),
    "preempted": (lost("PreemptionByScheduler", is_head=True), INFRASTRUCTURE, "HeadEvicted"),
    "deleted": (lost("Deleted", is_head=True), INFRASTRUCTURE, "HeadLost"),
    "nobody saw how": (None, INFRASTRUCTURE, "HeadLost"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_lost_head_is_judged_by_how_it_ended(case: str) -> None:
    loss, category, cause = HEADS[case]
    judged = of_lost_head(loss)
    assert (judged.category, judged.cause) == (category, cause)
    assert len(judged.evidence) == 1


def test_the_evidence_names_the_pod_its_node_and_what_ray_says() -> None:
    judged = of_failure(failed("it broke", "X", 3), (lost("Evicted"),), NOW)
    assert judged.evidence == (
        "worker train-gpu-1 on node node-7: Evicted",
        "Ray's error type is X",
        "the driver's exit code is 3",
        "it broke",
    )


def test_the_evidence_is_bounded_whatever_a_tenant_writes() -> None:
    """The end of a long text is kept: that is where an error is."""
    many = tuple(lost("x" * 9000, node=str(n)) for n in range(50))
    judged = of_failure(failed("y" * 9000 + "\nValueError: z"), many, NOW)
    assert len(judged.evidence) == MOST_EVIDENCE
    assert max(map(len, judged.evidence)) == LONGEST_EVIDENCE
    alone = of_failure(failed("y" * 9000 + "\nValueError: z"), (), NOW)
    assert alone.evidence[-1].endswith("ValueError: z")
