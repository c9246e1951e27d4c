"""Queues tasks that need one GPU each, and waits for them: a cluster that follows its queue starts workers.

ray job submit --working-dir examples/autoscaling -- python gpu_tasks.py
"""

import argparse
import time

import ray


@ray.remote(num_gpus=1)
def task(seconds: float) -> str:
    """Hold a GPU for some seconds; return the Ray node it is on."""
    time.sleep(seconds)
    return ray.get_runtime_context().get_node_id()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=9, help="how many are queued (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="for how long each has its GPU (default: %(default)s)"
    )
    options = parser.parse_args()

    ray.init(log_to_driver=False, logging_level="warning")
    gpus = int(ray.cluster_resources().get("GPU", 0))
    began = time.monotonic()
    waiting = [task.remote(options.seconds) for _ in range(options.tasks)]
    print(f"{options.tasks} tasks are queued, each for a GPU. Ray has {gpus} GPUs.", flush=True)
    nodes: list[str] = []
    while waiting:
        done, waiting = ray.wait(waiting)
        node = ray.get(done[0])
        nodes += [node] if node not in nodes else []
        so_far = f"{options.tasks - len(waiting)} of {options.tasks} ended"
        print(f"{so_far} after {time.monotonic() - began:.1f} s, on node {nodes.index(node) + 1}", flush=True)
    print(f"All {options.tasks} tasks are done, on {len(nodes)} Ray nodes.")


if __name__ == "__main__":
    main()
