"""A cluster in its surroundings, and how writes fail there."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from golden.chance import Chance
from golden.kubelet import Json
from golden.ray_side import RaySide
from golden.world import World

_WAIT_TOO_SMALL: Final = (
    'pods "x" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m,'
    " minimum memory usage per Container is 64Mi, but request is 32Mi]"
)
_WARNING: Final = 'unknown field "spec.containers[0].colour"'
_CAUSES: Final = [{"field": "spec.containers[0].image", "message": "Required value"}]
FAILURES: Final[Sequence[Json]] = (
    {"status": 403, "reason": "Forbidden", "message": 'pods "x" is forbidden: exceeded quota: gpus'},
    {"status": 403, "reason": "Forbidden", "message": _WAIT_TOO_SMALL},
    {"status": 403, "reason": "Forbidden", "message": "cannot find RESTMapping for RayCluster"},
    {"status": 422, "reason": "Invalid", "message": "Pod is invalid", "causes": _CAUSES},
    {"status": 422, "reason": "Invalid", "message": "admission webhook denied the request"},
    {"status": 409, "reason": "Conflict", "message": "the object has been modified"},
    {"status": 429, "reason": "TooManyRequests", "message": "slow down", "retry_after": 7.0},
    {"status": 500, "reason": "InternalError", "message": "etcdserver: request timed out"},
    {"status": 0, "reason": "Timeout", "message": "no answer within 10 s"},
)
NO_ANSWER: Final[Json] = {"trouble": "deadline", "message": "no answer within 3 s"}


class Scene(NamedTuple):
    """A cluster in its surroundings."""

    random: Chance
    world: World
    ray: RaySide
    other_spec: Callable[[], Json]
    """The spec that the user may apply next."""
    elastic: bool

    def fails(self, action: Json) -> Json | None:
        """A random failure of an action; a drain is answered by Ray itself."""
        if action["kind"] == "RayNode":
            if self.random.happens(0.1):
                return {"unanswered": dict(NO_ANSWER)}
            return self.ray.drain(action["name"], busy=self.random.happens(0.2)) or None
        is_pod = (action["verb"], action["kind"]) == ("create", "Pod")
        if is_pod and self.world.refusal is not None:
            return {"failure": dict(self.world.refusal)}
        if self.random.happens(0.05):
            return {"failure": dict(self.random.choice(FAILURES))}
        return {"warnings": [_WARNING]} if is_pod and self.random.happens(0.02) else None

    @property
    def groups(self) -> list[Json]:
        """The valid worker groups of the spec."""
        groups = self.world.cluster["spec"].get("workerGroupSpecs")
        return [group for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []
