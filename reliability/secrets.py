"""No pre-shared key anywhere but in the clouds.

Every key that cloudlink hands to a cloud is noted as it passes the gate. Then everything that a run left or showed is
searched for each of them, as it is and in the usual encodings; and while it runs, the command line and the environment
of every process on the machine.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_plus

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import WORLD_FILE
from reliability.gate import Reply
from reliability.harness import Harness
from reliability.results import Point, Results
from reliability.scenarios import drift
from reliability.snapshot import Snapshots

_SENT = re.compile(r"PreSharedKey=([^&]+)")
_MODE = 0o600


class Noted:
    """The gate's witness: keys on their way to a cloud."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.quote = ""  # a call whose body is quoted in a refusal, as real clouds quote values that they refuse
        self.quoted = 0

    def __call__(self, cloud: str, environ: dict[str, Any], body: bytes) -> Reply | None:
        text = body.decode("utf-8", "replace")
        if cloud == "aws":
            self.keys |= {unquote_plus(k) for k in _SENT.findall(text)}
        elif cloud == "azure" and environ["REQUEST_METHOD"] == "PUT" and text:
            content = json.loads(text)
            found = (content.get("properties") or {}).get("sharedKey") or (
                content.get("value") if environ["PATH_INFO"].lower().endswith("sharedkey") else None
            )
            self.keys |= {found} if found else set()
        return self._quoted(cloud, environ, text)

    def _quoted(self, cloud: str, environ: dict[str, Any], text: str) -> Reply | None:
        if not self.quote:
            return None
        if cloud == "aws" and f"Action={self.quote}" in text:
            self.quoted += 1
            said = f"<Code>InvalidParameterValue</Code><Message>Value ({quote(unquote_plus(text), safe=' =&')}) is invalid</Message>"
            body = f"<Response><Errors><Error>{said.replace('&', '&amp;')}</Error></Errors><RequestID>r-1</RequestID></Response>"
            return 400, {"Content-Type": "text/xml"}, body.encode()
        if cloud == "azure" and f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].split('/')[-2]}" == self.quote:
            self.quoted += 1
            error = {"error": {"code": "InvalidRequestContent", "message": f"Cannot take {text}", "details": []}}
            return 400, {"Content-Type": "application/json"}, json.dumps(error).encode()
        return None


