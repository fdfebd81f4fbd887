"""What travels through the rehearsal's tunnels: names, requests, and what is seen of them from outside."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudlink.rehearse import spaces
from cloudlink.rehearse.filters import ECHO
from cloudlink.rehearse.stage import ANSWERS, LARGE

if TYPE_CHECKING:
    from cloudlink.rehearse.lab import Lab

STEP = 0.1  # seconds that one mark of a loss picture stands for
FLOWS = 16
NAMES_WITHIN = 5.0
DEAD = 3.7  # seconds: longer than the shortest time by which BGP finds out
RETURNED_WITHIN = 4.0
_MARKER = b"cloudlink-rehearsal-marker-"
_UDP, _TCP = "UDP", "TCP"
_NOBODY = "  template ANY ANY . {\n    rcode SERVFAIL\n  }\n"


class Servers:
    """The endpoint's DNS, CoreDNS, and a server of HTTP, TLS and echoes at each target. All sockets are this process's;
    each is opened in its namespace."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stage = lab.stage
        self._host = {link["address"]: link["host"] for link in self._stage["links"]}

    def start(self) -> None:
        coredns = self._lab.programs.get("coredns", "")
        if coredns:
            from cloudlink.rehearse.lab import RUN

            first, named = self._stage["zone"], self._stage["records"]  # the names are of all of the link's zones
            own = {name: to for name, to in named.items() if name == first or name.endswith(f".{first}")}
            zones = {**self._stage["zones_below"], first: own}
            for zone, records in zones.items():
                (RUN / f"{zone}.db").write_text(zone_file(zone, records))
            for address in self._stage["endpoints"]:
                self._start_endpoint(address, coredns, RUN)
            (RUN / "custom").mkdir(exist_ok=True)
            for key, text in self._stage["blocks"].items():
                (RUN / "custom" / Path(key).name).write_text(text)
            (RUN / "Corefile").write_text(_corefile(RUN, self._stage["blocks"]))
            self._lab.start("coredns", "dns", [coredns, "-conf", str(RUN / "Corefile")])
        context = _certificate()
        for target in self._stage["targets"]:
            with spaces.inside(self._host[target["address"]]):
                for port in target["ports"]:
                    try:
                        _serve(target["address"], port, _tls(context) if port in target["tls"] else _http)
                    except OSError as error:
                        what = f"port {port} of {target['address']}"
                        self._lab.tell("skipped", what=what, why=str(error.strerror or error))
                _echo(target["address"])

    def _start_endpoint(self, address: str, coredns: str, run: Path) -> None:
        name = f"endpoint-{address}"
        zones = {self._stage["zone"], *self._stage["zones_below"]} - set(self._stage["sent_away"])
        blocks = [f"{zone}:53 {{\n  errors\n  file {run}/{zone}.db {zone}\n}}\n" for zone in sorted(zones)]
        # of whom a rule asks instead, nobody is here
        blocks += [f"{domain}:53 {{\n  errors\n{_NOBODY}}}\n" for domain in self._stage["sent_away"]]
        (run / f"{name}.core").write_text("".join(blocks))
        self._lab.start(name, self._host[address], [coredns, "-conf", str(run / f"{name}.core")])

    def restart_endpoint(self, address: str) -> None:
        from cloudlink.rehearse.lab import RUN

        self._start_endpoint(address, self._lab.programs["coredns"], RUN)

    def await_names(self) -> None:
        """Until CoreDNS answers at all."""
        deadline = time.monotonic() + NAMES_WITHIN
        while self._lab.programs.get("coredns") and time.monotonic() < deadline:
            answer = ask(self._stage["resolver"], "rehearsal.invalid", _UDP, timeout=0.5)
            if answer.code == "SERVFAIL" or self._lab.running["coredns"].poll() is not None:
                return
            time.sleep(0.05)


