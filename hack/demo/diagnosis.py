"""What the demo prints when a step fails: the pods, the events, and the operator's last log lines."""

from demo.kubectl import Kubectl
from demo.steps import CLUSTER, NAMESPACE

_LINES = 25
_OPERATORS = "--selector=app.kubernetes.io/name=rayfleet"


def diagnose(kubectl: Kubectl) -> str:
    """Everything that may explain the failure, as text; a failed query shows its error in its place."""
    questions = (
        ("Nodes", ("get", "nodes", "--output=wide")),
        ("Pods", ("get", "pods", "--all-namespaces", "--output=wide")),
        ("The RayCluster's status", ("get", "raycluster", CLUSTER, "--output=jsonpath={.status}")),
        ("The RayJobs' statuses", ("get", "rayjobs", "--output=jsonpath={.items[*].status}")),
        ("Events", ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp")),
        (
            "The operators' logs",
            ("logs", f"--namespace={NAMESPACE}", _OPERATORS, "--prefix", f"--tail={_LINES}"),
        ),
    )
    return "\n\n".join(f"{title}:\n{_last_lines(kubectl.attempt(*command))}" for title, command in questions)


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LINES:])
