"""Adds up all primes below a limit: in one process, then in eight Ray tasks, and compares.

ray job submit --working-dir examples -- python sum_primes.py
"""

import argparse
import time

import ray

TASKS = 8


def is_prime(odd: int) -> bool:
    """Whether an odd number above 1 is prime."""
    divisor = 3
    while divisor * divisor <= odd:
        if odd % divisor == 0:
            return False
        divisor += 2
    return True


def sum_primes(limit: int, share: int, shares: int) -> int:
    """The sum of the odd primes below `limit` in one of `shares` equal shares.

    A share takes every n-th odd number, not a range: large numbers cost more, and each share gets as many.
    """
    return sum(odd for odd in range(3 + 2 * share, limit, 2 * shares) if is_prime(odd))


@ray.remote(scheduling_strategy="SPREAD")
def start_worker() -> None:
    """Nothing: the first task on a CPU starts a Python process there."""


@ray.remote
def task(limit: int, share: int) -> tuple[int, str]:
    """The sum of one of the eight shares, and the Ray node that computed it."""
    return sum_primes(limit, share, TASKS), ray.get_runtime_context().get_node_id()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--limit", type=int, default=3_000_000, help="primes below this are added up (default: %(default)s)"
    )
    limit = parser.parse_args().limit

    began = time.perf_counter()
    alone = 2 + sum_primes(limit, share=0, shares=1)
    alone_seconds = time.perf_counter() - began
    print(f"1 process: the primes below {limit:,} add up to {alone} ({alone_seconds:.1f} s)", flush=True)

    ray.init(log_to_driver=False, logging_level="warning")
    began = time.perf_counter()
    cpus = int(ray.cluster_resources().get("CPU", 1))
    ray.get([start_worker.remote() for _ in range(cpus)])
    print(f"Ray started {cpus} worker processes ({time.perf_counter() - began:.1f} s)", flush=True)

    began = time.perf_counter()
    parts = ray.get([task.remote(limit, share) for share in range(TASKS)])
    together = 2 + sum(part for part, _ in parts)
    together_seconds = time.perf_counter() - began
    nodes = len({node for _, node in parts})
    print(
        f"{TASKS} tasks:   the primes below {limit:,} add up to {together} ({together_seconds:.1f} s)",
        flush=True,
    )

    if together != alone:
        raise SystemExit("The two sums differ.")
    times = alone_seconds / together_seconds
    print(
        f"The sums are equal. {TASKS} tasks on {nodes} Ray nodes were {times:.1f} times as fast as 1 process."
    )


if __name__ == "__main__":
    main()
