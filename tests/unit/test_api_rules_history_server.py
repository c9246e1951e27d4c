"""Rules about the history server's collector: each finds what breaks it, and lets its fixed twin pass."""

import pytest

from rayfleet.api.raycluster.rules import history_server
from support.rule_rows import GPU, GPU_PATH, Row, check, env, row_id, rules_of

COLLECTOR = "historyServerOptions.collectorOptions"
COLLECTOR_PATH = f"spec.{COLLECTOR}"
GCS_ENV = [{"name": "STORAGE_BACKEND", "value": "gcs"}, {"name": "GCS_BUCKET", "value": "b"}]
AZURE = env("STORAGE_BACKEND", value="AzureBlob")
CONNECTION, ACCOUNT = env("AZURE_STORAGE_CONNECTION_STRING"), env("AZURE_STORAGE_ACCOUNT_URL")

ROWS = [
    Row(
        history_server.collector_is_described,
        COLLECTOR_PATH,
        {"historyServerOptions": {}},
        {COLLECTOR: {"image": "c:1", "env": GCS_ENV}},
    ),
    Row(
        history_server.collector_has_an_image,
        f"{COLLECTOR_PATH}.image",
        {COLLECTOR: {"env": GCS_ENV}},
        {COLLECTOR: {"image": "c:1", "env": GCS_ENV}},
    ),
    Row(
        history_server.collector_name_is_free,
        f"{GPU_PATH}.template.spec.containers[1].name",
        {
            COLLECTOR: {"image": "c:1", "env": GCS_ENV},
            f"{GPU}.template.spec.containers": [{"name": "ray"}, {"name": "ray-history-collector"}],
        },
        {f"{GPU}.template.spec.containers": [{"name": "ray"}, {"name": "ray-history-collector"}]},
    ),
    Row(
        history_server.collector_environment_is_left_to_the_operator,
        f"{COLLECTOR_PATH}.env",
        {COLLECTOR: {"image": "c:1", "env": [*GCS_ENV, *env("RAY_ROLE")]}},
        {COLLECTOR: {"image": "c:1", "env": GCS_ENV}},
    ),
    *(
        Row(
            history_server.collector_storage_is_complete,
            f"{COLLECTOR_PATH}.env",
            {COLLECTOR: {"image": "c:1", "env": broken}},
            {COLLECTOR: {"image": "c:1", "env": fixed}},
        )
        for broken, fixed in (
            ([], GCS_ENV),
            ([{"name": "STORAGE_BACKEND", "valueFrom": {}}], GCS_ENV),
            (env("STORAGE_BACKEND", value="s3"), env("STORAGE_BACKEND", value="s3") + env("S3_REGION")),
            (
                env("STORAGE_BACKEND", value="azureblob"),
                env("STORAGE_BACKEND", value="azureblob") + env("AZURE_STORAGE_ACCOUNT_URL"),
            ),
            (
                env("STORAGE_BACKEND", value="aliyunoss") + env("OSS_BUCKET", "OSS_ENDPOINT"),
                env("STORAGE_BACKEND", value="aliyunoss") + env("OSS_BUCKET", "OSS_ENDPOINT", "OSS_REGION"),
            ),
            (env("STORAGE_BACKEND", value="S3"), env("STORAGE_BACKEND", value="S3") + env("S3_REGION")),
            (
                AZURE + env("AZURE_STORAGE_AUTH_MODE", value="Connection_String") + ACCOUNT,
                AZURE + env("AZURE_STORAGE_AUTH_MODE", value="Connection_String") + CONNECTION,
            ),
            *(
                (
                    AZURE + env("AZURE_STORAGE_AUTH_MODE", value=mode) + CONNECTION,
                    AZURE + env("AZURE_STORAGE_AUTH_MODE", value=mode) + ACCOUNT,
                )
                for mode in ("workload_identity", "default")
            ),
            (
                AZURE + env("AZURE_STORAGE_AUTH_MODE", value="of-tomorrow"),
                AZURE + env("AZURE_STORAGE_AUTH_MODE", value="of-tomorrow") + CONNECTION,
            ),
            (env("STORAGE_BACKEND", value=""), env("STORAGE_BACKEND", value="one-of-tomorrow")),
        )
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(history_server) == {row.rule for row in ROWS}
