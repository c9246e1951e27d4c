"""Ray's own scheduler, asked about drawn cases in a process of its own: `python ray_scheduler.py FIRST LAST`.

It writes one JSON line per case: what was not placed, and how many nodes of each group would start.
"""

import json
import sys
from collections import Counter
from typing import Any, Final

from ray.autoscaler.v2.instance_manager.config import NodeTypeConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.schema import AutoscalerInstance
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated import autoscaler_pb2, common_pb2, instance_manager_pb2

from rayfleet.api.names import HEAD_GROUP
from rayfleet.ray.state import Demand, Gang, RayNode, Shape, Strategy
from support.demand_cases import Case, draw

# Generated modules say nothing to a type checker of what they hold.
_DEMAND: Final[Any] = autoscaler_pb2
_INSTANCE: Final[Any] = instance_manager_pb2
_OPERATOR: Final[Any] = common_pb2

_TIE = {
    Strategy.STRICT_PACK: ResourceRequestUtil.PlacementConstraintType.AFFINITY,
    Strategy.STRICT_SPREAD: ResourceRequestUtil.PlacementConstraintType.ANTI_AFFINITY,
}


def main() -> None:
    first, last = map(int, sys.argv[1:])
    for seed in range(first, last):
        sys.stdout.write(json.dumps(_ask(draw(seed))) + "\n")


def _ask(case: Case) -> dict[str, Any]:
    head = next((node for node in case.ray.nodes if node.group == HEAD_GROUP), None)
    nodes = {node.instance_id: node for node in case.ray.nodes}
    types = {
        group.name: NodeTypeConfig(
            name=group.name,
            min_worker_nodes=group.min_replicas,
            max_worker_nodes=group.max_replicas,
            resources=dict(group.resources),
            labels=dict(group.labels),
            priority=group.priority,
        )
        for group in case.groups
    }
    instances = [_instance(worker.name, worker.group, nodes.get(worker.name)) for worker in case.workers]
    if head:
        types[HEAD_GROUP] = NodeTypeConfig(HEAD_GROUP, 0, 0, resources=dict(head.total))
        instances.append(_instance("head", HEAD_GROUP, head))
    requests = [_by_count(demand) for demand in case.ray.demands]
    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=types,
            resource_requests=requests,
            gang_resource_requests=[_gang(gang) for gang in case.ray.gangs],
            cluster_resource_constraints=[
                _DEMAND.ClusterResourceConstraint(resource_requests=[_by_count(one) for one in demands])
                for demands in case.ray.constraints
            ],
            current_instances=instances,
        )
    )
    unplaced = Counter(
        one.SerializeToString(deterministic=True) for one in reply.infeasible_resource_requests
    )
    return {
        "seed": case.seed,
        # Equal shapes may be two entries of demand: each shows what is left of both.
        "unplaced": [unplaced[one.request.SerializeToString(deterministic=True)] for one in requests],
        "gangs": sorted(one.details for one in reply.infeasible_gang_resource_requests),
        "constraints": len(reply.infeasible_cluster_resource_constraints),
        "launches": {one.instance_type: one.count for one in reply.to_launch},
    }


def _instance(name: str, group: str, node: RayNode | None) -> AutoscalerInstance:
    instance = _INSTANCE.Instance(
        instance_id=name,
        instance_type=group,
        cloud_instance_id=name,
        status=_INSTANCE.Instance.RAY_RUNNING if node else _INSTANCE.Instance.ALLOCATED,
        node_kind=_INSTANCE.NodeKind.HEAD if group == HEAD_GROUP else _INSTANCE.NodeKind.WORKER,
        node_id=node.node_id.hex() if node else "",
    )
    state = node and _DEMAND.NodeState(
        node_id=node.node_id,
        instance_id=name,
        ray_node_type_name=group,
        available_resources=dict(node.available),
        total_resources=dict(node.total),
        labels=dict(node.labels),
        status=_DEMAND.NodeStatus.RUNNING,
    )
    return AutoscalerInstance(cloud_instance_id=name, im_instance=instance, ray_node=state)


def _request(shape: Shape, tie: tuple[Any, str, str] | None = None) -> Any:  # noqa: ANN401 - Ray's message
    operators = _OPERATOR.LabelSelectorOperator
    return ResourceRequestUtil.make(
        dict(shape.resources),
        [tie] if tie else None,
        [
            [
                (
                    key,
                    operators.LABEL_OPERATOR_NOT_IN if negated else operators.LABEL_OPERATOR_IN,
                    list(values),
                )
                for key, values, negated in selector
            ]
            for selector in shape.selectors
        ],
    )


def _by_count(demand: Demand) -> Any:  # noqa: ANN401 - Ray's message
    return _DEMAND.ResourceRequestByCount(request=_request(demand.shape), count=demand.count)


def _gang(gang: Gang) -> Any:  # noqa: ANN401 - Ray's message
    tie = (_TIE[gang.strategy], "_PG_" + gang.name, "") if gang.strategy in _TIE else None
    requests = [_request(one.shape, tie) for one in gang.bundles for _ in range(one.count)]
    return _DEMAND.GangResourceRequest(requests=requests, details=gang.name)


if __name__ == "__main__":
    main()
