"""What runs in the probe's pod: Python's standard library (3.8 and later) and nothing else, sent as ``python3 -c``.

It asks and reports; it draws no conclusions. The request comes as JSON in the environment variable ``CLOUDLINK_PROBE``:

    names      [{"name": "app.corp.example", "connect": ["10.10.1.9"], "ports": [443], "tls": [443]}]
    endpoints  addresses to ask directly, over UDP and over TCP
    port       of the name servers (53)
    resolv     the resolver's configuration (/etc/resolv.conf)
    timeout    seconds for each try; tries: how often to ask over UDP
    deadline   seconds after which nothing more is asked
    measure    whether to measure the way to each endpoint as well: round trips, the largest packet that passes whole, and
               the size of TCP's segments

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
END = time.monotonic() + asked.get("deadline", 90)
SAMPLES = 3


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


def padded(name, size):
    # A question of this many octets: EDNS with padding (RFC 7830).
    ident, message = question(name)
    rest = size - len(message) - 15
    message = message[:10] + struct.pack(">H", 1) + message[12:]
    return message + struct.pack(">BHHIHHH", 0, 41, 512, 0, rest + 4, 12, rest) + bytes(rest)


# Of Linux; Python names them from 3.13 on.
MTU_DISCOVER, DONT_FRAGMENT, PATH_MTU, MAXSEG, HEADERS = 10, 2, 14, 2, 28


def passes(sock, name, size, patience):
    # Whether a packet of this size, headers included, comes through whole and is answered.
    for _ in range(TRIES):
        message = padded(name, size - HEADERS)
        sock.settimeout(patience)
        try:
            sock.send(message)
            while True:
                if sock.recv(65535)[:2] == message[:2]:
                    return True
        except OSError:
            pass
    return False


def measure(server, name):
    found = {"server": server, "ms": [], "packet": None, "told": None, "segment": None, "error": ""}
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, MTU_DISCOVER, DONT_FRAGMENT)
            sock.connect((server, PORT))
            for _ in range(5):
                begun = time.monotonic()
                if passes(sock, name, 200, TIMEOUT):
                    found["ms"].append(round((time.monotonic() - begun) * 1000, 1))
            if found["ms"]:
                patience = max(0.2, max(found["ms"]) / 200)
                low, high = 200, 1501
                while high - low > 1 and time.monotonic() < END:
                    middle = 1500 if (low, high) == (200, 1501) else (low + high) // 2
                    low, high = (middle, high) if passes(sock, name, middle, patience) else (low, middle)
                found["packet"], found["told"] = low, sock.getsockopt(socket.IPPROTO_IP, PATH_MTU)
        with socket.create_connection((server, PORT), TIMEOUT * TRIES) as sock:
            found["segment"] = sock.getsockopt(socket.IPPROTO_TCP, MAXSEG)
    except Exception as error:
        found["error"] = "%s: %s" % (type(error).__name__, error)
    return found


def begin(pool, call, *arguments):
    # In a thread; once the time is up nothing more is asked, so that there is a result before the pod's deadline.
    def timed():
        return None if time.monotonic() > END else call(*arguments)

    return pool.submit(timed)


def not_asked(why, **found):
    return dict(found, outcome=why[0], error=why[1], ms=None)


LATE = ("error", "not asked: the time was up")
SILENT = ("timeout", "not asked again: no answer to the first names")


def first_names(pool, ways):
    # Ask each way for the first few names at once. A way that answers none of them is silent: it is not asked again, or
    # 500 names would take as long as 500 time-outs.
    first = [wanted["name"] for wanted in asked["names"][:SAMPLES]]
    begun = {(way, name): begin(pool, ask, *way, name) for name in first for way in ways}
    answers = {
        (way, name): done.result() or not_asked(LATE, via=way[0], server=way[1], protocol=way[2])
        for (way, name), done in begun.items()
    }
    silent = {way for way in ways if first and all(answers[way, name]["outcome"] == "timeout" for name in first)}
    direct = [way for way in ways if way[0] == "endpoint"]
    if direct and silent.issuperset(direct):
        # CoreDNS waits for the same endpoints before it says SERVFAIL
        silent |= {way for way in ways if first and all(unanswered(answers[way, name]) for name in first)}
    return answers, silent


def unanswered(answer):
    return answer["outcome"] == "timeout" or answer.get("rcode") == 2


def main():
    servers, search = resolver()
    ways = [("cluster", servers[0], "udp")] if servers else []
    ways += [("endpoint", server, protocol) for server in asked["endpoints"] for protocol in ("udp", "tcp")]
    inside = next((domain for domain in search if domain.startswith("svc.")), "svc.cluster.local")
    pool = ThreadPoolExecutor(64)
    control = begin(pool, ask, "cluster", servers[0], "udp", "kubernetes.default." + inside) if servers else None
    answers, silent = first_names(pool, ways)
    waves = []
    for wanted in asked["names"]:
        queries = []
        for way in ways:
            known = answers.get((way, wanted["name"]))
            if known is None and way in silent:
                known = not_asked(SILENT, via=way[0], server=way[1], protocol=way[2])
            queries.append((way, known, None if known else begin(pool, ask, *way, wanted["name"])))
        waves.append((wanted, queries))
    tried, names = {}, []
    for wanted, queries in waves:
        found = [
            known or later.result() or not_asked(LATE, via=way[0], server=way[1], protocol=way[2])
            for way, known, later in queries
        ]
        places = dict.fromkeys(wanted["connect"])
        for answer in found:
            # nothing is sent to public addresses: the link is about private ones
            places.update(dict.fromkeys(a for a in answer.get("addresses", ()) if private(ipaddress.ip_address(a))))
        connects = []
        for address in list(places)[:12]:
            for port in wanted["ports"]:
                tls = port in wanted["tls"]
                # names share addresses; only what TLS shows depends on the name that is asked for
                key = (address, port, wanted["name"] if tls else "")
                if key not in tried:
                    tried[key] = begin(pool, connect, address, port, tls, wanted["name"])
                connects.append((address, port, tried[key]))
        names.append((wanted["name"], found, connects))
    report = [
        {
            "name": name,
            "queries": found,
            "connects": [c.result() or not_asked(LATE, address=a, port=p, tls=None) for a, p, c in connects],
        }
        for name, found, connects in names
    ]
    said = control.result() if control else None
    ways = [begin(pool, measure, s, asked["names"][0]["name"]) for s in asked["endpoints"]] if asked.get("measure") else []
    measured = [way.result() for way in ways]
    found = {"servers": servers, "search": search, "names": report, "control": said, "ways": [w for w in measured if w]}
    print("CLOUDLINK-PROBE " + json.dumps(found))
    sys.stdout.flush()


main()
"""
