"""What runs in the probe's pod: Python's standard library (3.8 and later) and nothing else, sent as ``python3 -c``.

It asks and reports; it draws no conclusions. The request comes as JSON in the environment variable ``CLOUDLINK_PROBE``:

    names      [{"name": "app.corp.example", "connect": ["10.10.1.9"], "ports": [443], "tls": [443]}]
    endpoints  addresses to ask directly, over UDP and over TCP
    port       of the name servers (53)
    resolv     the resolver's configuration (/etc/resolv.conf)
    timeout    seconds for each try; tries: how often to ask over UDP

The answer is one line of JSON behind MARK. DNS messages are built by hand, because the C library's resolver tells
neither the response code nor who answered. TLS is spoken without verifying: what is wanted is the names in the
certificate, which goes back whole (base64 DER), for the standard library cannot read one that it did not verify.
"""

from __future__ import annotations

MARK = "CLOUDLINK-PROBE "
ENVIRONMENT = "CLOUDLINK_PROBE"

SCRIPT = r"""
import base64, ipaddress, json, os, random, socket, ssl, struct, sys, time
from concurrent.futures import ThreadPoolExecutor

asked = json.loads(os.environ["CLOUDLINK_PROBE"])
TIMEOUT, TRIES, PORT = asked.get("timeout", 2), asked.get("tries", 2), asked.get("port", 53)


def resolver():
    servers, search = [], []
    try:
        with open(asked.get("resolv", "/etc/resolv.conf")) as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver":
                    servers.append(words[1])
                elif len(words) > 1 and words[0] == "search":
                    search = words[1:]
    except OSError:
        pass
    return servers, search


def outcome_of(error):
    if isinstance(error, socket.timeout):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    return "error"


def question(name):
    ident = random.SystemRandom().randrange(65536)
    labels = b"".join(bytes([len(part)]) + part for part in name.rstrip(".").encode("ascii").split(b"."))
    return ident, struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def read_name(message, at):
    labels, end, jumps = [], None, 0
    while True:
        size = message[at]
        if size & 0xC0 == 0xC0:
            end = end or at + 2
            at = ((size & 0x3F) << 8) | message[at + 1]
            jumps += 1
            if jumps > 40:
                raise ValueError("a name that points at itself")
        elif size == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(message[at + 1 : at + 1 + size].decode("ascii", "replace"))
            at += 1 + size


def read_answer(message):
    _, flags, questions, answers = struct.unpack(">HHHH", message[:8])
    at = 12
    for _ in range(questions):
        at = read_name(message, at)[1] + 4
    addresses, aliases = [], []
    for _ in range(answers):
        at = read_name(message, at)[1]
        kind, _, _, size = struct.unpack(">HHIH", message[at : at + 10])
        at += 10
        if kind == 1 and size == 4:
            addresses.append(socket.inet_ntoa(message[at : at + 4]))
        elif kind == 5:
            aliases.append(read_name(message, at)[0])
        at += size
    return {"rcode": flags & 15, "truncated": bool(flags & 0x0200), "addresses": addresses, "aliases": aliases}


def over_udp(server, name):
    error = socket.timeout("no answer")
    for _ in range(TRIES):
        ident, message = question(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            end = time.monotonic() + TIMEOUT
            sock.settimeout(TIMEOUT)
            try:
                sock.sendto(message, (server, PORT))
                while True:
                    sock.settimeout(max(end - time.monotonic(), 0.01))
                    answer, sender = sock.recvfrom(65535)
                    if len(answer) >= 12 and answer[:2] == message[:2] and sender[0] == server and answer[2] & 0x80:
                        return answer
            except OSError as failure:
                error = failure
    raise error


def over_tcp(server, name):
    ident, message = question(name)
    with socket.create_connection((server, PORT), TIMEOUT * TRIES) as sock:
        sock.settimeout(TIMEOUT * TRIES)
        sock.sendall(struct.pack(">H", len(message)) + message)
        buffer = b""
        while len(buffer) < 2 or len(buffer) < 2 + struct.unpack(">H", buffer[:2])[0]:
            more = sock.recv(4096)
            if not more:
                raise ConnectionResetError("closed without an answer")
            buffer += more
        answer = buffer[2:]
    if len(answer) < 12 or answer[:2] != message[:2]:
        raise ValueError("an answer to another question")
    return answer


def private(address):
    # 100.64.0.0/10 is what clouds use inside; Python counts it as neither private nor public
    return address.is_private or address in ipaddress.ip_network("100.64.0.0/10")


def ask(via, server, protocol, name):
    found = {"via": via, "server": server, "protocol": protocol, "outcome": "answer", "error": ""}
    begun = time.monotonic()
    try:
        if protocol == "udp":
            found.update(read_answer(over_udp(server, name)))
            if found["truncated"] and via == "cluster":
                found.update(read_answer(over_tcp(server, name)), truncated=True)
        else:
            found.update(read_answer(over_tcp(server, name)))
    except Exception as error:
        found["outcome"], found["error"] = outcome_of(error), "%s: %s" % (type(error).__name__, error)
    found["ms"] = round((time.monotonic() - begun) * 1000, 1)
    return found


def connect(address, port, tls, name):
    found = {"address": address, "port": port, "outcome": "ok", "error": "", "tls": None}
    begun = time.monotonic()
    try:
        sock = socket.create_connection((address, port), TIMEOUT * TRIES)
    except Exception as error:
        found["outcome"], found["error"] = outcome_of(error), "%s: %s" % (type(error).__name__, error)
        found["ms"] = round((time.monotonic() - begun) * 1000, 1)
        return found
    found["ms"] = round((time.monotonic() - begun) * 1000, 1)
    with sock:
        if tls:
            found["tls"] = handshake(sock, name)
    return found


def handshake(sock, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    begun = time.monotonic()
    found = {"outcome": "ok", "error": "", "certificate": ""}
    try:
        sock.settimeout(TIMEOUT * TRIES)
        with context.wrap_socket(sock, server_hostname=name) as secure:
            found["certificate"] = base64.b64encode(secure.getpeercert(True) or b"").decode()
    except Exception as error:
        found["outcome"], found["error"] = outcome_of(error), "%s: %s" % (type(error).__name__, error)
    found["ms"] = round((time.monotonic() - begun) * 1000, 1)
    return found


def main():
    servers, search = resolver()
    with ThreadPoolExecutor(24) as pool:
        waves = []
        for wanted in asked["names"]:
            name = wanted["name"]
            queries = [pool.submit(ask, "cluster", servers[0], "udp", name)] if servers else []
            for server in asked["endpoints"]:
                queries += [pool.submit(ask, "endpoint", server, protocol, name) for protocol in ("udp", "tcp")]
            waves.append((wanted, queries))
        names = []
        for wanted, queries in waves:
            answers = [query.result() for query in queries]
            places = dict.fromkeys(wanted["connect"])
            for answer in answers:
                # nothing is sent to public addresses: the link is about private ones
                places.update(dict.fromkeys(a for a in answer.get("addresses", ()) if private(ipaddress.ip_address(a))))
            connects = [
                pool.submit(connect, address, port, port in wanted["tls"], wanted["name"])
                for address in list(places)[:12]
                for port in wanted["ports"]
            ]
            names.append((wanted["name"], answers, connects))
        report = [
            {"name": name, "queries": answers, "connects": [c.result() for c in connects]}
            for name, answers, connects in names
        ]
    print("CLOUDLINK-PROBE " + json.dumps({"servers": servers, "search": search, "names": report}))
    sys.stdout.flush()


main()
"""
