"""The README as Markdown."""

import json
from collections.abc import Sequence
from typing import Final

from chart_readme.values import Section, Value

_HEAD: Final = """\
<!-- Generated from the comments of values.yaml by `make chart-readme`. Do not edit. -->
# rayfleet

A Kubernetes operator that runs [Ray](https://www.ray.io) clusters on GPU nodes and sizes them by their queue.
It serves the `ray.io/v1` API of KubeRay: a RayCluster manifest works unchanged.

## Install

It takes Kubernetes 1.30 or later and Helm 3.17 or later. No image is published: build the operator's from a
checkout, and push it to a registry from which your nodes can pull.

```bash
IMAGE=registry.example.com/rayfleet/operator:0.1.0
docker build -f images/operator/Dockerfile -t $IMAGE .
docker push $IMAGE
helm install rayfleet charts/rayfleet --namespace rayfleet --create-namespace \\
  --set image.repository=${IMAGE%:*} --set image.tag=${IMAGE##*:}
kubectl --namespace rayfleet rollout status deployment/rayfleet
```

The chart installs a Deployment with two replicas, the CustomResourceDefinition of RayCluster, and the rights
that the operator needs. It has no webhook and no job. Its pods run under the Pod Security level `restricted`.

| to | see |
|---|---|
| install beside or after KubeRay, upgrade, roll back, uninstall | [installing](../../docs/install.md) |
| see what each right is for, and which value removes it | [security](../../docs/security.md) |
| scrape, and know what to look at | [monitoring](../../docs/monitoring.md) |

`helm upgrade` upgrades the CustomResourceDefinition too. `helm uninstall` leaves it in place, and with it all
RayClusters and their pods.

## Values

`helm install` refuses a value that does not exist or has the wrong type, and names it.
"""


def readme(sections: Sequence[Section]) -> str:
    """The page: how to install the chart, and a table of values for each section."""
    return _HEAD + "".join(map(_section, sections))


def _section(section: Section) -> str:
    rows = [("value", "default", "meaning"), ("---",) * 3, *map(_row, section.values)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"\n### {section.title}\n\n{table}\n"


def _row(value: Value) -> tuple[str, ...]:
    default = "" if value.default is None else f"`{json.dumps(value.default)}`"
    return f"`{value.path}`", default, value.comment.replace("|", "\\|")
