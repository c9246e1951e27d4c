"""`python -m crds`: write the files generated from the API's models, or check that they are up to date.

Needs `operator` and `hack` on the path: PYTHONPATH=operator:hack python -m crds [--check]
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from crds.definition import Crd
from crds.kinds import KINDS, Kind
from crds.kubernetes_types import KubernetesTypes
from crds.render import chart_template, manifest
from crds.revisions import Revisions
from crds.status_reference import status_reference
from rayfleet.api.crd_revisions import CRD_DIGESTS, CRD_REVISIONS

ROOT = Path(__file__).parents[2]
KUBERNETES_TYPES = ROOT / "hack/crds/kubernetes-types.json"


@cache
def generated() -> Mapping[str, str]:
    """Every generated file, by its path in the repository."""
    kubernetes, revisions = KubernetesTypes.load(KUBERNETES_TYPES), Revisions(CRD_REVISIONS, CRD_DIGESTS)
    files: dict[str, str] = {}
    for kind in KINDS:
        files |= _of_kind(kind, revisions.numbered(kind.crd(kubernetes)))
    return files | {"operator/rayfleet/api/crd_revisions.py": revisions.module()}


def _of_kind(kind: Kind, crd: Crd) -> Mapping[str, str]:
    pages = {
        kind.page: kind.page_text(),
        kind.status_page: status_reference(ROOT / kind.status_page, kind.status),
    }
    if not kind.is_served:
        return pages
    return {
        f"crds/{kind.file}": manifest(crd),
        f"charts/rayfleet/templates/crds/{kind.file}": chart_template(crd, kind.feature),
        **pages,
    }


def outdated(root: Path = ROOT) -> Sequence[str]:
    """The generated files under `root` that differ from their sources."""
    return [
        path
        for path, text in generated().items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if a checked file differs."""
    options = _parser().parse_args(arguments)
    if options.command == "refresh":
        from crds.live_types import live_types  # noqa: PLC0415 - the client library takes a second to import

        live_types(options.kubeconfig).save(KUBERNETES_TYPES)
        print(f"wrote {KUBERNETES_TYPES.relative_to(ROOT)}; now run `python -m crds`")
        return 0
    if options.check:
        files = outdated()
        if files:
            print(f"{', '.join(files)}: out of date with the API's models; run `make crds`", file=sys.stderr)
        return 1 if files else 0
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
        print(f"wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m crds", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is not up to date"
    )
    commands = parser.add_subparsers(dest="command")
    refresh = commands.add_parser("refresh", help="read Kubernetes' own types again from a live API server")
    refresh.add_argument("--kubeconfig", type=Path, required=True, help="how to reach it")
    return parser