# --- names ------------------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, code: str, addresses: tuple[str, ...] = (), *, truncated: bool = False) -> None:
        self.code = code  # NOERROR, NXDOMAIN, ...; or why there is none
        self.addresses = addresses
        self.truncated = truncated


_CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def names(lab: Lab) -> None:
    """Each name from the pod, over UDP and over TCP, and one whose answer does not fit into a datagram. The endpoint's
    addresses are asked directly too: CoreDNS hides one that is silent behind the others, and TCP behind its cache."""
    stage = lab.stage
    if not lab.programs.get("coredns"):
        lab.tell("skipped", what="names", why="there is no CoreDNS on this machine: cloudlink rehearse --install")
        return
    _endpoints(lab)
    if not any(key.endswith(".server") for key in stage["blocks"]):
        why = "coredns-custom has no server block"
        lab.tell("name", name=stage["zone"], good=False, why=why, by={}, addresses=[])
        return

    if lab.running["coredns"].poll() is not None:
        said = " ".join(lab.log("coredns").split())[-300:]
        why = f"CoreDNS ends with what coredns-custom holds: {said}"
        lab.tell("name", name=stage["zone"], good=False, why=why, by={}, addresses=[])
        return

    def asked(name: str) -> tuple[dict[str, str], list[str]]:
        found = {t: ask(stage["resolver"], name.replace("*", "rehearsal"), t) for t in (_UDP, _TCP)}
        wanted = set(stage["records"][name])
        words = {t: "right" if set(a.addresses) == wanted else a.code for t, a in found.items()}
        return words, sorted({address for a in found.values() for address in a.addresses})

    with ThreadPoolExecutor(8) as pool:
        for name, (by, seen) in zip(stage["records"], pool.map(asked, stage["records"]), strict=True):
            good = all(word == "right" for word in by.values())
            why = "" if good else ", ".join(f"over {t} {word}" for t, word in by.items())
            lab.tell("name", name=name, good=good, by=by, addresses=seen, why=why)
    large = f"{LARGE}.{stage['zone']}"
    first, second = ask(stage["resolver"], large, _UDP), ask(stage["resolver"], large, _TCP)
    good = first.truncated and len(second.addresses) == ANSWERS
    why = "" if good else f"over UDP {first.code}, truncated {first.truncated}; over TCP {second.code}"
    lab.tell(
        "name",
        name=large,
        good=good,
        by={"UDP": "truncated" if first.truncated else first.code, "TCP": second.code},
        addresses=[],
        why=why,
    )


def _endpoints(lab: Lab) -> None:
    stage = lab.stage
    wanted = [(address, t) for address in stage["endpoints"] for t in (_UDP, _TCP)]

    def asked(one: tuple[str, str]) -> str:
        return ask(one[0], stage["zone"], one[1], source="dns").code

    with ThreadPoolExecutor(8) as pool:
        said = dict(zip(wanted, pool.map(asked, wanted), strict=True))
    for address in stage["endpoints"]:
        by = {t: said[address, t] for t in (_UDP, _TCP)}
        good = all(word in ("NOERROR", "NXDOMAIN") for word in by.values())
        why = "" if good else ", ".join(f"over {t} {word}" for t, word in by.items())
        lab.tell("endpoint", address=address, good=good, by=by, why=why)


def ask(server: str, name: str, transport: str, *, timeout: float = 2.0, source: str = "pod") -> Answer:
    """An A record, as a pod's stub resolver asks: without EDNS, so 512 octets."""
    number = random.getrandbits(16)
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p)
    query = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    try:
        with spaces.inside(source):
            kind = socket.SOCK_DGRAM if transport == _UDP else socket.SOCK_STREAM
            made = socket.socket(socket.AF_INET, kind)
        with made:
            made.settimeout(timeout)
            made.connect((server, 53))
            if transport == _UDP:
                made.send(query)
                return parsed(made.recv(65535))
            made.sendall(struct.pack(">H", len(query)) + query)
            size = struct.unpack(">H", _exactly(made, 2))[0]
            return parsed(_exactly(made, size))
    except OSError as error:
        return Answer("no answer" if isinstance(error, TimeoutError) else str(error.strerror or error))


