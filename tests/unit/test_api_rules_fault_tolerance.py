"""Rules about fault tolerance: each finds what breaks it, and lets its fixed twin pass."""

import pytest

from rayfleet.api.raycluster.rules import fault_tolerance
from support.rule_rows import FT, HEAD, HEAD_ENV, HEAD_ENV_PATH, Row, check, env, row_id, rules_of

ROWS = [
    Row(
        fault_tolerance.legacy_annotation_is_alone,
        "metadata.annotations[ray.io/ft-enabled]",
        {FT: {"redisAddress": "r:6379"}},
        {FT: {"redisAddress": "r:6379"}},
        annotations={"ray.io/ft-enabled": "true"},
    ),
    Row(
        fault_tolerance.redis_address_means_fault_tolerance,
        HEAD_ENV_PATH,
        {HEAD_ENV: env("RAY_REDIS_ADDRESS")},
        {HEAD_ENV: env("RAY_REDIS_ADDRESS")},
        fixed_annotations={"ray.io/ft-enabled": "true"},
    ),
    Row(
        fault_tolerance.redis_user_is_set_in_the_options,
        f"spec.{HEAD}.rayStartParams[redis-username]",
        {f"{HEAD}.rayStartParams": {"redis-username": "me"}},
        {FT: {"redisAddress": "r:6379", "redisUsername": {"value": "me"}}},
    ),
    Row(
        fault_tolerance.redis_user_is_set_in_the_options,
        HEAD_ENV_PATH,
        {HEAD_ENV: [{"name": "REDIS_USERNAME", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        {HEAD_ENV: env("OTHER")},
    ),
    Row(
        fault_tolerance.options_are_the_only_place,
        f"spec.{HEAD}.rayStartParams[redis-password]",
        {FT: {"redisAddress": "r:6379"}, f"{HEAD}.rayStartParams": {"redis-password": "p"}},
        {f"{HEAD}.rayStartParams": {"redis-password": "p"}},
    ),
    Row(
        fault_tolerance.options_are_the_only_place,
        HEAD_ENV_PATH,
        {FT: {"redisAddress": "r:6379"}, HEAD_ENV: env("REDIS_PASSWORD")},
        {FT: {"redisAddress": "r:6379", "redisPassword": {"value": "p"}}},
    ),
    Row(
        fault_tolerance.options_are_the_only_place,
        HEAD_ENV_PATH,
        {FT: {"redisAddress": "r:6379"}, HEAD_ENV: env("RAY_REDIS_ADDRESS")},
        {FT: {"redisAddress": "r:6379"}},
    ),
    Row(
        fault_tolerance.options_are_the_only_place,
        "metadata.annotations[ray.io/external-storage-namespace]",
        {FT: {"redisAddress": "r:6379"}},
        {FT: {"redisAddress": "r:6379", "externalStorageNamespace": "n"}},
        annotations={"ray.io/external-storage-namespace": "n"},
    ),
    Row(
        fault_tolerance.redis_has_an_address,
        f"spec.{FT}.redisAddress",
        {FT: {"redisPassword": {"value": "p"}}},
        {FT: {"redisAddress": "r:6379", "redisPassword": {"value": "p"}}},
    ),
    Row(
        fault_tolerance.redis_has_no_volume,
        f"spec.{FT}.storage",
        {FT: {"redisAddress": "r:6379", "storage": {"size": "1Gi"}}},
        {FT: {"backend": "rocksdb", "storage": {"size": "1Gi"}}},
    ),
    *(
        Row(
            fault_tolerance.rocksdb_has_no_redis,
            f"spec.{FT}.{name}",
            {FT: {"backend": "rocksdb", name: value}},
            {FT: {"backend": "redis", name: value}},
        )
        for name, value in (
            ("redisAddress", "r:6379"),
            ("redisUsername", {"value": "me"}),
            ("redisPassword", {"value": "p"}),
            ("externalStorageNamespace", "n"),
        )
    ),
    *(
        Row(
            fault_tolerance.given_claim_is_taken_as_it_is,
            f"spec.{FT}.storage.{name}",
            {FT: {"backend": "rocksdb", "storage": {"claimName": "mine", name: value}}},
            {FT: {"backend": "rocksdb", "storage": {name: value}}},
        )
        for name, value in (("size", "1Gi"), ("storageClassName", "fast"), ("accessModes", ["ReadWriteOnce"]))
    ),
    Row(
        fault_tolerance.storage_size_is_an_amount,
        f"spec.{FT}.storage.size",
        {FT: {"backend": "rocksdb", "storage": {"size": "much"}}},
        {FT: {"backend": "rocksdb", "storage": {"size": 1000}}},
    ),
    Row(
        fault_tolerance.storage_size_is_an_amount,
        f"spec.{FT}.storage.size",
        {FT: {"backend": "rocksdb", "storage": {"size": "0Gi"}}},
        {FT: {"backend": "rocksdb", "storage": {"claimName": "mine"}}},
    ),
    Row(
        fault_tolerance.rocksdb_is_set_up_by_the_operator,
        HEAD_ENV_PATH,
        {FT: {"backend": "rocksdb"}, HEAD_ENV: env("RAY_gcs_storage_path")},
        {HEAD_ENV: env("RAY_gcs_storage_path")},
    ),
    Row(
        fault_tolerance.rocksdb_is_set_up_by_the_operator,
        f"spec.{HEAD}.template.spec.containers[0].volumeMounts[0]",
        {
            FT: {"backend": "rocksdb"},
            f"{HEAD}.template.spec.containers.0.volumeMounts": [{"name": "v", "mountPath": "/data/gcs"}],
        },
        {
            FT: {"backend": "rocksdb"},
            f"{HEAD}.template.spec.containers.0.volumeMounts": [{"name": "v", "mountPath": "/data/own"}],
        },
    ),
    Row(
        fault_tolerance.rocksdb_is_set_up_by_the_operator,
        f"spec.{HEAD}.template.spec.volumes[0]",
        {
            FT: {"backend": "rocksdb"},
            f"{HEAD}.template.spec.volumes": [{"name": "gcs-storage", "emptyDir": {}}],
        },
        {FT: {"backend": "rocksdb"}, f"{HEAD}.template.spec.volumes": [{"name": "mine", "emptyDir": {}}]},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(fault_tolerance) == {row.rule for row in ROWS}
