"""The worker's wait for the head."""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.kinds.raycluster.manifests.pod_template import Json
from rayfleet.kinds.raycluster.pod_settings import WAIT_CONTAINER, WaitSize

# One fork of a running bash every half second: 2 ms of CPU per second, while each `ray health-check` takes
# 1.1 s and 137 MB. Needs only bash, and writes no file.
# - The first process of a container ignores every signal that it does not trap.
# - Reading a pipe with a time-out sleeps without a process, and wakes as soon as an attempt succeeds.
# - Four times half a second limit an attempt: an address without a host behind it never answers.
_WAIT: Final = """\
trap 'exit 143' TERM
exec {answers}<> <(:) || exit
hint=120
while true; do
  (true <>"/dev/tcp/$1/$2" && echo open >&"$answers") 2>/dev/null &
  attempt=$!
  for _ in 1 2 3 4; do
    read -rt 0.5 -u "$answers" && exit 0
    kill -0 "$attempt" 2>/dev/null || break
  done
  { kill -9 "$attempt"; wait "$attempt"; } 2>/dev/null
  if ((SECONDS >= hint)); then
    echo "No answer from the GCS at ${1%.}:$2 for $SECONDS s. Is the head pod running," \\
      "and does a NetworkPolicy let this pod reach it?"
    ((hint = SECONDS + 120))
  fi
done
"""


def wait_for_gcs(container: Mapping[str, Any], host: str, port: str, size: WaitSize) -> Json:
    """An init container that ends as soon as the GCS at `host` accepts connections on `port`.

    It has the Ray container's image and security context. It waits without limit: without a head there is
    nothing else that a worker could do.
    """
    copied = {
        field: container[field]
        for field in ("image", "imagePullPolicy", "securityContext")
        if container.get(field) is not None
    }
    return {
        "name": WAIT_CONTAINER,
        **copied,
        "command": ["/bin/bash", "-c", _WAIT, WAIT_CONTAINER, host, port],
        "resources": {"requests": size.amounts(), "limits": size.amounts()},
    }
