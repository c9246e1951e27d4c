"""Metrics of what a test bed does not have: the kubelet, kube-state-metrics, Ray, NVIDIA's exporter."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT = 8e9
"""Bytes that a head may use."""


class Exporter:
    """What they would say about one cluster; a test changes what it is about."""

    def __init__(self, namespace: str, cluster: str) -> None:
        self._namespace = namespace
        self._cluster = cluster
        self.head_memory = 0.3 * LIMIT
        self.workers: Sequence[str] = ()
        """Names of its worker pods."""
        self.tasks = 0
        self.port = 0

    @property
    def text(self) -> str:
        """In the text format."""
        head = f"{self._cluster}-head-x2k4z"
        container = f'namespace="{self._namespace}",pod="{head}",container="ray"'
        lines = [
            f"container_memory_working_set_bytes{{{container}}} {self.head_memory:g}",
            f'kube_pod_container_resource_limits{{{container},resource="memory",unit="byte"}} {LIMIT:g}',
        ]
        of_cluster = f'namespace="{self._namespace}",ray_io_cluster="{self._cluster}"'
        for pod in (head, *self.workers):
            group = "headgroup" if pod == head else "gpu"
            node = f'{of_cluster},pod="{pod}",ray_io_group="{group}"'
            busy = 12 if pod == head else 71
            lines += [
                f"ray_node_cpu_count{{{node}}} 8",
                f"ray_node_cpu_utilization{{{node}}} {busy}",
                f"ray_node_mem_used{{{node}}} {busy * 1e8:g}",
            ]
        on_head = f'{of_cluster},pod="{head}",ray_io_group="headgroup"'
        lines += [
            f'ray_tasks{{{on_head},State="RUNNING"}} {len(self.workers)}',
            f'ray_tasks{{{on_head},State="PENDING_NODE_ASSIGNMENT"}} {self.tasks}',
            f'ray_actors{{{on_head},State="ALIVE"}} {len(self.workers)}',
            f'ray_object_store_memory{{{on_head},Location="MMAP_SHM"}} {2e9 + 1e8 * len(self.workers):g}',
            f'ray_object_store_memory{{{on_head},Location="SPILLED"}} 1e8',
        ]
        for pod in self.workers:
            gpu = f'namespace="{self._namespace}",pod="{pod}",gpu="0"'
            lines += [f"DCGM_FI_DEV_GPU_UTIL{{{gpu}}} 83", f"DCGM_FI_DEV_FB_USED{{{gpu}}} 61440"]
        return "\n".join(lines) + "\n"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, exporter: Exporter, *arguments: object) -> None:
        self._exporter = exporter
        super().__init__(*arguments)  # type: ignore[arg-type]  # those of the server, as they are

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(self._exporter.text.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def other_exporters(namespace: str, cluster: str) -> Iterator[Exporter]:
    """All of them behind one port."""
    exporter = Exporter(namespace, cluster)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, exporter)) as server:
        exporter.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield exporter
        finally:
            server.shutdown()
            thread.join()
