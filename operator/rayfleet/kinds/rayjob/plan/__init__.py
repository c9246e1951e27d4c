"""What to do next for a job."""

from rayfleet.kinds.rayjob.plan.plan import JobPlan, plan

__all__ = ["JobPlan", "plan"]
