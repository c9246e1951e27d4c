"""Rules about the collector of Ray's history server."""

from collections.abc import Mapping
from typing import Final

from rayfleet.api.raycluster.history_server import CollectorOptions
from rayfleet.api.raycluster.rules.subject import Findings, Subject, containers, env_value, first_env
from rayfleet.api.violation import Violation

COLLECTOR_CONTAINER: Final = "ray-history-collector"
_OPTIONS: Final = "spec.historyServerOptions.collectorOptions"
_BACKEND_ENV: Final = "STORAGE_BACKEND"
_SET_BY_THE_OPERATOR: Final = (
    "POD_IP",
    "FQ_RAY_IP",
    "RAY_CLUSTER_NAME",
    "RAY_CLUSTER_NAMESPACE",
    "RAY_ROLE",
    "OWNER_KIND",
    "OWNER_NAME",
    "EVENTS_PORT",
)
_AZURE: Final = "azureblob"
_AZURE_MODE_ENV: Final = "AZURE_STORAGE_AUTH_MODE"
_AZURE_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_AZURE_ACCOUNT: Final = "AZURE_STORAGE_ACCOUNT_URL"
# What each storage needs: one variable of each line. The collector validates a storage that is not listed.
_NEEDED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "gcs": (("GCS_BUCKET",),),
    "s3": (("S3_REGION",),),
    _AZURE: ((_AZURE_CONNECTION, _AZURE_ACCOUNT),),
    "aliyunoss": (("OSS_BUCKET",), ("OSS_ENDPOINT",), ("OSS_REGION",)),
}
# Which of the two the collector reads depends on how it signs in; it validates a mode that is not listed.
_AZURE_NEEDS: Final[Mapping[str, str]] = {
    "connection_string": _AZURE_CONNECTION,
    "workload_identity": _AZURE_ACCOUNT,
    "default": _AZURE_ACCOUNT,
}


def collector_is_described(subject: Subject) -> Findings:
    """Without these options there is nothing to run."""
    history = subject.spec.history_server_options
    if history and history.collector_options is None:
        yield Violation(_OPTIONS, "is required by spec.historyServerOptions: set it, or remove both.")


def collector_has_an_image(subject: Subject) -> Findings:
    """There is no default image."""
    collector = _collector(subject)
    if collector and not collector.image:
        yield Violation(f"{_OPTIONS}.image", "is required: set the image of the collector.")


def collector_name_is_free(subject: Subject) -> Findings:
    """Names of containers must be unique in a pod."""
    if _collector(subject) is None:
        return
    for group in subject.groups:
        for index, container in enumerate(containers(group.spec.template)):
            if container.get("name") == COLLECTOR_CONTAINER:
                yield Violation(
                    f"{group.path}.template.spec.containers[{index}].name",
                    f"must not be {COLLECTOR_CONTAINER}, which spec.historyServerOptions uses: rename it.",
                )


def collector_environment_is_left_to_the_operator(subject: Subject) -> Findings:
    """The operator sets these variables itself."""
    collector = _collector(subject)
    for name in _SET_BY_THE_OPERATOR if collector else ():
        if collector and first_env(collector.env, name):
            yield Violation(f"{_OPTIONS}.env", f"must not set {name}, which the operator sets: remove it.")


def collector_storage_is_complete(subject: Subject) -> Findings:
    """A collector without storage would fail only once there is something to write."""
    collector = _collector(subject)
    if collector is None:
        return
    backend = env_value(collector.env, _BACKEND_ENV)
    if not backend:
        yield Violation(f"{_OPTIONS}.env", f"must set {_BACKEND_ENV} to a plain value, such as gcs or s3.")
        return
    for choice in _needed(backend.lower(), collector):
        if first_env(collector.env, *choice) is None:
            yield Violation(
                f"{_OPTIONS}.env", f"must set {' or '.join(choice)} for {_BACKEND_ENV} {backend}."
            )


def _needed(backend: str, collector: CollectorOptions) -> tuple[tuple[str, ...], ...]:
    mode = (env_value(collector.env, _AZURE_MODE_ENV) or "").lower()
    if backend == _AZURE and mode in _AZURE_NEEDS:
        return ((_AZURE_NEEDS[mode],),)
    return _NEEDED.get(backend, ())


def _collector(subject: Subject) -> CollectorOptions | None:
    history = subject.spec.history_server_options
    return history.collector_options if history else None
