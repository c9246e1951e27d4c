"""The life of a job, pass by pass, on values."""

from support.job_scenes import ran


def test_a_job_gets_its_cluster_runs_once_and_gives_everything_back() -> None:
    world = ran(shutdownAfterJobFinishes=True)
    assert world.status["jobStatus"] == "RUNNING"
    assert len(world.clusters) == 1
    world.say("SUCCEEDED")
    world.passes()
    assert (world.status["jobDeploymentStatus"], world.status["jobStatus"]) == ("Complete", "SUCCEEDED")
    assert (world.status["succeeded"], world.status["failed"]) == (1, 0)
    assert world.clusters == {}
    assert list(world.submissions.values()) == [1]
    assert world.history == ["Initializing", "Running", "Complete"]
