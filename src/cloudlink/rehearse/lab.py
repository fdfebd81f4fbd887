"""The rehearsal itself: the first process of its own namespaces. It is given the stage on standard input and tells what
comes up, line by line of JSON, on standard output. When it ends, everything that it started ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cloudlink.rehearse import spaces
from cloudlink.rehearse.vici import ViciError, opened

RUN = Path("/run/rehearsal")
STARTED_WITHIN = 15.0  # seconds, of each daemon
UP_WITHIN = 4.0  # seconds in which a tunnel whose ends agree comes up, many times over
BGP_WITHIN = 8.0
REFUSED_AFTER = 2.5
RENEWED_WITHIN = 8.0  # on a busy machine; a refusal is known at once
_PLUGINS = "random nonce openssl kdf pem kernel-libipsec kernel-netlink socket-default updown vici"


class DaemonEnded(Exception):
    """One that everything else depends on."""


class Lab:
    """Everything that runs, and what is known of it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.stage: dict[str, Any] = told["stage"]
        self.programs: dict[str, str] = told["programs"]
        self.options: dict[str, Any] = told["options"]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.refused: dict[str, str] = {}  # daemon -> why it cannot be set up, or may not stay up
        self.asked: dict[str, str] = {}  # daemon -> why its asking failed
        self.begun = time.monotonic()
        self.charons: list[dict[str, Any]] = self.stage["charons"]

    def tell(self, kind: str, **what: Any) -> None:
        said = {"event": kind, "at": round(time.monotonic() - self.begun, 3), **what}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    # --- from nothing to BGP ------------------------------------------------------------------------------

    def build(self) -> None:
        from cloudlink.rehearse.filters import FIRST
        from cloudlink.rehearse.stage import Link

        stage = self.stage
        links = tuple(Link(**link) for link in stage["links"])
        spaces.make(tuple(stage["namespaces"]))
        spaces.join(links)
        instances = [n for n in stage["namespaces"] if n.startswith("azg")]
        spaces.join_instances(instances, [f"100.64.1.{2 + n}" for n in range(len(instances))])
        spaces.ip("".join(self._rules()), "inet")
        for namespace in ("vgw", "vnet"):
            rules = [rule for at, rule in stage["filters"] if at == namespace]
            spaces.ip("".join(f"rule add {rule} pref {FIRST + n}\n" for n, rule in enumerate(rules)), namespace)
        for namespace, route in stage["routes"]:
            spaces.ip(f"route add {route}\n", namespace)
        self.tell("network", namespaces=len(stage["namespaces"]))

    def _rules(self) -> list[str]:
        """Azure's instances have one address each, and a daemon for each connection: who asks decides which is meant."""
        lines = []
        for number, (source, target, name) in enumerate(self.stage["rules"]):
            table = 1000 + number
            lines.append(f"rule add from {source} to {target} lookup {table} pref {table}\n")
            lines.append(f"route add {target}/32 dev {name} table {table}\n")
        return lines

    def daemons(self) -> None:
        for charon in self.charons:
            self._start_charon(charon)
        for charon in self.charons:
            self._move_device(charon)
        with ThreadPoolExecutor(len(self.charons) or 1) as pool:
            list(pool.map(self._load, self.charons))
        for namespace in self.stage["birds"]:
            self._start_bird(namespace)
        for namespace in self.stage["birds"]:
            self._await(f"bird-{namespace}", RUN / f"{namespace}.ctl", "BIRD")
        self.tell("daemons", ike=len(self.charons), bgp=len(self.stage["birds"]))

    def start(self, name: str, namespace: str, command: list[str], **more: str) -> None:
        with (RUN / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                ["nsenter", f"--net={spaces.NAMES / namespace}", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | more,
            )

    def _start_charon(self, charon: dict[str, Any]) -> None:
        name = charon["name"]
        folder = RUN / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vici.sock").unlink(missing_ok=True)
        (folder / "strongswan.conf").write_text(_strongswan(folder))
        self.start(name, name, [self.programs["charon-systemd"]], STRONGSWAN_CONF=str(folder / "strongswan.conf"))

    def _await(self, name: str, socket: Path, title: str) -> None:
        """Raises DaemonEnded, with what it said last."""
        deadline = time.monotonic() + STARTED_WITHIN
        while not socket.exists():
            if time.monotonic() > deadline or self.running[name].poll() is not None:
                said = " ".join(self.log(name).split())[-300:] or "it said nothing"
                raise DaemonEnded(f"{title} did not start as {name}: {said}")
            time.sleep(0.01)

    def _make_room(self, name: str) -> None:
        """The stand-in of a daemon that was killed is in the way of the next one's device."""
        with contextlib.suppress(RuntimeError):
            spaces.ip("link del ipsec0\n", name)

    def _move_device(self, charon: dict[str, Any]) -> None:
        """The daemon keeps the file, the gateway has the device: a tunnel of its own, as with routes in the clouds. The
        daemon wants to lay a route through a device of that name, so a bridge stands in for it."""
        name, gateway, device = charon["name"], charon["gateway"], charon["device"]
        self._await(name, RUN / name / "vici.sock", "strongSwan")
        spaces.ip(
            f"link set ipsec0 netns {gateway} name {device}\nlink add ipsec0 type bridge\nlink set ipsec0 up\n"
            # an address of its own in what it protects, else it refuses its own side of it
            + _stand_in(charon),
            name,
        )
        lines = f"addr add {' '.join(charon['inner'])} dev {device}\n" if charon["inner"] else ""
        spaces.ip(f"{lines}link set {device} up\n", gateway)

    def _load(self, charon: dict[str, Any]) -> None:
        if charon["problem"]:
            self.refused[charon["name"]] = charon["problem"]
            return
        try:
            with opened(self._socket(charon)) as vici:
                owners = [charon["address"], charon["peer"]]
                vici.ask("load-shared", {"id": "k", "type": "ike", "data": charon["key"], "owners": owners})
                vici.ask("load-conn", charon["connection"])
        except ViciError as error:
            self.refused[charon["name"]] = str(error)

    def _start_bird(self, namespace: str) -> None:
        (RUN / f"{namespace}.conf").write_text(self.stage["birds"][namespace])
        socket = str(RUN / f"{namespace}.ctl")
        command = [self.programs["bird"], "-f", "-c", str(RUN / f"{namespace}.conf"), "-s", socket]
        self.start(f"bird-{namespace}", namespace, command)

    @staticmethod
    def _socket(charon: dict[str, Any]) -> str:
        return str(RUN / charon["name"] / "vici.sock")

    def log(self, name: str) -> str:
        for path in (RUN / name / "charon.log", RUN / f"{name}.log"):
            if path.exists() and path.stat().st_size:
                return path.read_text(errors="replace")
        return ""

    # --- tunnels --------------------------------------------------------------------------------------------

    def open_tunnels(self) -> None:
        """Azure's ends ask first. AWS's ask where no tunnel came of that: both at once would leave two of each."""
        self._ask([c for c in self.charons if c["side"] == "azure" and c["asks"]])
        up = {c["tunnel"] for c in self.charons if c["side"] == "aws" and self.security(c)}
        closed = {
            outside
            for _, outside in self.stage["tunnels"]
            if not any(c["answers"] for c in self.charons if c["side"] == "azure" and c["tunnel"] == outside)
        }
        self._ask(
            [
                c
                for c in self.charons
                if c["side"] == "aws" and c["asks"] and c["tunnel"] not in up and c["tunnel"] not in closed
            ]
        )
        self._refuse_narrowed()
        for name, outside in self.stage["tunnels"]:
            self.tell("tunnel", tunnel=name, **self._tunnel(outside))

    def _ask(self, charons: list[dict[str, Any]]) -> None:
        wanted = [c for c in charons if c["name"] not in self.refused]
        with ThreadPoolExecutor(len(wanted) or 1) as pool:
            list(pool.map(self._initiate, wanted))

    def _initiate(self, charon: dict[str, Any]) -> None:
        try:
            with opened(self._socket(charon), UP_WITHIN + 2) as vici:
                vici.ask(
                    "initiate", {"child": "c", "ike": "t", "timeout": str(int(UP_WITHIN * 1000)), "loglevel": "-1"}
                )
            self.asked.pop(charon["name"], None)
        except ViciError as error:
            self.asked[charon["name"]] = reason(self.log(charon["name"])) or str(error)

    def security(self, charon: dict[str, Any]) -> dict[str, Any]:
        """The newest child that is installed, with its IKE SA under ``ike``; empty: there is none."""
        try:
            with opened(self._socket(charon)) as vici:
                found = vici.stream("list-sas", "list-sa")
        except ViciError:
            return {}
        children = [
            {**child, "ike": ike}
            for event in found
            for ike in event.values()
            if ike.get("state") == "ESTABLISHED"
            for child in ike.get("child-sas", {}).values()
            if child.get("state") == "INSTALLED"
        ]
        return max(children, key=lambda c: int(c["uniqueid"]), default={})

    def _refuse_narrowed(self) -> None:
        """strongSwan takes less than it was asked for; a gateway of Azure that routes takes all or nothing."""
        for charon in (c for c in self.charons if c["side"] == "azure"):
            child = self.security(charon)
            ranges = [*child.get("local-ts", ()), *child.get("remote-ts", ())] if child else []
            narrow = [r for r in ranges if r not in ("0.0.0.0/0", "0.0.0.0/0|/0")]
            if narrow:
                self.asked[charon["name"]] = (
                    f"AWS agrees to {', '.join(narrow)} only, Azure takes all addresses or nothing"
                )
                try:
                    with opened(self._socket(charon)) as vici:
                        vici.ask("terminate", {"ike": "t", "timeout": "1000", "loglevel": "-1"})
                except ViciError:
                    continue

    def _tunnel(self, outside: str) -> dict[str, Any]:
        end = next(c for c in self.charons if c["side"] == "aws" and c["tunnel"] == outside)
        child = self.security(end)
        if child:
            return {"up": True, "ike": _ike_words(child["ike"]), "esp": _esp_words(child), "why": ""}
        others = [c for c in self.charons if c["side"] == "azure" and c["tunnel"] == outside]
        return {"up": False, "ike": "", "esp": "", "why": self._why_down(end, others)}

    @staticmethod
    def _meant(end: dict[str, Any], other: dict[str, Any]) -> bool:
        """Each connection is tried from both instances of Azure's gateway, and AWS knows one of them."""
        return bool(other["tunnel"] == end["tunnel"] and other["address"] == end["peer"])

    def _why_down(self, end: dict[str, Any], others: list[dict[str, Any]]) -> str:
        """The end that answers knows why; the one that asked only that it was refused."""
        meant = [c for c in others if self._meant(end, c)]
        refused = [self.refused[c["name"]] for c in (end, *meant) if c["name"] in self.refused]
        if refused:
            return refused[0]
        if not others:
            return "Azure has no connection to this tunnel"
        if not meant:
            return f"AWS expects Azure at {end['peer']}, and nobody asks from there"
        narrowed = [w for c in meant if (w := self.asked.get(c["name"], "")).startswith("AWS agrees")]
        asked = [self.asked[c["name"]] for c in (*meant, end) if c["name"] in self.asked]
        return next(w for w in (*narrowed, reason(self.log(end["name"])), *asked, "neither side opens it") if w)

    # --- BGP ------------------------------------------------------------------------------------------------

    def await_bgp(self, within: float = BGP_WITHIN) -> None:
        ends = {c["tunnel"]: c for c in self.charons if c["side"] == "aws"}
        up = {outside for outside, c in ends.items() if self.security(c)}
        deadline = time.monotonic() + within
        while True:
            sessions = self.sessions("vgw")
            state = {o: sessions.get(c["name"], {}) for o, c in ends.items()}
            if all(state[o].get("up") and state[o].get("routes") for o in up) or time.monotonic() > deadline:
                break
            # what the other end refuses does not come by waiting
            waited_for = [state[o] for o in up if not (state[o].get("up") and state[o].get("routes"))]
            if time.monotonic() > deadline - within + REFUSED_AFTER and all(s.get("error") for s in waited_for):
                break
            time.sleep(0.05)
        self._await_vnet(deadline)
        far = {n: self.sessions(n) for n in self.stage["birds"] if n.startswith("azg")}
        for name, outside in self.stage["tunnels"]:
            other = next(
                (c for c in self.charons if c["side"] == "azure" and self._meant(ends[outside], c)), {"gateway": ""}
            )
            learned = far.get(other["gateway"], {}).get(other.get("name", ""), {}).get("routes", 0)
            announced = self.stage["announced"]
            self.tell("bgp", tunnel=name, **_session_words(state[outside], learned), announced=announced)

    def _await_vnet(self, deadline: float) -> None:
        """Until the VNet's router knows what the instances have learned."""
        while time.monotonic() < deadline:
            learned = {n for n in self.stage["birds"] if n.startswith("azg") and _any_routes(self.sessions(n), "az")}
            known = self.sessions("vnet")
            if all(known.get(name, {}).get("routes") for name in learned):
                return
            time.sleep(0.05)

    def sessions(self, namespace: str) -> dict[str, dict[str, Any]]:
        return parsed_sessions(self.birdc(namespace, "show protocols all"))

    def birdc(self, namespace: str, command: str) -> str:
        import socket

        try:
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(2.0)
                control.connect(str(RUN / f"{namespace}.ctl"))
                control.recv(4096)
                control.sendall(f"{command}\n".encode())
                found = b""
                while not _ended(found):
                    piece = control.recv(65536)
                    if not piece:
                        break
                    found += piece
                return found.decode(errors="replace")
        except OSError:
            return ""

    # --- renewal of keys --------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Each tunnel's ESP keys and then its IKE keys, asked for by each end: what differs in the renewal's
        Diffie-Hellman group shows here, and else an hour after everything was green."""
        for name, outside in self.stage["tunnels"]:
            ends = [c for c in self.charons if c["tunnel"] == outside and self.security(c)]
            for what in ("child", "ike"):
                for end in ends:
                    before = self.security(end)
                    if not before:
                        self.tell(
                            "renewal", tunnel=name, side=end["side"], what=what, good=False, why="the tunnel is gone"
                        )
                        continue
                    why = self._renewed(end, what, before)
                    self.tell("renewal", tunnel=name, side=end["side"], what=what, good=not why, why=why)

    def _renewed(self, end: dict[str, Any], what: str, before: dict[str, Any]) -> str:
        """Empty: it was. Else why not. An SA is named by its number: there may be two for a moment."""
        size = len(self.log(end["name"]))
        old = before["uniqueid"] if what == "child" else before["ike"]["uniqueid"]
        try:
            with opened(self._socket(end)) as vici:
                vici.ask("rekey", {f"{what}-id": old})
        except ViciError as error:
            return str(error)
        deadline = time.monotonic() + RENEWED_WITHIN
        while time.monotonic() < deadline:
            now = self.security(end)
            new = (now.get("uniqueid") if what == "child" else now.get("ike", {}).get("uniqueid")) if now else old
            if now and new != old:
                return ""
            said = reason(self.log(end["name"])[size:])
            if said:
                return said
            time.sleep(0.02)
        return "no answer"

    def revive(self, names: list[str]) -> None:
        """What was killed, as it was begun."""
        back = [c for c in self.charons if c["name"] in names]
        for charon in back:
            self._make_room(charon["name"])
            self._start_charon(charon)
        for charon in back:
            self._move_device(charon)
            self._load(charon)
        for name in names:
            if name.startswith("bird-"):
                self._start_bird(name.removeprefix("bird-"))
        self._ask([c for c in back if c["asks"]])

    # --- the run ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        from cloudlink.rehearse import traffic

        self.build()
        self.daemons()
        servers = traffic.Servers(self)
        servers.start()
        self.open_tunnels()
        self.await_bgp()
        servers.await_names()
        traffic.names(self)
        traffic.requests(self)
        if self.options.get("pcap"):
            traffic.capture(self)
        if not self.options.get("quick"):
            self.renew()
        if self.options.get("failover"):
            traffic.failover(self, servers)
        self.tell("end")


# What the daemon's log says, and what it means; the plainer ones come first.
_REASONS = (
    ("MAC mismatched", "the keys differ"),
    ("AUTHENTICATION_FAILED", "the keys differ"),
    ("TS_UNACCEPTABLE", "the ranges do not fit"),
    ("received proposals unacceptable", "no IKE proposal in common"),
    ("no acceptable proposal found", "no ESP proposal in common"),
    ("received NO_PROPOSAL_CHOSEN", "no proposal in common"),
    ("giving up after", "no answer from the other end"),
    ("peer not responding", "no answer from the other end"),
)


def reason(log: str) -> str:
    """Why the daemon did not do what it was asked to, from its own log; empty: it does not say."""
    return next((meaning for word, meaning in _REASONS if word in log), "")


def _stand_in(charon: dict[str, Any]) -> str:
    own = charon["connection"]["t"]["children"]["c"]["local_ts"][0]
    if own == "0.0.0.0/0":
        return ""
    base, _, length = own.partition("/")
    first, last = base.rpartition(".")[::2]
    return f"addr add {first}.{int(last) + (0 if length == '32' else 1)}/32 dev lo\n"


def _strongswan(folder: Path) -> str:
    """routing_table_prio: behind the main table, so that the route that the daemon cannot do without is never used."""
    return f"""charon-systemd {{
  load = {_PLUGINS}
  install_virtual_ip = no
  routing_table = 220
  routing_table_prio = 40000
  retransmit_timeout = 1
  retransmit_base = 1.0
  retransmit_tries = 3
  threads = 16
  plugins {{
    vici {{ socket = unix://{folder}/vici.sock }}
    kernel-libipsec {{ allow_peer_ts = yes }}
  }}
  filelog {{ f {{ path = {folder}/charon.log
    default = 1
    append = yes
    flush_line = yes }} }}
  journal {{ default = -1 }}
}}
"""


def _ended(answer: bytes) -> bool:
    """A line that goes on has a hyphen behind its number."""
    last = answer.rstrip(b"\n").rpartition(b"\n")[2]
    return answer.endswith(b"\n") and last[:4].isdigit() and last[4:5] == b" "


def parsed_sessions(text: str) -> dict[str, dict[str, Any]]:
    """BGP sessions of BIRD's ``show protocols all``, by name."""
    found: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    for line in text.splitlines():
        words = (line[5:] if line[:4].isdigit() else line).split()
        if len(words) > 2 and words[1] in ("BGP", "Kernel", "Static", "Device", "BFD", "Direct"):
            current = None
            if words[1] == "BGP":
                current = found.setdefault(words[0], {"up": words[-1] == "Established", "state": " ".join(words[5:])})
        elif current is not None:
            stripped = " ".join(words)
            if stripped.startswith("BGP state:"):
                current["state"] = words[-1]
                current["up"] = words[-1] == "Established"
            elif stripped.startswith("Last error:"):
                current["error"] = stripped.partition(":")[2].strip()
            elif stripped.startswith("Routes:"):
                current["routes"] = int(words[1])
    return found


def _any_routes(sessions: dict[str, dict[str, Any]], kind: str) -> bool:
    return any(s.get("up") and s.get("routes") for name, s in sessions.items() if name.startswith(kind))


def _session_words(session: dict[str, Any], learned: int) -> dict[str, Any]:
    """routes: prefixes that AWS took; learned: that Azure took."""
    if session.get("up"):
        return {"up": True, "routes": session.get("routes", 0), "learned": learned, "why": ""}
    if not session:
        return {"up": False, "routes": 0, "learned": 0, "why": "AWS speaks no BGP on this connection"}
    return {
        "up": False,
        "routes": 0,
        "learned": 0,
        "why": session.get("error") or f"the session stays {session.get('state', 'down')}",
    }


def _ike_words(ike: dict[str, Any]) -> str:
    return _words(ike, "encr-alg", "encr-keysize", "integ-alg", "prf-alg", "dh-group")


def _esp_words(child: dict[str, Any]) -> str:
    return _words(child, "encr-alg", "encr-keysize", "integ-alg", "dh-group")


def _words(held: dict[str, Any], *keys: str) -> str:
    return "/".join(str(held[k]) for k in keys if held.get(k))


def main() -> int:
    told = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    RUN.mkdir(parents=True, exist_ok=True)
    lab = Lab(told)
    try:
        lab.run()
    except DaemonEnded as error:
        lab.tell("failed", why=str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the other side has no other way to learn of it
        lab.tell("failed", why=f"{type(error).__name__}: {error}")
        return 1
    finally:
        for process in lab.running.values():
            process.kill()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
