"""``pods/exec``: a command in a running container, over a WebSocket with a channel for each stream.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.container import CannotRun
from cloudlink_sandbox.kube.kinds import PODS
from cloudlink_sandbox.kube.pods import chosen_container
from cloudlink_sandbox.kube.requests import Request
from cloudlink_sandbox.kube.websocket import Ended, WebSocket

# v5 can close a stream (channel 255); v4 is what Kubernetes' Python client speaks.
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_WALL_SECONDS = 300.0


class RemoteCommand:
    """A command that may be run; ``serve`` runs it. Made with the context's lock held, served without it."""

    def __init__(self, cluster: Cluster, request: Request, environ: dict[str, Any]) -> None:
        """Raises ApiError for a pod, a container or a way of asking that will not do."""
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        pod = cluster.store.get(PODS, request.namespace or "", request.name)
        self._argv = query.get("command") or []
        if not self._argv:
            raise status.bad_request("you must specify at least one command for the container")
        self._container = chosen_container(pod, query.get("container", [""])[0])
        phase = pod["status"]["phase"]
        if phase in ("Succeeded", "Failed"):
            raise status.bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            raise status.bad_request("the sandbox speaks WebSocket here and no SPDY: kubectl does so since 1.31")
        offered = [p.strip() for p in environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").split(",")]
        protocol = next((p for p in _PROTOCOLS if p in offered), None)
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
        connection = environ.get("werkzeug.socket")
        if protocol is None or not key or not isinstance(connection, socket.socket):
            raise status.bad_request(f"the sandbox speaks {' and '.join(_PROTOCOLS)} here")
        self._protocol, self._key, self._connection = protocol, key, connection
        self._tty = query.get("tty", [""])[0] in ("1", "true")
        self._stdin = query.get("stdin", [""])[0] in ("1", "true")
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal: int | None = None
        self._problem = ""
        try:
            self._start(cluster, request)
        except CannotRun as e:
            self._problem = f"failed to exec in container: failed to start exec: {e}: unknown"

    def _start(self, cluster: Cluster, request: Request) -> None:
        streams: dict[str, int] = {}
        if self._tty:
            self._terminal, other = os.openpty()
            streams = {"stdin": other, "stdout": other, "stderr": other}
        else:
            streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            if not self._stdin:
                streams["stdin"] = subprocess.DEVNULL
        try:
            self._process = cluster.pods.start_beside(
                request.namespace or "", request.name, self._container, self._argv, **streams
            )
        finally:
            if self._tty:
                os.close(other)

    def serve(self) -> Iterable[bytes]:
        """The whole exchange, until the command ends or the client goes."""
        web = WebSocket(self._connection)
        with contextlib.suppress(OSError, Ended):
            web.open(self._key, self._protocol)
            if self._process is not None:
                self._carry(web, self._process)
            web.send(bytes([_ERROR]) + json.dumps(self._ended()).encode())
            web.close()
        if self._process is not None:
            self._kill(self._process)
        if self._terminal is not None:
            os.close(self._terminal)
        return []

    def _carry(self, web: WebSocket, process: subprocess.Popen[bytes]) -> None:
        outputs = {self._terminal: _STDOUT} if self._terminal is not None else {}
        for stream, channel in ((process.stdout, _STDOUT), (process.stderr, _STDERR)):
            if stream is not None:
                outputs[stream.fileno()] = channel
        ends = time.monotonic() + _WALL_SECONDS
        while outputs and time.monotonic() < ends:
            wait = 0.0 if web.waiting() else 1.0
            readable, _, _ = select.select([web.fileno(), *outputs], [], [], wait)
            for descriptor in readable:
                if descriptor not in outputs:
                    continue
                try:
                    data = os.read(descriptor, 32768)
                except OSError:  # how a terminal says that nobody has it open any more
                    data = b""
                if data:
                    web.send(bytes([outputs[descriptor]]) + data)
                else:
                    del outputs[descriptor]
            if web.waiting() or web.fileno() in readable:
                self._take(web.receive(), process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, ends - time.monotonic()))

    def _take(self, message: bytes | None, process: subprocess.Popen[bytes]) -> None:
        if not message:
            return
        channel, data = message[0], message[1:]
        if channel == _RESIZE and self._terminal is not None:
            size = json.loads(data)
            fcntl.ioctl(
                self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0)
            )
        elif channel == _STDIN and self._terminal is not None:
            os.write(self._terminal, data)
        elif channel == _STDIN and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):
                process.stdin.write(data)
                process.stdin.flush()
        elif channel == _CLOSE and data[:1] == bytes([_STDIN]) and process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def _ended(self) -> dict[str, Any]:
        """The Status that the error channel carries last."""
        code = self._process.poll() if self._process is not None else None
        if code == 0:
            return {"metadata": {}, "status": "Success"}
        if code is None:
            problem = self._problem or "the command took longer than the sandbox lets it"
            message = f"error executing command in container: {problem}"
            return status.internal(message).json()
        number = str(code if code >= 0 else 128 - code)
        return {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {number}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": number}]},
        }

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it leads its own group, so nothing else is hit
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
