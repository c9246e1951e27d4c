"""Creates whose answer is lost: pods are listed before the next write."""

import pytest

from support.builders import group, spec
from support.passes import KEY, PODS, passes
from support.wire import Answering, fails

PODS_OF = f"{PODS}?labelSelector=ray.io/cluster%3Ddemo&limit=500"


@pytest.mark.parametrize(
    ("answer", "lists"),
    [
        pytest.param(fails(503, "ServiceUnavailable", "etcd is away"), True, id="lost"),
        pytest.param(fails(403, "Forbidden", "exceeded quota: pods"), False, id="denied"),
    ],
)
async def test_after_a_create_whose_answer_was_lost_the_pods_are_listed_again(
    answer: Answering,
    lists: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The pod may exist."""
    async with passes() as bed:
        bed.stored()
        await bed.reconciler.reconcile(KEY)
        bed.stored(spec(group(replicas=5)), version=2000, generation=2)
        bed.api.answers["POST", PODS] = answer
        await bed.reconciler.reconcile(KEY)
        before = [each.target for each in bed.api.requests].count(PODS_OF)
        bed.now += 10
        await bed.reconciler.reconcile(KEY)
        after = [each.target for each in bed.api.requests].count(PODS_OF)
        assert (after > before) is lists
