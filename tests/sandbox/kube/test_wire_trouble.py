"""A trouble of the sandbox's own wire is told from what becomes of a pod's packet: it never looks like a closed port."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cloudlink_sandbox.wire import pod_python
from cloudlink_sandbox.wire.pod_python import PodSocket, WireTrouble

TARGET = ("10.1.1.50", 443)
Answer = Callable[[socket.socket], None]


def says(outcome: str) -> Answer:
    return lambda connection: connection.sendall(json.dumps({"outcome": outcome, "mss": 1350}).encode() + b"\n")


def closes(_connection: socket.socket) -> None:
    pass


def cuts(connection: socket.socket) -> None:
    """In the middle of its answer."""
    connection.sendall(b'{"outc')


class Wire:
    """Answers its connections one after the other. It may begin to listen later than it has its port."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.heads: list[dict[str, object]] = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def listen(self, backlog: int = 5) -> None:
        self.listener.listen(backlog)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, connection.makefile("rb") as lines:
                    self.heads.append(json.loads(lines.readline()))
                    (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(connection)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those of this thread: a thread that another test left behind may sleep as well."""
    made: list[float] = []
    ours, sleep = threading.get_ident(), time.sleep
    monkeypatch.setattr(
        pod_python.time, "sleep", lambda s: made.append(s) if threading.get_ident() == ours else sleep(s)
    )
    return made


@pytest.fixture
def wire_of(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(*answers: Answer) -> Wire:
        wire = Wire(*answers)
        made.append(wire)
        for key, value in {"port": wire.port, "token": "t", "speed": 0.0}.items():
            monkeypatch.setitem(pod_python._SETTINGS, key, value)
        return wire

    yield make
    for wire in made:
        wire.listener.close()


def connect() -> str:
    with PodSocket(socket.AF_INET, socket.SOCK_STREAM) as pod:
        pod.settimeout(3.0)
        pod.connect(TARGET)
        assert pod.getpeername() == TARGET and pod.gettimeout() == 3.0
    return "open"


@pytest.mark.own("A wire that is not listening is asked again, and never taken for a closed port of the target")
def test_a_wire_that_does_not_listen_is_no_refusal(wire_of: Callable[..., Wire], pauses: list[float]) -> None:
    wire_of(says("delivered"))
    with pytest.raises(WireTrouble, match=r"says nothing about 10\.1\.1\.50") as raised:
        connect()
    assert not isinstance(raised.value, ConnectionRefusedError)
    assert raised.value.errno is None
    assert len(pauses) == 3


@pytest.mark.own("A wire that listens a moment later delivers")
def test_a_wire_that_listens_later(wire_of: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    wire = wire_of(says("delivered"))
    monkeypatch.setattr(pod_python.time, "sleep", lambda _seconds: wire.listen())
    assert connect() == "open"
    assert wire.heads == [{"token": "t", "to": TARGET[0], "port": TARGET[1], "timeout": 3.0}]


@pytest.mark.own("A wire that closes a connection before it has answered is asked again")
@pytest.mark.parametrize("trouble", [closes, cuts])
def test_a_wire_that_closes_is_asked_again(wire_of: Callable[..., Wire], pauses: list[float], trouble: Answer) -> None:
    wire = wire_of(trouble, trouble, says("delivered"))
    wire.listen()
    assert connect() == "open"
    assert (len(wire.heads), len(pauses)) == (3, 2)


def another_program(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")


def another_json(connection: socket.socket) -> None:
    connection.sendall(b'["refused"]\n')


@pytest.mark.own("A program that has taken the port of a wire is told as that, and never taken for the target")
@pytest.mark.parametrize("taken_by", [another_program, another_json])
def test_a_port_that_another_program_has_taken(wire_of: Callable[..., Wire], taken_by: Answer) -> None:
    wire = wire_of(taken_by)
    wire.listen()
    with pytest.raises(WireTrouble, match="another program answers on its port"):
        connect()


@pytest.mark.own("What the wire says of the target is believed at once")
@pytest.mark.parametrize(("outcome", "error"), [("refused", ConnectionRefusedError), ("dropped", TimeoutError)])
def test_an_answer_of_the_wire_is_believed(wire_of: Callable[..., Wire], outcome: str, error: type[OSError]) -> None:
    wire = wire_of(says(outcome))
    wire.listen()
    with pytest.raises(error):
        connect()
    assert len(wire.heads) == 1


@pytest.mark.own("Many connections at once wait in the wire's queue, and none is refused")
def test_many_connections_at_once(wire_of: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudlink_sandbox.wire.service import _TcpServer

    wire = wire_of(says("delivered"))
    wire.listen(_TcpServer.request_queue_size)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(connect())) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == ["open"] * 100
    assert _TcpServer.request_queue_size >= 64 * 12, "as many as a probe begins at once, in each of a dozen pods"


def late(connection: socket.socket) -> None:
    """The wire gets a processor only now."""
    says("delivered")(connection)
    time.sleep(0.5)
    connection.sendall(b"hello")


@pytest.mark.own(
    "On a busy machine an answer that the wire has not brought yet is waited for, and not taken for a lost one"
)
@pytest.mark.parametrize(("busy", "heard"), [(40.0, True), (1.0, False)])
def test_a_busy_wire_is_waited_for(
    wire_of: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, busy: float, heard: bool
) -> None:
    wire = wire_of(late)
    monkeypatch.setitem(pod_python._SETTINGS, "busy", busy)
    wire.listen()
    with PodSocket(socket.AF_INET, socket.SOCK_STREAM) as pod:
        pod.settimeout(0.1)
        pod.connect(TARGET)
        assert pod.gettimeout() == 0.1
        with contextlib.nullcontext() if heard else pytest.raises(TimeoutError):
            assert pod.recv(5) == b"hello"
        pod.setblocking(False)
        assert (pod.gettimeout(), pod.getblocking()) == (0.0, False)
        pod.setblocking(True)
        assert pod.gettimeout() is None
    with PodSocket(socket.AF_INET, socket.SOCK_STREAM) as pod:
        assert pod.gettimeout() == socket.getdefaulttimeout()