class Processes:
    """Collects the command lines and environments of all processes while a run goes on."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for folder in Path("/proc").iterdir():
                if folder.name.isdigit():
                    for name in ("cmdline", "environ"):
                        try:
                            self.seen.add((folder / name).read_bytes())
                        except OSError:
                            continue


def forms(key: str) -> Iterator[tuple[str, bytes]]:
    raw = key.encode()
    yield "plain", raw
    yield "reversed", raw[::-1]
    yield "hexadecimal", raw.hex().encode()
    for shift in range(3):  # wherever the key begins in the text that was encoded
        yield "base64", base64.b64encode(b"\0" * shift + raw)[4:-4]
    yield "in part", raw[:16]
    yield "in part", raw[-16:]


def occurrences(keys: set[str], places: dict[str, bytes]) -> list[str]:
    return [
        f"{place}: a key, {form}"
        for place, content in places.items()
        for key in keys
        for form, text in forms(key)
        if text in content
    ]


class TrialRunner:
    def __init__(self, harness: Harness, results: Results) -> None:
        self.harness, self.results = harness, results
        self.snapshots = Snapshots(harness)
        self.noted = Noted()
        harness.gate.instead = self.noted
        self.debug = harness.folder / "debug"
        self.debug.mkdir()
        harness.keep("empty")

    def told(self, what: str, where: str, wrong: list[str] | str) -> None:
        self.results.add(Point("secrets", what, where, wrong if isinstance(wrong, str) else "\n".join(wrong)))

    def in_aws(self) -> set[str]:
        return {
            t["PreSharedKey"]
            for c in self.snapshots.client("ec2").describe_vpn_connections()["VpnConnections"]
            for t in c["Options"]["TunnelOptions"]
            if t.get("PreSharedKey")
        }

    def run(self, where: str, *arguments: str, codes: tuple[int, ...] = (0,), fails: str = "") -> None:
        """One command; then every place is searched. Each place is a point."""
        harness = self.harness
        temporary = harness.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        with Processes() as processes:
            ended = harness.run(
                *arguments, debug=str(self.debug), cloudlink_fails=fails,
                env={"TMPDIR": str(temporary), "PYTHONFAULTHANDLER": "1", "BOTO_DEBUG": "1", "AZURE_LOG_LEVEL": "debug"},
            )  # fmt: skip
        keys = self.noted.keys | self.in_aws()
        self.told("the run ends as expected", where, "" if ended.code in codes else str(ended)[:1500])
        self.told("four keys or more were at stake", where, "" if len(keys) >= 2 else f"only {len(keys)}")
        places = {
            "standard output": ended.out.encode(),
            "standard error": ended.err.encode(),
            "command lines and environments": b"\0".join(processes.seen),
        }
        for name, found in (
            ("state file and its previous one", harness.home.glob("*.state.json*")),
            ("cloudlink's log", harness.home.glob("*.log")),
            ("logs of the SDKs at DEBUG", self.debug.glob("all.log")),
            ("temporary and removed files", [*temporary.rglob("*"), *self.debug.glob("kept-*")]),
            ("everything else in the folder", [p for p in harness.home.iterdir() if p.name != WORLD_FILE]),
        ):
            places[name] = b"\0".join(p.read_bytes() for p in found if p.is_file())
        for name, content in places.items():
            self.told(f"no key in: {name}", where, occurrences(keys, {name: content}))
        self.told("files 0600 in a folder 0700", where, self._modes())
        for path in (*self.debug.iterdir(), *temporary.rglob("*")):
            if path.is_file():
                path.unlink()

    def _modes(self) -> list[str]:
        home = self.harness.home
        wrong = [f"{home}: {stat.S_IMODE(home.stat().st_mode):o}"] if stat.S_IMODE(home.stat().st_mode) != 0o700 else []
        for path in (*home.glob("*.state.json*"), *home.glob("*.log")):
            if (mode := stat.S_IMODE(path.stat().st_mode)) != _MODE:
                wrong.append(f"{path.name}: {mode:o}")
        return wrong

    def written_by_others(self) -> None:
        """A state file that others can write is refused."""
        for mode in (0o620, 0o602, 0o666, 0o660):
            self.harness.state.chmod(mode)
            ended = self.harness.run("up", "--no-verify")
            good = ended.code == 7 and "can be written by others" in ended.out + ended.err
            self.told(
                "a state file that others can write is refused", f"mode {mode:o}", "" if good else str(ended)[:800]
            )
        self.harness.state.chmod(_MODE)


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    """One harness; it is short. most: 1 leaves the rarer runs out."""
    del seed, part, of
    before = os.umask(0)  # the worst that a user can have set
    try:
        _run(results, most)
    finally:
        os.umask(before)
    return len(results.points)


def _run(results: Results, most: int) -> None:
    with Harness() as harness:
        runner = TrialRunner(harness, results)
        for where, call in (
            ("AWS quotes what it refuses", "CreateVpnConnection"),
            ("Azure quotes what it refuses", "PUT connections"),
        ):
            runner.noted.quote = call
            runner.run(where, "up", "--no-verify", codes=(5, 8))
            runner.told("the fault was met", where, "" if runner.noted.quoted else "no call was refused")
            runner.noted.quote, runner.noted.quoted = "", 0
            harness.settle()
        harness.back_to("empty")
        for where, place in (
            ("a bug in the create call", "botocore.client:BaseClient._make_api_call#PreSharedKey"),
            ("a bug in the connection's write", "cloudlink.clouds.azure.client:Azure.put_connection"),
        ):
            runner.run(where, "up", "--no-verify", codes=(1,), fails=place)
            harness.settle()
        harness.back_to("empty")
        runner.run("up", "up")
        harness.settle()
        harness.keep("built")
        runner.run("plan", "plan", codes=(0, 2))
        if not most:
            runner.run("up --json, nothing to do", "up", "--json")
            runner.run("status --json", "status", "--json")
            runner.run("verify-dns", "verify-dns")
            runner.written_by_others()
            drift(harness, runner.snapshots)
            runner.run("up after changes by hand", "up", "--json")
            for kind, place in (("garbage", "aws.DescribeVpnConnections"), ("garbage", "azure.GET:connections*"),
                                ("garbage", "azure.PUT:*"), ("cut-after", "aws.CreateVpnConnection")):  # fmt: skip
                harness.back_to("empty" if "Create" in place or "PUT" in place else "built")
                harness.sandbox.context.faults.add(Fault(kind, place, times=2))
                runner.run(f"{kind} at {place}", "up", "--no-verify", codes=(0, 5, 6, 8))
            harness.back_to("built")
            runner.run("teardown", "teardown")
