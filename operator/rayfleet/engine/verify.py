"""Before a pass writes, asks the API server, not a cache, whether what the pass saw is still current."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from msgspec import Struct

from rayfleet.engine.children import Child, Stores
from rayfleet.engine.kind import AnyKind, Check
from rayfleet.engine.memory import Remembered
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root, root_from_object

UNANSWERED_BACKOFF = 5.0
"""Seconds. The longest wait between attempts while the API server does not answer."""
LONGEST_RETRY_AFTER = 60.0
"""The most seconds of a Retry-After that are respected."""


class RootIsGone(Struct, frozen=True):
    """The root no longer exists."""


class Verifier:
    """Reads the root of a pass, and if need be its children, again and stores them in the caches."""

    def __init__(self, client: KubeClient, stores: Stores, view_epoch: Callable[[Key], Hashable]) -> None:
        self._client = client
        self._stores = stores
        self._view_epoch = view_epoch

    async def verify(
        self, kind: AnyKind, root: Root, memory: Remembered[Any]
    ) -> Check | RootIsGone | Done | Retry:
        """Make sure that the view about to be acted on is current, without a request if it must be.

        The caches may be behind, and in a new view epoch they may have missed something: then the children
        are listed once. The root itself is read before every pass that writes, except the first pass over a
        root that we saw being created: there is nothing yet that could be lost.
        """
        newborn, memory.newborn = memory.newborn, False
        seen_since = memory.verified_epoch == self._view_epoch(root.key)
        if newborn and seen_since and root.generation == 1:
            return Check.NOTHING_ASKED
        resource, store = kind.resource, self._stores.roots[kind.resource.kind]
        path = resource.path(root.key.namespace, root.key.name)
        failure, live = await asyncio.gather(
            self._verify_children(kind, root.key, memory), self._client.get(path)
        )
        if failure is not None:
            return failure
        if isinstance(live, ApiFailure):
            if is_gone(live, resource.plural, root.key.name):
                store.remove(root.key, root.uid)
                return RootIsGone()
            return failed(live, f"read the {root.key.noun}")
        store.apply(live, seen=root.resource_version)
        now = root_from_object(live, resource.kind)
        if (now.uid, now.generation, now.deleting) != (root.uid, root.generation, root.deleting):
            return Done(requeue_after=0.0)
        return Check.ASKED

    async def _verify_children(self, kind: AnyKind, key: Key, memory: Remembered[Any]) -> Retry | None:
        epoch = self._view_epoch(key)
        if memory.verified_epoch == epoch:
            return None
        for child in kind.children:
            failure = await self._list(child, key)
            if failure is not None:
                return failed(failure, f"list the {child.resource.plural}")
        memory.verified_epoch = epoch
        return None

    async def _list(self, child: Child[Any], key: Key) -> ApiFailure | None:
        if child.selectors_of is None:
            return None
        store, resource = self._stores.children[child.resource], child.resource
        listed = await self._client.list_all(resource.collection(key.namespace), child.selectors_of(key))
        if isinstance(listed, ApiFailure):
            return listed
        found = {trimmed.uid: trimmed for trimmed in map(child.trim, listed.items)}
        # A child whose labels have changed since is not listed, but still exists.
        known = [one for one in store.owned_by(key) if one.resource_version <= listed.resource_version]
        for answer in await asyncio.gather(
            *(read(self._client, child, key.namespace, one.name) for one in known if one.uid not in found)
        ):
            if isinstance(answer, ApiFailure):
                return answer
            if answer is not None:
                found[answer.uid] = answer
        store.replace_owned(key, found.values(), listed.resource_version)
        return None


async def read(client: KubeClient, child: Child[Any], namespace: str, name: str) -> Any:  # noqa: ANN401 - of the child's kind
    """The child of this name as it is now, trimmed; None if it does not exist, else the failure."""
    answer = await client.get(child.resource.path(namespace, name))
    if isinstance(answer, ApiFailure):
        return None if is_gone(answer, child.resource.plural, name) else answer
    return child.trim(answer)


def failed(failure: ApiFailure, what: str) -> Retry:
    """Try again: soon if the request was not answered, with the usual backoff after other trouble."""
    at_most = UNANSWERED_BACKOFF if policy(failure) is Policy.RETRY else None
    at_least = min(failure.retry_after or 0.0, LONGEST_RETRY_AFTER)
    return Retry(f"could not {what}: {failure.message}", at_most, at_least)
