"""`rayfleet plan`: the operator's decision for a queue in a file, without a cluster."""

import argparse
from collections.abc import Iterator
from typing import Any

from rayfleet.api.base import INT32_MAX
from rayfleet.api.raycluster import RayClusterSpec, needs_sidecar
from rayfleet.cli.answers import demand_data, demand_table, holds_data
from rayfleet.cli.demand_file import DemandFile, parse_demand
from rayfleet.cli.documents import STANDARD_INPUT, documents, dumped, refuse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.manifest_file import read_cluster
from rayfleet.cli.scenario import Scenario, scenario_of
from rayfleet.cli.tables import section, sentence, table
from rayfleet.kinds.raycluster.plan import in_words, unsupported
from rayfleet.kube.objects.roots import Root


def plan(given: argparse.Namespace) -> str:
    """What the command prints. Raises CommandError for files that cannot be used."""
    if given.filename == given.demand == STANDARD_INPUT:
        raise CommandError("standard input holds only one file: name the other one with -f or --demand.")
    cluster, spec, unknown = read_cluster(given.filename, given.cluster)
    demand = _demand(given.demand)
    scenario = scenario_of(cluster, spec, demand)
    if not isinstance(scenario, Scenario):
        raise refuse(given.demand, scenario)
    notes = [*map(str, unknown), *_notes(cluster, spec)]
    if given.output == "text":
        return _text(cluster.key.name, scenario, notes)
    return dumped(_data(cluster.key.name, scenario, notes), given.output)


def _demand(file: str) -> DemandFile:
    parts = documents(file)
    if len(parts) > 1:
        raise CommandError(f"{file} has {len(parts)} documents: write the queue as a single document.")
    demand = parse_demand(parts[0] if parts else None)
    if not isinstance(demand, DemandFile):
        raise refuse(file, demand)
    return demand


def _notes(cluster: Root, spec: RayClusterSpec) -> Iterator[str]:
    """Why the operator would not do what is shown here, or would not do all the manifest asks for."""
    if not spec.enable_in_tree_autoscaling:
        yield (
            "The operator does not scale this cluster: set spec.enableInTreeAutoscaling: true in its"
            " manifest to get the following."
        )
    elif needs_sidecar(spec):
        yield "The manifest asks for Ray's own autoscaler, so the operator does not scale this cluster."
    for message in in_words(unsupported(spec, labels=cluster.labels, annotations=cluster.annotations)):
        yield f"{message}."


def _text(name: str, scenario: Scenario, notes: list[str]) -> str:
    decision = scenario.decision
    head = "".join(sentence(note) for note in notes) or ""
    leaving = [(drain.replica, drain.group, drain.message) for drain in decision.drains]
    leaving += [(", ".join(c.pods) or "not created yet", c.group, c.message) for c in decision.cancels]
    again = ""
    if decision.next_look is not None:
        again = f"\nTime alone changes this in {decision.next_look:.0f} s.\n"
    return (
        head
        + ("\n" if head else "")
        + f"RayCluster {name}\n\n"
        + _groups(scenario)
        + (section("Queue", demand_table(decision.answers)) or "\nNothing waits.\n")
        + section("Leaving", table(("REPLICA", "GROUP", "WHY"), leaving))
        + again
    )


def _groups(scenario: Scenario) -> str:
    rows = []
    for data in _group_data(scenario):
        most = data["maxReplicas"]
        bounds = f"{data['minReplicas']}..{'' if most >= INT32_MAX else most}"
        numbers = (str(data["replicas"]), str(data["wanted"]), str(data["started"]), str(data["removed"]))
        rows.append((data["name"], *numbers, bounds, data["reason"]))
    heads = ("GROUP", "PRESENT", "WANTED", "START", "STOP", "MIN..MAX", "WHY")
    return table(heads, rows, numbers=heads[1:6]) or "The cluster has no worker groups.\n"


def _group_data(scenario: Scenario) -> list[dict[str, Any]]:
    given = {group.name: group for group in scenario.groups}
    rows = []
    for group in scenario.decision.groups:
        pods = [worker for worker in scenario.workers if worker.group == group.name]
        present = len({worker.replica or worker.name for worker in pods})
        drained = [drain for drain in scenario.decision.drains if drain.group == group.name]
        cancelled = [c for c in scenario.decision.cancels if c.group == group.name and c.pods]
        rows.append(
            {
                "name": group.name,
                "replicas": present,
                "wanted": group.wanted,
                "started": group.launches,
                "removed": len(drained) + len(cancelled),
                "minReplicas": given[group.name].min_replicas,
                "maxReplicas": given[group.name].max_replicas,
                "reason": group.reason,
                "holds": holds_data(group.holds),
            }
        )
    return rows


def _data(name: str, scenario: Scenario, notes: list[str]) -> dict[str, Any]:
    decision = scenario.decision
    return {
        "cluster": name,
        "summary": decision.summary,
        "notes": notes,
        "groups": _group_data(scenario),
        "demand": demand_data(decision.answers),
        "removed": [
            {"group": drain.group, "replica": drain.replica, "reason": drain.message}
            for drain in decision.drains
        ]
        + [
            {"group": cancel.group, "pods": list(cancel.pods), "reason": cancel.message}
            for cancel in decision.cancels
        ],
        "nextLookSeconds": decision.next_look,
    }
