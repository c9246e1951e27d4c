"""A device plugin that offers GPUs which do not exist, as the kubelet's device plugin API v1beta1 asks.

    python gpu_plugin.py FOLDER COUNT UNHEALTHY_FILE

FOLDER is the kubelet's `device-plugins` folder. The devices are gpu-0, gpu-1, ...; those whose names
stand in UNHEALTHY_FILE, separated by white space, are reported as Unhealthy from then on. A container gets
the names of its devices in NVIDIA_VISIBLE_DEVICES, as from the vendor's plugin.
"""

import os
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

RESOURCE = "nvidia.com/gpu"
_KUBELET = "kubelet.sock"
_OWN = "rayfleet-gpu.sock"
_POLL_S = 0.2
_F = descriptor_pb2.FieldDescriptorProto
# Message -> fields: name, number, type or message, repeated. Written out, so that no code is generated.
_MESSAGES: dict[str, list[tuple[str, int, "int | str", bool]]] = {
    "Empty": [],
    "DevicePluginOptions": [],
    "RegisterRequest": [
        ("version", 1, _F.TYPE_STRING, False),
        ("endpoint", 2, _F.TYPE_STRING, False),
        ("resource_name", 3, _F.TYPE_STRING, False),
    ],
    "Device": [("ID", 1, _F.TYPE_STRING, False), ("health", 2, _F.TYPE_STRING, False)],
    "ListAndWatchResponse": [("devices", 1, "Device", True)],
    "ContainerAllocateRequest": [("devices_ids", 1, _F.TYPE_STRING, True)],
    "AllocateRequest": [("container_requests", 1, "ContainerAllocateRequest", True)],
    # A protobuf map is a repeated message of keys and values.
    "EnvsEntry": [("key", 1, _F.TYPE_STRING, False), ("value", 2, _F.TYPE_STRING, False)],
    "ContainerAllocateResponse": [("envs", 1, "EnvsEntry", True)],
    "AllocateResponse": [("container_responses", 1, "ContainerAllocateResponse", True)],
}


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="deviceplugin.proto", package="v1beta1", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(
                    name=field, number=number, label=label, type=_F.TYPE_MESSAGE, type_name=f".v1beta1.{kind}"
                )
            else:
                message.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v1beta1.{name}"))
        for name in _MESSAGES
    }


class GpuPlugin:
    """The three calls that the kubelet makes, and the one that it answers."""

    def __init__(self, count: int, unhealthy: Path) -> None:
        self._count = count
        self._unhealthy = unhealthy
        self._types = _message_classes()

    def serve_until_the_kubelet_restarts(self) -> None:
        """Serve on a socket in the current folder, which the kubelet empties when it starts."""
        kubelet = _await_kubelet()
        server = grpc.server(futures.ThreadPoolExecutor(8), handlers=[self._handlers()])
        server.add_insecure_port(f"unix:{_OWN}")
        server.start()
        try:
            self._register()
            while _kubelet() == kubelet:
                time.sleep(_POLL_S)
        except grpc.RpcError as error:
            print(f"the kubelet did not take the registration: {error}", flush=True)
            time.sleep(_POLL_S)
        finally:
            server.stop(grace=None).wait()
            Path(_OWN).unlink(missing_ok=True)

    def _register(self) -> None:
        request = self._types["RegisterRequest"](version="v1beta1", endpoint=_OWN, resource_name=RESOURCE)
        with grpc.insecure_channel(f"unix:{_KUBELET}") as channel:
            call = channel.unary_unary(
                "/v1beta1.Registration/Register",
                request_serializer=_serialize,
                response_deserializer=self._types["Empty"].FromString,
            )
            call(request, timeout=5)
        print(f"registered {self._count} {RESOURCE}", flush=True)

    def _handlers(self) -> grpc.GenericRpcHandler:
        def unary(function: Any, request: str) -> Any:  # noqa: ANN401 - grpcio ships no types
            return grpc.unary_unary_rpc_method_handler(function, self._types[request].FromString, _serialize)

        watch = grpc.unary_stream_rpc_method_handler(self._watch, self._types["Empty"].FromString, _serialize)
        return grpc.method_handlers_generic_handler(
            "v1beta1.DevicePlugin",
            {
                "GetDevicePluginOptions": unary(self._options, "Empty"),
                "ListAndWatch": watch,
                "Allocate": unary(self._allocate, "AllocateRequest"),
            },
        )

    def _options(self, _request: Any, _context: Any) -> Any:  # noqa: ANN401 - gRPC has no types
        return self._types["DevicePluginOptions"]()

    def _watch(self, _request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401 - gRPC has no types
        reported: set[str] | None = None
        while context.is_active():
            unhealthy = _words(self._unhealthy)
            if unhealthy != reported:
                reported = unhealthy
                yield self._types["ListAndWatchResponse"](devices=self._devices(unhealthy))
            time.sleep(_POLL_S)

    def _devices(self, unhealthy: set[str]) -> list[Any]:
        names = [f"gpu-{number}" for number in range(self._count)]
        return [
            self._types["Device"](ID=name, health="Unhealthy" if name in unhealthy else "Healthy")
            for name in names
        ]

    def _allocate(self, request: Any, _context: Any) -> Any:  # noqa: ANN401 - gRPC has no types
        response = self._types["AllocateResponse"]()
        for container in request.container_requests:
            names = ",".join(sorted(container.devices_ids))
            response.container_responses.add().envs.add(key="NVIDIA_VISIBLE_DEVICES", value=names)
        return response


def _serialize(message: Any) -> bytes:  # noqa: ANN401 - gRPC has no types
    return bytes(message.SerializeToString())


def _words(file: Path) -> set[str]:
    try:
        return set(file.read_text().split())
    except FileNotFoundError:
        return set()


def _kubelet() -> tuple[int, int] | None:
    """The identity of the kubelet's socket: another one after a restart."""
    try:
        status = Path(_KUBELET).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _await_kubelet() -> tuple[int, int]:
    while True:
        kubelet = _kubelet()
        if kubelet:
            return kubelet
        time.sleep(_POLL_S)


def main() -> None:
    """Offer the devices until we are ended."""
    folder, count, unhealthy = sys.argv[1:]
    plugin = GpuPlugin(int(count), Path(unhealthy).absolute())
    # Sockets are named relative to it: a full path can be longer than a socket's name may be.
    os.chdir(folder)
    while True:
        plugin.serve_until_the_kubelet_restarts()


if __name__ == "__main__":
    main()
