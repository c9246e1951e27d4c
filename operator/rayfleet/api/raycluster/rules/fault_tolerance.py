"""Rules about the fault tolerance of the head: its state has one store, set in one place."""

from collections.abc import Iterator
from typing import Final

from rayfleet.api.names import HEAD_GROUP, Annotation
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.raycluster.fault_tolerance import GcsFaultToleranceOptions
from rayfleet.api.raycluster.rules.subject import HEAD_PATH, Findings, Subject, objects, pod_spec
from rayfleet.api.violation import Violation

_OPTIONS: Final = "spec.gcsFaultToleranceOptions"
_ADDRESS_ENV: Final = "RAY_REDIS_ADDRESS"
_VOLUME: Final = "gcs-storage"
_MOUNT_PATH: Final = "/data/gcs"


def legacy_annotation_is_alone(subject: Subject) -> Findings:
    """The annotation is the old form of the options."""
    if subject.spec.gcs_fault_tolerance_options and subject.annotations.get(Annotation.FT_ENABLED):
        yield Violation(
            f"metadata.annotations[{Annotation.FT_ENABLED}]",
            "must not be set together with spec.gcsFaultToleranceOptions: remove the annotation.",
        )


def redis_address_means_fault_tolerance(subject: Subject) -> Findings:
    """Ray would use Redis while the operator treats the head as stateless."""
    legacy = subject.annotations.get(Annotation.FT_ENABLED, "").lower() == "true"
    if not subject.spec.gcs_fault_tolerance_options and not legacy and subject.head.env(_ADDRESS_ENV):
        yield Violation(
            f"{subject.head.ray_container_path}.env",
            f"must not set {_ADDRESS_ENV} without fault tolerance: use {_OPTIONS}.redisAddress.",
        )


def redis_user_is_set_in_the_options(subject: Subject) -> Findings:
    """The operator passes the user name to Ray, and can do so only from the options."""
    remedy = f"use {_OPTIONS}.redisUsername instead."
    if "redis-username" in subject.spec.head_group_spec.ray_start_params:
        yield Violation(f"{HEAD_PATH}.rayStartParams[redis-username]", f"is not supported: {remedy}")
    if subject.head.env("REDIS_USERNAME"):
        yield Violation(f"{subject.head.ray_container_path}.env", f"must not set REDIS_USERNAME: {remedy}")


def options_are_the_only_place(subject: Subject) -> Findings:
    """If the options are set, the older forms are refused."""
    if not subject.spec.gcs_fault_tolerance_options:
        return
    if "redis-password" in subject.spec.head_group_spec.ray_start_params:
        yield Violation(
            f"{HEAD_PATH}.rayStartParams[redis-password]",
            f"must not be set: use {_OPTIONS}.redisPassword instead.",
        )
    for variable, field in (("REDIS_PASSWORD", "redisPassword"), (_ADDRESS_ENV, "redisAddress")):
        if subject.head.env(variable):
            yield Violation(
                f"{subject.head.ray_container_path}.env",
                f"must not set {variable}: use {_OPTIONS}.{field} instead.",
            )
    if Annotation.EXTERNAL_STORAGE_NAMESPACE in subject.annotations:
        yield Violation(
            f"metadata.annotations[{Annotation.EXTERNAL_STORAGE_NAMESPACE}]",
            f"must not be set: use {_OPTIONS}.externalStorageNamespace instead.",
        )


def redis_has_an_address(subject: Subject) -> Findings:
    """The head cannot keep its state in a store without an address."""
    options = subject.spec.gcs_fault_tolerance_options
    if options and options.backend == "redis" and not options.redis_address:
        yield Violation(
            f"{_OPTIONS}.redisAddress", "is required by the redis backend: set host:port.", HEAD_GROUP
        )


def redis_has_no_volume(subject: Subject) -> Findings:
    """Only the embedded store is kept on a volume."""
    options = subject.spec.gcs_fault_tolerance_options
    if options and options.backend == "redis" and options.storage:
        yield Violation(
            f"{_OPTIONS}.storage", "is for the rocksdb backend: remove it, or set backend to rocksdb."
        )


def rocksdb_has_no_redis(subject: Subject) -> Findings:
    """The embedded store has no server."""
    options = _rocksdb(subject)
    if options is None:
        return
    fields = {
        "redisAddress": options.redis_address,
        "redisUsername": options.redis_username,
        "redisPassword": options.redis_password,
        "externalStorageNamespace": options.external_storage_namespace,
    }
    for field, value in fields.items():
        if value:
            yield Violation(
                f"{_OPTIONS}.{field}", "is for the redis backend: remove it, or set backend to redis."
            )


def given_claim_is_taken_as_it_is(subject: Subject) -> Findings:
    """Size, class and modes describe a claim that the operator creates."""
    options = _rocksdb(subject)
    storage = options.storage if options else None
    if storage is None or not storage.claim_name:
        return
    fields = {
        "size": storage.size,
        "storageClassName": storage.storage_class_name or None,
        "accessModes": storage.access_modes or None,
    }
    for field, value in fields.items():
        if value is not None:
            yield Violation(
                f"{_OPTIONS}.storage.{field}",
                "cannot be set for an existing claim: remove it, or claimName.",
            )


def storage_size_is_an_amount(subject: Subject) -> Findings:
    """A claim needs a size above 0."""
    options = subject.spec.gcs_fault_tolerance_options
    size = options.storage.size if options and options.storage else None
    if size is None:
        return
    try:
        positive = parse_quantity(size) > 0
    except ValueError as wrong:
        yield Violation(f"{_OPTIONS}.storage.size", str(wrong))
        return
    if not positive:
        yield Violation(f"{_OPTIONS}.storage.size", f"must be more than 0, but is {size}.")


def rocksdb_is_set_up_by_the_operator(subject: Subject) -> Findings:
    """The operator sets the store's environment, volume and mount."""
    if _rocksdb(subject) is None:
        return
    for where, what in _own_storage(subject):
        yield Violation(where, f"must not use {what}, which the rocksdb backend sets: remove it.")


def _rocksdb(subject: Subject) -> GcsFaultToleranceOptions | None:
    options = subject.spec.gcs_fault_tolerance_options
    return options if options and options.backend == "rocksdb" else None


def _own_storage(subject: Subject) -> Iterator[tuple[str, str]]:
    head = subject.head
    for variable in ("RAY_gcs_storage", "RAY_gcs_storage_path"):
        if head.env(variable):
            yield f"{head.ray_container_path}.env", variable
    for index, mount in enumerate(objects(head.ray_container.get("volumeMounts"))):
        if mount.get("name") == _VOLUME or mount.get("mountPath") == _MOUNT_PATH:
            yield f"{head.ray_container_path}.volumeMounts[{index}]", f"{_VOLUME} or {_MOUNT_PATH}"
    for index, volume in enumerate(objects(pod_spec(head.spec.template).get("volumes"))):
        if volume.get("name") == _VOLUME:
            yield f"{HEAD_PATH}.template.spec.volumes[{index}]", _VOLUME
