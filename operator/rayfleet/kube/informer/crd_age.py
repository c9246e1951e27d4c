"""Notices a CRD that is older than the operator: fields that it lacks are dropped from manifests."""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from msgspec import DecodeError, Struct, to_builtins
from msgspec.json import Decoder

from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kube.client.client import JSON, KubeClient

log = logging.getLogger(__name__)

LOOK_SECONDS = 300.0
"""Between two looks."""
LOOK_AGAIN_SECONDS = 15.0
"""While something is wrong, so that the remedy shows soon."""
METADATA = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""A CRD has 200 KB or more, its metadata 1 KB."""
REVISION: Final = re.compile(r"Schema revision (\d{1,9}) of rayfleet\.")
"""In the description of the schema. Annotations would stay when somebody applies another CRD over ours."""


LARGEST_STATUS: Final = 8 << 10
"""Bytes. An answer that is no larger may be why the API server refuses; a CRD of ours is much larger."""


class _Described(Struct, frozen=True):
    description: str = ""


class _Validation(Struct, frozen=True, rename={"root": "openAPIV3Schema"}):
    root: _Described = _Described()


class _Version(Struct, frozen=True):
    served: bool = False
    schema: _Validation = _Validation()


class _Spec(Struct, frozen=True):
    versions: tuple[_Version, ...] = ()


class _Metadata(Struct, frozen=True):
    uid: str = ""
    generation: int = 0


class _Crd(Struct, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _Spec = _Spec()


_CRD: Final = Decoder(_Crd)


def parts_of(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    """The parts of a CRD that are read here. Raises orjson.JSONDecodeError if it is no JSON.

    Its whole schema would take megabytes, which Python keeps for later.
    """
    if len(raw) > LARGEST_STATUS:
        try:
            return to_builtins(_CRD.decode(raw))
        except DecodeError:
            pass
    return orjson.loads(raw)


class CrdAges:
    """Compares the CRDs that the API server has with those that this operator was built with.

    That needs the right to `get` them by name. Without it nothing is known, and nothing else is affected.
    """

    def __init__(self, client: KubeClient, revisions: Mapping[str, int]) -> None:
        """`revisions`: of our own CRDs, by name; empty to look at none."""
        self._client = client
        self._revisions = revisions
        self._seen: dict[str, tuple[object, object]] = {}
        """The uid and the generation of each CRD that `_troubles` is about."""
        self._troubles: dict[str, str | None] = {}
        self._unreadable = ""

    @property
    def outdated(self) -> Mapping[str, bool]:
        """Whether each CRD is outdated; without those of which that is not known."""
        return {name: trouble is not None for name, trouble in self._troubles.items()}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is wrong with each, and what to do."""
        return tuple(trouble for trouble in self._troubles.values() if trouble is not None)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            for name, revision in self._revisions.items():
                await self.look(name, revision)
            well = set(self._troubles) == set(self._revisions) and not self.remarks
            await asyncio.sleep(LOOK_SECONDS if well or self._unreadable else LOOK_AGAIN_SECONDS)

    async def look(self, name: str, revision: int) -> None:
        """Read one CRD if it has changed; a failure that passes by itself changes nothing."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        answer = await self._client.request("get", path, accept=METADATA)
        if not isinstance(answer, ApiFailure):
            if self._seen.get(name) == _version(answer):
                return
            answer = await self._client.request("get", path, decode=parts_of)
        if isinstance(answer, ApiFailure):
            self._failed(name, answer)
            return
        self._unreadable = ""
        self._seen[name] = _version(answer)
        self._note(name, trouble_with(name, answer, revision))

    def _failed(self, name: str, failure: ApiFailure) -> None:
        if policy(failure) in {Policy.DENIED, Policy.GONE}:
            self._troubles.pop(name, None)
            self._seen.pop(name, None)
        if policy(failure) is Policy.DENIED and not self._unreadable:
            log.info("Whether the CRD %s is outdated is not known: %s", name, failure.message)
            self._unreadable = failure.message

    def _note(self, name: str, trouble: str | None) -> None:
        before = self._troubles.get(name)
        self._troubles[name] = trouble
        if trouble is not None and trouble != before:
            log.warning("%s", trouble[:1].upper() + trouble[1:])
        elif trouble is None and before is not None:
            log.info("The CRD %s is up to date now", name)


def trouble_with(name: str, crd: Mapping[str, Any], revision: int) -> str | None:
    """What is wrong with a CRD; None if it is as new as ours, or newer."""
    found = _revision(crd)
    if found is None:
        return (
            f"the CRD {name} is not from rayfleet, so fields that only rayfleet has are dropped from "
            "manifests: install it with the chart, or apply crds/"
        )
    if found < revision:
        return (
            f"the CRD {name} is older than this operator (revision {found}, the operator's is {revision}), "
            "so newer fields are dropped from manifests: upgrade it with the chart, or apply crds/"
        )
    return None


def _version(crd: Mapping[str, Any]) -> tuple[object, object]:
    """What differs when its spec does."""
    metadata = crd.get("metadata") or {}
    return metadata.get("uid"), metadata.get("generation")


def _revision(crd: Mapping[str, Any]) -> int | None:
    """The lowest of its served versions; None if one of them is not ours."""
    spec = crd.get("spec") or {}
    found = [
        REVISION.search(str(((version.get("schema") or {}).get("openAPIV3Schema") or {}).get("description")))
        for version in spec.get("versions") or ()
        if version.get("served")
    ]
    numbers = [int(match[1]) for match in found if match]
    return min(numbers) if numbers and len(numbers) == len(found) else None
