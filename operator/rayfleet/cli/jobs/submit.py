"""`rayfleet submit`: a command becomes a RayJob, whose log is followed to its end."""

import argparse
import shlex
from collections.abc import Mapping
from typing import Any, Final

import yaml

from rayfleet.api.names import KIND, RAYJOB_KIND
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.rayjob import RayJobSpec, parse_spec, runtime_env, validate
from rayfleet.cli.documents import documents, objects, refuse
from rayfleet.cli.errors import CommandError
from rayfleet.cli.jobs.manifest import (
    ClusterShape,
    Wishes,
    from_cluster,
    from_job,
    on_named_cluster,
    on_new_cluster,
    wished,
)
from rayfleet.cli.jobs.package import Package, packed
from rayfleet.cli.jobs.runtime_env import local_directory, read_runtime_env, with_variables
from rayfleet.cli.jobs.screen import Screen
from rayfleet.cli.manifest_faults import Unknown, unknown_fields

_DRAWN: Final = "00000"
"""What stands for the end of a name that the API server draws."""


def submit(given: argparse.Namespace) -> int:
    """The exit code: that of the job, if it is followed. Raises CommandError if it cannot be submitted."""
    screen = Screen()
    job, package = _job(given, screen)
    if given.dry_run:
        screen.log(yaml.safe_dump(job, sort_keys=False, allow_unicode=True, width=100).splitlines())
        if package is not None:
            screen.say(
                f"the working directory ({package.words}) and then the job are sent to the head from here"
            )
        return 0
    # The API client takes a third of a second to import.
    from rayfleet.cli.jobs.submission import submit_and_follow  # noqa: PLC0415 - as above

    return submit_and_follow(given, job, package, screen)


def _job(given: argparse.Namespace, screen: Screen) -> tuple[dict[str, Any], Package | None]:
    """The RayJob, and what has to be sent to its head."""
    base = _base(given)
    environment = _environment(given, base)
    directory = local_directory(environment)
    package = None
    if directory is not None:
        if given.retries:
            raise CommandError(
                "--retries is not possible with a working directory of this machine, which has to send it"
                " each time: put an archive where the cluster can read it, and name its URI."
            )
        package = packed(directory)
        environment["working_dir"] = package.uri
    wishes = Wishes(
        entrypoint=shlex.join(given.words),
        name=given.name,
        namespace=given.namespace,
        runtime_env=environment,
        num_cpus=given.entrypoint_num_cpus,
        num_gpus=given.entrypoint_num_gpus,
        retries=given.retries,
        keep=given.keep,
        uploads=package is not None,
    )
    job = wished(base, wishes)
    for unknown in _checked(given.filename or "the RayJob", job):
        screen.say(str(unknown))
    return job, package


def _base(given: argparse.Namespace) -> dict[str, Any]:
    if given.cluster is not None:
        return on_named_cluster(given.cluster)
    if given.filename is not None:
        return _from_file(given.filename)
    chosen = {
        field: value
        for field in ("image", "gpus", "cpus", "memory", "workers", "min_workers")
        if (value := getattr(given, field)) is not None
    }
    for option in ("cpus", "memory"):
        _check_amount(f"--{option}", chosen.get(option))
    shape = ClusterShape(**chosen)
    if shape.min_workers > shape.workers:
        raise CommandError(
            f"--min-workers {shape.min_workers} is more than --workers {shape.workers}: raise --workers."
        )
    return on_new_cluster(shape)


def _check_amount(option: str, amount: str | None) -> None:
    try:
        is_negative = amount is not None and parse_quantity(amount) < 0
    except ValueError as error:
        raise CommandError(f"{option}: {error}") from None
    if is_negative:
        raise CommandError(f"{option} {amount} is negative: write 0 or more.")


def _from_file(file: str) -> dict[str, Any]:
    """The RayJob of a manifest, or one with the cluster of a manifest."""
    found = [
        item for item in objects(documents(file)) if str(item.get("apiVersion", "")).startswith("ray.io/")
    ]
    jobs = [item for item in found if item.get("kind") == RAYJOB_KIND]
    clusters = [item for item in found if item.get("kind") == KIND]
    if len(jobs or clusters) != 1:
        raise CommandError(
            f"{file} has {len(jobs)} RayJobs and {len(clusters)} RayClusters: name a manifest with one."
        )
    job = from_job(jobs[0]) if jobs else from_cluster(clusters[0])
    if not isinstance(job["spec"], Mapping):
        raise CommandError(f"{file} has a {RAYJOB_KIND} without a spec: write one.")
    return job


def _environment(given: argparse.Namespace, base: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime environment of the manifest, or of the command line, with its variables and directory."""
    if given.runtime_env is not None:
        environment = read_runtime_env(given.runtime_env)
    else:
        spec = parse_spec(base["spec"])
        try:
            environment = dict(runtime_env(spec)) if isinstance(spec, RayJobSpec) else {}
        except ValueError as error:
            raise CommandError(f"{given.filename}: spec.runtimeEnvYAML {error}") from None
    environment = with_variables(environment, given.env)
    return {**environment, "working_dir": given.working_dir} if given.working_dir else environment


def _checked(file: str, job: Mapping[str, Any]) -> tuple[Unknown, ...]:
    """Fields that have no effect. Raises CommandError for what the operator would refuse."""
    metadata = job["metadata"]
    name = metadata.get("name") or f"{metadata['generateName']}{_DRAWN}"
    spec = parse_spec(job["spec"])
    if not isinstance(spec, RayJobSpec):
        raise refuse(file, spec)
    if not spec.entrypoint:
        raise CommandError(
            "there is no command to run: write it after --, as in `submit -- python train.py`."
        )
    labels, annotations = metadata.get("labels"), metadata.get("annotations")
    if broken := validate(spec, name=name, labels=labels, annotations=annotations):
        raise refuse(file, broken)
    return unknown_fields(spec, job["spec"])
