"""In whatever order events come, the cache ends in the server's state."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from rayfleet.kube.cache.store import Store
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from support.children import KEY, OTHER, pod

NAMES = ("a", "b", "c")


@dataclass
class Server:
    """A server's history of pods: the event and the state of each version."""

    log: list[tuple[str, Pod]] = field(default_factory=list)
    """(event type, object at its version); version n is entry n - 1."""
    states: list[dict[str, Pod]] = field(default_factory=lambda: [{}])
    """The pods at each version."""

    @property
    def version(self) -> int:
        return len(self.log)

    def write(self, name: str, *, delete: bool, owner: Key, phase: str) -> Pod | None:
        """Create, change or delete the pod of this name; return the answer, None for a deletion."""
        version, now = self.version + 1, dict(self.states[-1])
        there = now.get(name)
        if delete:
            if there is None:
                return None
            del now[name]
            self._note("DELETED", replace(there, resource_version=version), now)
            return None
        if there is None:
            there = pod(name, version, uid=f"{name}-{version}", owner=owner, phase=phase)
            event = "ADDED"
        else:
            there = replace(there, resource_version=version, phase=phase)
            event = "MODIFIED"
        now[name] = there
        self._note(event, there, now)
        return there

    def _note(self, event: str, obj: Pod, now: dict[str, Pod]) -> None:
        self.log.append((event, obj))
        self.states.append(now)


class Interleavings(RuleBasedStateMachine):
    """Writes with late answers; a watch that lags, is cut and repeats events; and late lists."""

    @initialize()
    def begin(self) -> None:
        self.server = Server()
        self.store = Store(Pod, ["RayCluster"])
        self.seen = 0
        self.answers: list[Pod] = []
        self.lists: list[tuple[Key, int]] = []

    @rule(
        name=st.sampled_from(NAMES),
        delete=st.booleans(),
        owner=st.sampled_from((KEY, OTHER)),
        phase=st.sampled_from(("Pending", "Running")),
        ours=st.booleans(),
    )
    def write(self, name: str, owner: Key, phase: str, *, delete: bool, ours: bool) -> None:
        answer = self.server.write(name, delete=delete, owner=owner, phase=phase)
        if answer is not None and ours:
            self.answers.append(answer)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        self.store.apply(self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1))))

    @precondition(lambda self: self.seen < self.server.version)
    @rule()
    def an_event_arrives(self) -> None:
        kind, obj = self.server.log[self.seen]
        self.seen += 1
        if kind == "DELETED":
            self.store.remove(obj.namespace, obj.name, obj.uid, obj.resource_version)
        else:
            self.store.apply(replace(obj))

    @rule(data=st.data())
    def the_watch_repeats_itself(self, data: st.DataObject) -> None:
        self.seen = data.draw(st.integers(0, self.seen))

    @rule(data=st.data())
    def the_watch_is_lost_and_a_list_takes_its_place(self, data: st.DataObject) -> None:
        """The list is of any moment since the last seen event; events up to it are skipped."""
        version = data.draw(st.integers(self.seen, self.server.version))
        before = self._view()
        changed = self.store.replace(None, self._listed(version), version)
        assert changed == self._owners_of_differences(before)
        self.seen = version

    @rule(key=st.sampled_from((KEY, OTHER)))
    def a_list_of_one_cluster_is_asked_for(self, key: Key) -> None:
        self.lists.append((key, self.server.version))

    @precondition(lambda self: self.lists)
    @rule()
    def a_list_of_one_cluster_arrives(self) -> None:
        key, version = self.lists.pop()
        listed = [obj for obj in self._listed(version) if self.store.owner_key(obj) == key]
        self.store.replace_owned(key, listed, version)

    @invariant()
    def the_cache_shows_only_what_was_true(self) -> None:
        """The server has had whatever the cache shows, and the index holds the same objects."""
        for obj in self.store:
            assert self.server.states[obj.resource_version].get(obj.name) == obj
        indexed = [obj for key in (KEY, OTHER) for obj in self.store.owned_by(key)]
        assert sorted(indexed, key=lambda o: o.name) == sorted(self.store, key=lambda o: o.name)

    def teardown(self) -> None:
        """In the end the late answers come, and the watch catches up."""
        for answer in self.answers:
            self.store.apply(answer)
        while self.seen < self.server.version:
            self.an_event_arrives()
        assert self._view() == self.server.states[-1]

    def _listed(self, version: int) -> list[Pod]:
        return [replace(obj) for obj in self.server.states[version].values()]

    def _view(self) -> dict[str, Pod]:
        return {obj.name: obj for obj in self.store}

    def _owners_of_differences(self, before: dict[str, Pod]) -> set[Key | None]:
        after = self._view()
        changed: set[Key | None] = set()
        for name in before.keys() | after.keys():
            old, new = before.get(name), after.get(name)
            if (
                old is None
                or new is None
                or replace(old, resource_version=0) != replace(new, resource_version=0)
            ):
                changed |= {self.store.owner_key(obj) for obj in (old, new) if obj is not None}
        return changed


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(6)), st.data())
def test_events_in_any_order_end_in_the_last_state(order: list[int], data: st.DataObject) -> None:
    """Late, duplicate and unordered events do no lasting harm."""
    server = Server()
    for _ in order:
        server.write(
            data.draw(st.sampled_from(NAMES)), delete=data.draw(st.booleans()), owner=KEY, phase="Running"
        )
    store = Store(Pod, ["RayCluster"])

    for number in (*order, *order):
        if number < server.version:
            kind, obj = server.log[number]
            if kind == "DELETED":
                store.remove(obj.namespace, obj.name, obj.uid, obj.resource_version)
            else:
                store.apply(replace(obj))

    assert {obj.name: obj for obj in store} == server.states[-1]
