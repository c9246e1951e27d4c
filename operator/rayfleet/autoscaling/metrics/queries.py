"""A query that the admin has named, and its failure."""

from msgspec import Struct

from rayfleet.autoscaling.metrics.promql import PromqlTemplate


class MetricQuery(Struct, frozen=True):
    """A query, and the server that answers it."""

    name: str
    server: str
    """Address before `/api/v1/query`, such as `https://prometheus.monitoring:9090`."""
    promql: PromqlTemplate
    token_file: str | None = None
    """File with a bearer token; read again from time to time."""
    ca_file: str | None = None
    """File with the CA of the server's certificate; None means the system's authorities."""
    timeout_seconds: float = 5.0


class QueryFailure(Struct, frozen=True):
    """Why a query gave no value: a sentence that names the query and holds no secret."""

    message: str