def parsed(message: bytes) -> Answer:
    """Code, truncation and addresses of a DNS message."""
    _, flags, questions, answers, _, _ = struct.unpack(">HHHHHH", message[:12])
    at = 12
    for _ in range(questions):
        at = _past_name(message, at) + 4
    found = []
    for _ in range(answers):
        at = _past_name(message, at)
        kind, _, _, size = struct.unpack(">HHIH", message[at : at + 10])
        at += 10
        if kind == 1:
            found.append(socket.inet_ntoa(message[at : at + 4]))
        at += size
    return Answer(_CODES.get(flags & 15, f"code {flags & 15}"), tuple(found), truncated=bool(flags & 0x0200))


def _past_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] >= 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def _exactly(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = stream.recv(size - len(found))
        if not piece:
            raise OSError("closed")
        found += piece
    return found


def zone_file(zone: str, records: dict[str, Any]) -> str:
    """The zone as Route 53 would serve it: aliases as addresses, and a name of ours with a large answer."""
    lines = [
        f"$ORIGIN {zone}.",
        "$TTL 60",
        "@ SOA ns.rehearsal. hostmaster.rehearsal. 1 3600 600 86400 60",
        "@ NS ns.rehearsal.",
        *(f"{name}. A {address}" for name, addresses in records.items() for address in addresses),
        *(f"{LARGE} A 192.0.2.{n + 1}" for n in range(ANSWERS)),
    ]
    return "\n".join(lines) + "\n"


def _corefile(run: Path, blocks: dict[str, str]) -> str:
    """The cluster's own block answers nothing here; its import of the keys is what is rehearsed."""
    kinds = {Path(key).suffix for key in blocks}
    more = f"  import {run}/custom/*.override\n" if ".override" in kinds else ""
    return f".:53 {{\n  errors\n{more}{_NOBODY}}}\n" + (f"import {run}/custom/*.server\n" if ".server" in kinds else "")


# --- requests ---------------------------------------------------------------------------------------------------


def requests(lab: Lab) -> None:
    """HTTP, where the target does not speak TLS: what is behind a port in truth is not known."""
    wanted = [(t["address"], port, port in t["tls"]) for t in lab.stage["targets"] for port in t["ports"]]
    with ThreadPoolExecutor(8) as pool:
        for (address, port, tls), why in zip(wanted, pool.map(lambda one: _request(*one), wanted), strict=True):
            scheme = "https" if tls else "http"
            lab.tell("request", target=address, port=port, scheme=scheme, good=not why, why=why)


def _request(address: str, port: int, tls: bool) -> str:
    """Empty: it was answered."""
    try:
        with spaces.inside("pod"):
            plain = socket.socket()
        plain.settimeout(3.0)
        with plain:
            plain.connect((address, port))
            stream: socket.socket = plain
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = (
                    False,
                    ssl.CERT_NONE,
                )  # a certificate of the rehearsal's own
                stream = context.wrap_socket(plain)
            stream.sendall(b"GET / HTTP/1.0\r\nHost: rehearsal\r\n\r\n")
            answer = stream.recv(4096)
            return "" if b" 200 " in answer.splitlines()[0] else "no HTTP answer"
    except (OSError, IndexError) as error:
        return "no answer" if isinstance(error, TimeoutError) else str(error) or "closed"


def _serve(address: str, port: int, answer: Callable[[socket.socket], None]) -> None:
    listener = socket.create_server((address, port))

    def loop() -> None:
        while True:
            with contextlib.suppress(OSError), listener.accept()[0] as client:
                client.settimeout(3.0)
                answer(client)

    threading.Thread(target=loop, daemon=True).start()


def _http(client: socket.socket) -> None:
    asked = client.recv(4096).partition(b"\r\n")[0]
    client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nrehearsal " + asked)


def _tls(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def answer(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as wrapped:
            _http(wrapped)

    return answer


def _echo(address: str) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, ECHO))

    def loop() -> None:
        while True:
            with contextlib.suppress(OSError):
                message, sender = listener.recvfrom(2048)
                listener.sendto(message, sender)

    threading.Thread(target=loop, daemon=True).start()


def _certificate() -> ssl.SSLContext:
    """Of this run alone; its key is in memory."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rehearsal")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + made.public_bytes(serialization.Encoding.PEM)
    memory = os.memfd_create("certificate")
    os.write(memory, pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"/proc/self/fd/{memory}")
    os.close(memory)
    return context


# --- what is seen from outside ----------------------------------------------------------------------------------


def capture(lab: Lab) -> None:
    """A marker goes through a tunnel while two captures run: between the clouds it may be nowhere, at the pod it must be."""
    targets = [t["address"] for t in lab.stage["targets"]]
    if not targets:
        lab.tell("skipped", what="capture", why="no name leads to an address")
        return
    marker = _MARKER + f"{random.getrandbits(64):016x}".encode()
    with _packets("inet") as outer, _packets("pod") as control:
        with spaces.inside("pod"):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            for address in targets:
                with contextlib.suppress(OSError):
                    sender.sendto(marker, (address, ECHO))
            time.sleep(0.3)
    seen, known = (sum(marker in packet for _, packet in found) for found in (outer, control))
    esp = sum(_is_esp(packet) for _, packet in outer)
    good = not seen and known > 0 and esp > 0
    why = "" if good else f"{seen} packets outside and {known} at the pod show the marker"
    lab.tell("capture", good=good, packets=len(outer), esp=esp, marker=seen, control=known, why=why)
    lab.tell("pcap", data=pcap(outer).hex())


@contextlib.contextmanager
def _packets(namespace: str) -> Iterator[list[tuple[float, bytes]]]:
    """Every packet of the namespace's interfaces."""
    with spaces.inside(namespace):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    found: list[tuple[float, bytes]] = []
    ended = threading.Event()

    def loop() -> None:
        while not ended.is_set():
            if select.select([raw], [], [], 0.05)[0]:
                found.append((time.time(), raw.recv(65535)))

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        raw.close()


def _is_esp(packet: bytes) -> bool:
    """Inside UDP, port 4500, where an IKE message would begin with four zeros."""
    return len(packet) > 46 and packet[23] == 17 and packet[36:38] == b"\x11\x94" and packet[42:46] != b"\0\0\0\0"


def pcap(packets: list[tuple[float, bytes]]) -> bytes:
    """As tcpdump and Wireshark read it. https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html"""
    found = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for at, packet in packets:
        found += struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(packet), len(packet)) + packet
    return found


