"""Every setting, read once from flags and the environment into one frozen object."""

import argparse
import socket
import uuid
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from rayfleet import __version__
from rayfleet.api.names import is_object_name
from rayfleet.api.quantity import parse_quantity
from rayfleet.kinds.raycluster.pod_settings import DEFAULT_CLUSTER_DOMAIN, PodSettings, WaitSize
from rayfleet.settings.scaling import ScalingSettings, ScalingSettingsError, read_scaling_settings

_LONGEST_DOMAIN = 200


class Settings(Struct, frozen=True):
    """How the operator runs. A flag overrides its environment variable, which overrides the default."""

    namespaces: tuple[str, ...]
    """Namespaces to act in; empty means all."""
    kubeconfig: str | None
    """A kubeconfig file; None means the pod's service account, or else `~/.kube/config`."""
    identity: str
    """Our identity on the Lease. Two processes that may run at the same time must not share it."""
    lease_namespace: str | None
    """Namespace of the leader's Lease; None means the first of `namespaces`, else the pod's own."""
    other_operator_namespaces: tuple[str, ...]
    """Namespaces in which another operator's Lease counts, whoever holds it."""
    health_host: str
    health_port: int
    metrics_host: str
    metrics_port: int
    log_level: str
    reconcile_concurrency: int
    """Clusters that are worked on at the same time."""
    write_concurrency: int
    """Writes in flight at the same time, shared fairly between clusters."""
    watch_nodes: bool = False
    """Whether to watch nodes, which needs a cluster-wide right. Nothing acts on them yet."""
    jobs: bool = False
    """Whether to run RayJobs."""
    check_crds: bool = True
    """Whether to compare our CRDs with those of the API server, which needs the right to `get` them."""
    pods: PodSettings = field(default_factory=PodSettings)
    """What goes into the bodies of pods."""
    scaling: ScalingSettings = field(default_factory=ScalingSettings)
    """Limits on scaling, and queries that groups may follow."""


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings. An invalid one ends the process with a sentence that names the flag."""
    values = _parser(environment).parse_args(arguments)
    return Settings(
        namespaces=_names(values.namespace),
        kubeconfig=values.kubeconfig,
        identity=values.identity or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
        lease_namespace=values.lease_namespace,
        other_operator_namespaces=_names(values.other_operator_namespace),
        health_host=values.health_host,
        health_port=values.health_port,
        metrics_host=values.metrics_host,
        metrics_port=values.metrics_port,
        log_level=values.log_level.upper(),
        reconcile_concurrency=values.reconcile_concurrency,
        write_concurrency=values.write_concurrency,
        watch_nodes=values.watch_nodes,
        jobs=values.jobs,
        check_crds=values.check_crds,
        pods=PodSettings(
            values.cluster_domain,
            waits=values.wait_for_head,
            wait=WaitSize(values.wait_cpu, values.wait_memory),
        ),
        scaling=values.scaling_config,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rayfleet",
        description="The rayfleet operator: runs Ray clusters on Kubernetes.",
        epilog="Each flag has an environment variable: --log-level is RAYFLEET_LOG_LEVEL.",
    )

    def default(name: str, otherwise: str) -> str:
        return environment.get(f"RAYFLEET_{name}", otherwise)

    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--namespace",
        action="append",
        default=[value] if (value := environment.get("RAYFLEET_NAMESPACE")) else [],
        metavar="NAME",
        help="act in this namespace only; may be given more than once (default: all)",
    )
    parser.add_argument(
        "--kubeconfig",
        default=environment.get("RAYFLEET_KUBECONFIG") or environment.get("KUBECONFIG"),
        metavar="FILE",
        help="kubeconfig with which to reach the cluster from outside",
    )
    parser.add_argument(
        "--identity",
        default=default("IDENTITY", ""),
        metavar="NAME",
        help="our identity on the Lease, such as the pod's name; two running operators must not share it "
        "(default: a new one at each start)",
    )
    parser.add_argument(
        "--lease-namespace",
        default=environment.get("RAYFLEET_LEASE_NAMESPACE"),
        metavar="NAME",
        help="namespace of the leader's Lease (default: the first --namespace, else the pod's own)",
    )
    parser.add_argument(
        "--other-operator-namespace",
        action="append",
        default=[value] if (value := environment.get("RAYFLEET_OTHER_OPERATOR_NAMESPACE")) else [],
        metavar="NAME",
        help="namespace in which another operator's Lease counts, whoever holds it; may be given more than "
        "once (default: a Lease counts where the service account of its holder's pod may update RayClusters)",
    )
    parser.add_argument("--health-host", default=default("HEALTH_HOST", "0.0.0.0"), metavar="ADDRESS")  # noqa: S104 - the kubelet probes from outside the pod
    parser.add_argument(
        "--health-port", type=_port, default=default("HEALTH_PORT", "8081"), metavar="PORT", help="0: none"
    )
    parser.add_argument("--metrics-host", default=default("METRICS_HOST", "0.0.0.0"), metavar="ADDRESS")  # noqa: S104 - Prometheus scrapes from outside the pod
    parser.add_argument(
        "--metrics-port", type=_port, default=default("METRICS_PORT", "8080"), metavar="PORT", help="0: none"
    )
    parser.add_argument(
        "--log-level",
        type=str.lower,
        choices=("debug", "info", "warning", "error"),
        default=default("LOG_LEVEL", "info"),
    )
    parser.add_argument(
        "--reconcile-concurrency",
        type=_positive,
        default=default("RECONCILE_CONCURRENCY", "128"),
        metavar="N",
        help="clusters worked on at the same time",
    )
    parser.add_argument(
        "--write-concurrency",
        type=_positive,
        default=default("WRITE_CONCURRENCY", "32"),
        metavar="N",
        help="writes in flight at the same time, shared fairly between clusters",
    )
    parser.add_argument(
        "--watch-nodes",
        type=_switch,
        default=default("WATCH_NODES", "false"),
        metavar="true|false",
        help="watch nodes, also with --namespace; nothing acts on them yet (default: false)",
    )
    parser.add_argument(
        "--jobs",
        type=_switch,
        default=default("JOBS", "false"),
        metavar="true|false",
        help="run RayJobs, a preview, which takes further rights (default: false)",
    )
    parser.add_argument(
        "--check-crds",
        type=_switch,
        default=default("CHECK_CRDS", "true"),
        metavar="true|false",
        help="say when a CRD is older than the operator, which takes the right to get it (default: true)",
    )
    _add_pod_settings(parser, environment)
    parser.add_argument(
        "--scaling-config",
        type=_scaling_settings,
        default=environment.get("RAYFLEET_SCALING_CONFIG") or ScalingSettings(),
        metavar="FILE",
        help="limits on scaling, and queries that groups may follow, in YAML or JSON; read at startup",
    )
    return parser


def _names(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for value in values for name in value.split(",") if name))


def _add_pod_settings(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    """Add the settings of pods. Variables of KubeRay are respected, and read as KubeRay reads them."""
    size = WaitSize()
    parser.add_argument(
        "--cluster-domain",
        type=_domain,
        default=environment.get("RAYFLEET_CLUSTER_DOMAIN", _domain_of_kuberay(environment)),
        metavar="NAME",
        help="the DNS domain of the cluster's Services, by which workers find their head; empty: names"
        f" relative to the pods' domain (default: {DEFAULT_CLUSTER_DOMAIN})",
    )
    parser.add_argument(
        "--wait-for-head",
        type=_switch,
        default=environment.get("RAYFLEET_WAIT_FOR_HEAD", _waits_by_kuberay(environment)),
        metavar="true|false",
        help="workers wait for their head in an init container; set it to false if a mesh with strict mutual"
        " TLS does not let an init container through (default: true)",
    )
    for resource, least in size.amounts().items():
        parser.add_argument(
            f"--wait-{resource}",
            type=_amount,
            default=environment.get(f"RAYFLEET_WAIT_{resource.upper()}", least),
            metavar="QUANTITY",
            help=f"{'CPU' if resource == 'cpu' else resource} of that init container, as request and limit;"
            f" more if a LimitRange requires it (default: {least})",
        )


def _domain_of_kuberay(environment: Mapping[str, str]) -> str:
    """KubeRay's setting, or the default if that is empty or invalid: it must not end our process."""
    given = environment.get("CLUSTER_DOMAIN", "")
    try:
        return _domain(given) or DEFAULT_CLUSTER_DOMAIN
    except argparse.ArgumentTypeError:
        return DEFAULT_CLUSTER_DOMAIN


def _waits_by_kuberay(environment: Mapping[str, str]) -> str:
    """KubeRay's setting, which reads anything but `false` as true."""
    given = environment.get("ENABLE_INIT_CONTAINER_INJECTION", "")
    return "false" if given.lower() == "false" else "true"


def _domain(text: str) -> str:
    domain = text.strip().strip(".")
    if domain and (len(domain) > _LONGEST_DOMAIN or not is_object_name(domain)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a DNS domain, such as cluster.local")
    return domain


def _switch(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _amount(text: str) -> str:
    try:
        positive = parse_quantity(text) > 0
    except ValueError:
        positive = False
    if not positive:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quantity above 0, such as 100m or 64Mi")
    return text


def _scaling_settings(file: str) -> ScalingSettings:
    try:
        return read_scaling_settings(file)
    except ScalingSettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def _port(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value <= 65535:  # noqa: PLR2004 - the range of ports
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return value
