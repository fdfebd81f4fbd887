"""Python as it runs in a sandbox pod: sockets and names go to the sandbox's wire instead of this machine's network.

Started as a program of its own (``python -I -S pod_python.py SETTINGS [python's arguments]``), with the standard
library alone and nothing of cloudlink. SETTINGS is JSON: hostname, port and token of the wire, resolv_conf, speed, busy.

The wire says what is lost. That it has not answered yet says nothing: on a machine that is busy a pod waits for it so many times
longer than its time-out as processes wait for each processor.

What differs from a real pod: time-outs are waited for at the speed of the sandbox's clock, 0.3 s at most; a program
that listens is reached by nobody; IPv6 and raw sockets do not exist.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

_REAL = socket.socket
_LONGEST_WAIT = 0.3
_WIRE_SECONDS = 10.0  # wall time within which the wire says what becomes of a packet
_WIRE_TRIES = 4
_SETTINGS: dict[str, Any] = {"hostname": "pod", "port": 0, "token": "", "resolv_conf": "", "speed": 60.0, "busy": 1.0}
# Options of Linux, and what a pod's interface and TCP have there
_MTU_DISCOVER, _PMTUDISC_DO, _PMTUDISC_PROBE, _PATH_MTU, _MAXSEG = 10, 2, 3, 14, 2
_INTERFACE_MTU, _UDP_HEADERS, _TIMESTAMPS = 1500, 28, 12
_RESOLV_CONF = "/etc/resolv.conf"


def _pause(seconds: float | None) -> None:
    """Wait this long in sandbox time."""
    if seconds is None:  # a socket without a time-out waits for ever
        while True:
            time.sleep(3600)
    speed = float(_SETTINGS["speed"])
    time.sleep(min(seconds / speed if speed > 0 else _LONGEST_WAIT, _LONGEST_WAIT))


def _timed_out(seconds: float | None) -> TimeoutError:
    _pause(seconds)
    return TimeoutError("timed out")


class WireTrouble(OSError):
    """The sandbox itself did not answer. No errno: nothing in a real network is like it."""


class PodSocket(_REAL):
    """A socket whose other end is in the sandbox. Unix sockets are left alone."""

    _patience: float | None = -1.0  # the time-out as the program has set it; below 0: it has not
    _peer: tuple[str, int] | None = None
    _unanswered = 0
    _whole = False  # Don't Fragment
    _mss = 1460

    @property
    def _inside(self) -> bool:
        return self.family == socket.AF_INET

    @property
    def _datagrams(self) -> bool:
        return self._inside and (self.type & 0xF) == socket.SOCK_DGRAM

    # --- time-outs -------------------------------------------------------------------------------------------

    def settimeout(self, value: Any) -> None:
        if not self._inside or value is None or value < 0:
            super().settimeout(value)
        else:
            super().settimeout(value * float(_SETTINGS["busy"]))
        self._patience = value

    def gettimeout(self) -> float | None:
        patience = self._patience
        return super().gettimeout() if patience is not None and patience < 0 else patience

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)

    def _target(self, address: Any) -> tuple[str, int]:
        host, port = address[0], int(address[1])
        found = getaddrinfo(host, port, socket.AF_INET, self.type)
        return str(found[0][4][0]), port

    # --- connecting ------------------------------------------------------------------------------------------

    def bind(self, address: Any) -> None:
        super().bind(("127.0.0.1", 0) if self._inside else address)

    def connect(self, address: Any) -> None:
        if self.family == socket.AF_INET6:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        if not self._inside:
            super().connect(address)
            return
        target = self._target(address)
        if self._datagrams:
            self._peer = target
            return
        if target[0].startswith("127."):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        patience = self.gettimeout()
        if not _SETTINGS["port"]:
            raise _timed_out(patience if patience is not None else 130.0)
        outcome = self._ask_wire(target, patience)
        self.settimeout(patience)
        if outcome == "refused":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        if outcome != "delivered":
            raise _timed_out(patience if patience is not None else 130.0)  # Linux gives up after about 130 s
        self._peer = target

    def _ask_wire(self, target: tuple[str, int], patience: float | None) -> str:
        """What becomes of a connection to ``target``. The wire may be slow on a busy machine, or the kernel refuse it or
        drop it while its queue is full: that is a trouble of the sandbox's own, and says nothing about the target. So it is
        asked again, on a new socket under the same number; and it never looks like the target's refusal.
        """
        head = {"token": _SETTINGS["token"], "to": target[0], "port": target[1], "timeout": patience}
        trouble = ""
        for attempt in range(_WIRE_TRIES):
            if attempt:
                time.sleep(0.05 * 2**attempt)
                with _REAL(self.family, self.type, self.proto) as fresh:
                    os.dup2(fresh.fileno(), self.fileno(), inheritable=False)
            self.settimeout(_WIRE_SECONDS)
            try:
                super().connect(("127.0.0.1", _SETTINGS["port"]))
                super().sendall(json.dumps(head).encode() + b"\n")
                line = b""
                while not line.endswith(b"\n"):
                    got = super().recv(1)
                    if not got:
                        break
                    line += got
                if line.endswith(b"\n"):
                    said = json.loads(line)
                    self._mss = int(said["mss"])
                    return str(said["outcome"])
                trouble = "it closed the connection without an answer"
            except OSError as error:
                trouble = str(error)
            except (ValueError, KeyError, TypeError):
                trouble = "another program answers on its port"
        raise WireTrouble(f"the sandbox's own wire did not answer, which says nothing about {target[0]}: {trouble}")

    def connect_ex(self, address: Any) -> int:
        try:
            self.connect(address)
        except TimeoutError:
            return errno.EAGAIN
        except OSError as e:
            return e.errno or errno.EIO
        return 0

    def getpeername(self) -> Any:
        return self._peer if self._peer is not None and self._inside else super().getpeername()

    def setsockopt(self, level: Any, option: Any, *value: Any) -> None:
        if self._inside and (level, option) == (socket.IPPROTO_IP, _MTU_DISCOVER):
            self._whole = value[0] in (_PMTUDISC_DO, _PMTUDISC_PROBE)
            return
        super().setsockopt(level, option, *value)

    def getsockopt(self, level: Any, option: Any, *size: Any) -> Any:
        if self._inside and (level, option) == (socket.IPPROTO_IP, _PATH_MTU):
            if self._peer is None:
                raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
            return _INTERFACE_MTU  # nothing on the way says that less passes
        if self._inside and (level, option) == (socket.IPPROTO_TCP, _MAXSEG) and self._peer is not None:
            return self._mss - _TIMESTAMPS
        return super().getsockopt(level, option, *size)

    # --- sending ---------------------------------------------------------------------------------------------

    def _send_frame(self, data: Any, target: tuple[str, int]) -> int:
        if self._whole and len(data) + _UDP_HEADERS > _INTERFACE_MTU:
            raise OSError(errno.EMSGSIZE, "Message too long")
        if target[0].startswith("127.") or not _SETTINGS["port"]:
            return len(data)  # nobody there: the packet is gone
        head = {"token": _SETTINGS["token"], "to": target[0], "port": target[1]}
        super().sendto(json.dumps(head).encode() + b"\n" + bytes(data), ("127.0.0.1", _SETTINGS["port"]))
        self._unanswered += 1
        return len(data)

    def sendto(self, data: Any, *rest: Any) -> int:
        if not self._datagrams:
            return int(super().sendto(data, *rest))
        return self._send_frame(data, self._target(rest[-1]))

    def send(self, data: Any, flags: int = 0) -> int:
        if not self._datagrams:
            return super().send(data, flags)
        if self._peer is None:
            raise OSError(errno.EDESTADDRREQ, "Destination address required")
        return self._send_frame(data, self._peer)

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._datagrams:
            self.send(data)
        else:
            super().sendall(data, flags)

    # --- receiving -------------------------------------------------------------------------------------------

    def _receive_frame(self) -> tuple[bytes, tuple[str, int]]:
        patience = self.gettimeout()
        while True:
            if self._unanswered <= 0:
                if patience == 0:
                    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
                raise _timed_out(patience)
            if patience != 0:
                self.settimeout(_WIRE_SECONDS)
            try:
                frame, _ = super().recvfrom(70_000)
            finally:
                self.settimeout(patience)
            self._unanswered -= 1
            line, _, data = frame.partition(b"\n")
            head = json.loads(line)
            if head["outcome"] == "refused" and self._peer is not None:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
            late = patience is not None and patience > 0 and head.get("seconds", 0.0) >= patience
            if head["outcome"] == "delivered" and not late:
                _pause(head.get("seconds", 0.0))
                return data, (head["from"], head["port"])

    def recvfrom(self, size: int, flags: int = 0) -> Any:
        if not self._datagrams:
            return super().recvfrom(size, flags)
        data, sender = self._receive_frame()
        return data[:size], sender

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> Any:
        data, sender = self.recvfrom(size or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data), sender

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._datagrams:
            return self._receive_frame()[0][:size]
        try:
            return super().recv(size, flags)
        except ConnectionResetError:
            if not self._inside:
                raise
            # the wire's word for: from here on the packets are lost
            raise _timed_out(self.gettimeout()) from None

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        if self._datagrams:
            data = self._receive_frame()[0][: size or len(buffer)]
            buffer[: len(data)] = data
            return len(data)
        try:
            return super().recv_into(buffer, size, flags)
        except ConnectionResetError:
            if not self._inside:
                raise
            raise _timed_out(self.gettimeout()) from None


# --- names, as the C library looks them up ----------------------------------------------------------------------------


def _configuration() -> tuple[list[str], list[str], int]:
    servers: list[str] = []
    search: list[str] = []
    ndots = 1
    for line in str(_SETTINGS["resolv_conf"]).splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "nameserver":
            servers += words[1:2]
        elif words[0] == "search":
            search = words[1:]
        elif words[0] == "options":
            ndots = next((int(w[6:]) for w in words if w.startswith("ndots:")), ndots)
    return servers, search, ndots


def _skip_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def _exchange(server: str, question: bytes) -> bytes:
    with PodSocket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5.0)
        s.sendto(question, (server, 53))
        answer: bytes = s.recvfrom(4096)[0]
    if not answer[2] & 0x02:
        return answer
    with PodSocket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(5.0)
        s.connect((server, 53))
        s.sendall(struct.pack("!H", len(question)) + question)
        with s.makefile("rb") as f:
            size = struct.unpack("!H", f.read(2))[0]
            return f.read(int(size))


def _lookup(name: str, servers: list[str]) -> tuple[int, list[str]]:
    """(rcode, addresses); rcode -1 when nobody answered."""
    labels = [p.encode("idna") for p in name.rstrip(".").split(".")]
    asked = b"".join(bytes([len(p)]) + p for p in labels) + b"\0"
    question = struct.pack("!HHHHHH", random.getrandbits(16), 0x0100, 1, 0, 0, 0) + asked + struct.pack("!HH", 1, 1)
    for server in servers * 2:
        try:
            message = _exchange(server, question)
        except OSError:
            continue
        rcode, count = message[3] & 0x0F, struct.unpack("!H", message[6:8])[0]
        if rcode == 2:
            continue
        found: list[str] = []
        at = _skip_name(message, 12) + 4
        for _ in range(count):
            at = _skip_name(message, at)
            kind, _, _, length = struct.unpack("!HHIH", message[at : at + 10])
            if kind == 1:
                found.append(socket.inet_ntoa(message[at + 10 : at + 14]))
            at += 10 + length
        return rcode, found
    return -1, []


def _candidates(name: str, search: list[str], ndots: int) -> Iterator[str]:
    if name.endswith("."):
        yield name
        return
    listed = [f"{name}.{s.rstrip('.')}." for s in search]
    yield from [f"{name}.", *listed] if name.count(".") >= ndots else [*listed, f"{name}."]


def _addresses(host: str) -> list[str]:
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError:
        pass
    if host in ("localhost", _SETTINGS["hostname"]):
        return ["127.0.0.1"]
    servers, search, ndots = _configuration()
    silent = False
    for candidate in _candidates(host, search, ndots):
        rcode, found = _lookup(candidate, servers)
        if found:
            return found
        silent |= rcode == -1
    if silent:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:  # noqa: A002
    if isinstance(host, bytes):
        host = host.decode()
    if family == socket.AF_INET6:
        raise socket.gaierror(socket.EAI_FAMILY, "Address family for hostname not supported")
    if isinstance(port, str) and not port.isdigit():
        port = {"http": 80, "https": 443, "domain": 53}.get(port)
        if port is None:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
    addresses = _addresses(host) if host else ["0.0.0.0" if flags & socket.AI_PASSIVE else "127.0.0.1"]
    wanted = type & 0xF
    kinds = ((socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17))
    return [
        (socket.AF_INET, socket.SocketKind(kind), number, "", (address, int(port or 0)))
        for address in addresses
        for kind, number in kinds
        if wanted in (0, kind) and proto in (0, number)
    ]


def _gethostbyname(name: str) -> str:
    return _addresses(name)[0]


def _gethostbyname_ex(name: str) -> tuple[str, list[str], list[str]]:
    return name, [], _addresses(name)


def _install() -> None:
    really_open = io.open

    def pod_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, (str, os.PathLike)) and os.fspath(file) == _RESOLV_CONF and not set(mode) & set("wax+"):
            text = str(_SETTINGS["resolv_conf"])
            return io.BytesIO(text.encode()) if "b" in mode else io.StringIO(text)
        return really_open(file, mode, *args, **kwargs)

    builtins.open = pod_open
    io.open = pod_open
    for name, replacement in {
        "socket": PodSocket,
        "SocketType": PodSocket,
        "getaddrinfo": getaddrinfo,
        "gethostbyname": _gethostbyname,
        "gethostbyname_ex": _gethostbyname_ex,
        "gethostname": lambda: _SETTINGS["hostname"],
        "getfqdn": lambda name="": name or _SETTINGS["hostname"],
    }.items():
        setattr(socket, name, replacement)


def _run(arguments: list[str]) -> None:
    """What ``python`` does with its arguments, as far as containers use them."""
    import runpy

    while arguments and arguments[0].startswith("-") and arguments[0] not in ("-c", "-m", "-"):
        option = arguments.pop(0)
        if option in ("-V", "--version"):
            print(f"Python {sys.version.split()[0]}")  # noqa: T201
            return
        if option in ("-W", "-X"):
            arguments.pop(0)
        elif option not in ("-u", "-I", "-B", "-E", "-s", "-S", "-O", "-OO", "-q", "-P"):
            sys.exit(f"unknown option {option}")
    if not arguments or arguments[0] == "-":
        return  # an interactive Python with nothing to read ends at once
    first, *rest = arguments
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        main = type(sys)("__main__")
        sys.modules["__main__"] = main
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)  # noqa: S102
    else:
        sys.argv = arguments
        runpy.run_path(first, run_name="__main__")


def _end_with(parent: int) -> None:
    """A pod does not outlive its sandbox, not even one that was killed."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(137)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _SETTINGS.update(json.loads(sys.argv[1]))
    _install()
    _run(sys.argv[2:])