# --- loss -------------------------------------------------------------------------------------------------------


def failover(lab: Lab, servers: Servers) -> None:
    """A tunnel's end in AWS dies and comes back, then an instance of Azure's gateway, then an address of the endpoint;
    meanwhile flows from the pod are counted. The timers are a tenth of the clouds'."""
    charons = lab.charons
    up = [c for c in charons if c["side"] == "aws" and lab.security(c)]
    if not lab.stage["targets"] or not up:
        lab.tell("skipped", what="failover", why="there is no tunnel or no target to lose")
        return
    victim = up[0]

    def kill(names: list[str]) -> Callable[[], None]:
        def now() -> None:
            for name in names:
                lab.running[name].kill()

        return now

    def returned() -> bool:
        sessions = lab.sessions("vgw")
        return all(sessions.get(c["name"], {}).get("up") for c in up)

    instance = next((c["gateway"] for c in charons if c["side"] == "azure" and lab.security(c)), "")
    whole = [c["name"] for c in charons if c["gateway"] == instance] + [f"bird-{instance}"]
    one = [victim["name"]]
    _measured(lab, "a tunnel's end in AWS dies", kill(one), lambda: lab.revive(one), returned)
    _measured(lab, "an instance of Azure's gateway dies", kill(whole), lambda: lab.revive(whole), returned)
    if lab.programs.get("coredns") and lab.stage["endpoints"]:
        address = lab.stage["endpoints"][0]
        _asked(
            lab,
            "an address of the endpoint dies",
            kill([f"endpoint-{address}"]),
            lambda: servers.restart_endpoint(address),
        )


def _asked(lab: Lab, what: str, broken: Callable[[], None], mended: Callable[[], None]) -> None:
    """Names that no cache knows, four in each step; one counts as lost when it has no answer within half a second."""
    zone, resolver = lab.stage["zone"], lab.stage["resolver"]
    marks: list[tuple[int, int]] = []
    died = back = 0

    def lost(number: int) -> bool:
        answer = ask(resolver, f"n{random.getrandbits(32):x}-{number}.rehearsal.{zone}", _UDP, timeout=0.5)
        return answer.code not in ("NOERROR", "NXDOMAIN")

    with ThreadPoolExecutor(16) as pool:
        steps = []
        for step in range(28):
            if step == 4:
                died = step
                broken()
            elif step == 18:
                back = step
                mended()
            steps.append([pool.submit(lost, n) for n in range(4)])
            time.sleep(STEP)
        marks = [(len(asked), sum(one.result() for one in asked)) for asked in steps]
    _told(lab, what, marks, died, back)


def _measured(
    lab: Lab, what: str, broken: Callable[[], None], mended: Callable[[], None], returned: Callable[[], bool]
) -> None:
    """returned: whether everything is up again, which is waited for."""
    marks: list[tuple[int, int]] = []
    ended = threading.Event()
    thread = threading.Thread(
        target=_flows, args=([t["address"] for t in lab.stage["targets"]], marks, ended), daemon=True
    )
    thread.start()
    time.sleep(0.3)
    died = len(marks)
    broken()
    time.sleep(DEAD)
    back = len(marks)
    mended()
    deadline = time.monotonic() + RETURNED_WITHIN
    while not returned() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)  # the marks by which it is judged
    ended.set()
    thread.join()
    _told(lab, what, marks, died, back)


def _told(lab: Lab, what: str, marks: list[tuple[int, int]], died: int, back: int) -> None:
    """It is good when nothing is lost any more at the end."""
    lost, sent = sum(m[1] for m in marks), sum(m[0] for m in marks)
    seconds = sum(1 for m in marks if m[1]) * STEP
    after = marks[-5:]
    lab.tell(
        "loss",
        what=what,
        sent=sent,
        lost=lost,
        seconds=round(seconds, 1),
        died=died,
        back=back,
        marks=[round(m[1] / m[0], 2) if m[0] else 0 for m in marks],
        good=not any(m[1] for m in after),
    )


def _flows(targets: list[str], marks: list[tuple[int, int]], ended: threading.Event) -> None:
    """One packet of each flow in each step; an answer counts when it is back before the next."""
    with spaces.inside("pod"):
        made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(FLOWS)]
    for number, one in enumerate(made):
        one.setblocking(False)
        one.connect((targets[number % len(targets)], ECHO))
    number = 0
    while not ended.is_set():
        begun, number = time.monotonic(), number + 1
        message = struct.pack(">I", number)
        waiting = set(made)
        for one in made:
            with contextlib.suppress(OSError):
                one.send(message)
        while waiting and (left := begun + STEP - time.monotonic()) > 0:
            for one in select.select(list(waiting), [], [], left)[0]:
                with contextlib.suppress(OSError):
                    if one.recv(64) == message:
                        waiting.discard(one)
        marks.append((len(made), len(waiting)))
        time.sleep(max(0.0, begun + STEP - time.monotonic()))
    for one in made:
        one.close()
