"""Only our own objects: whatever others have in both clouds, no command changes or deletes any of it.

Worlds are random (seeded), see ``foreign_objects.py``; so are the sequences: every command, changed configurations, kills, a lost
state file, and foreign objects that appear in the middle. In a third of them the link is built on a gateway and a zone that it
was told to adopt.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cloudlink_sandbox.azure.store import Record
from reliability.call_interceptor import CrashPoint
from reliability.foreign_objects import ForeignObjects
from reliability.fork_server import Ended
from reliability.kill import TrialRunner
from reliability.link_kinds import EXAMPLE, EXAMPLE_KIND, KINDS, LinkKind
from reliability.random_sequences import lives
from reliability.results import Point, Results

SEQUENCES = 60  # of the example
OF_EACH_KIND = 8
Objects = dict[tuple[str, str], str]
"""(kind, id) -> content, as it is."""
STEPS = (
    "up",
    "up",
    "change",
    "lose state",
    "plan",
    "status",
    "verify-dns",
    "killed up",
    "killed teardown",
    "foreign objects",
)
LOOKS = ("plan", "status", "verify-dns")
_IDS = (
    "VpnConnectionId",  # before those that it has of others
    "TransitGatewayAttachmentId",
    "TransitGatewayRouteTableId",
    "TransitGatewayId",
    "CustomerGatewayId",
    "VpnGatewayId",
    "GroupId",
    "RouteTableId",
    "Id",
    "id",
    "name",
)
_PASSING = ("state", "ModificationTime", "Attachment")
_SUBNET = "/subnets/gatewaysubnet"
_ADOPTED = "/virtualNetworkGateways/shared"
_CUSTOM = re.compile(r'"customBgpIpAddresses": \[[^\]]*\]')
_AZURE_RANGES = ("10.20.", "10.30.")
_MARK = re.compile(r'(, )?"cloudlink\.dev/demo": "[a-z ]*"')


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    kinds: Sequence[str] = (EXAMPLE_KIND, *KINDS),
) -> int:
    """Returns the number of lives that there are. most: lives of each kind at most."""
    there_are, mine = lives(kinds, SEQUENCES, OF_EACH_KIND, part, of)
    for left, (name, numbers) in enumerate(mine):
        if results.time_is_up:
            break
        kind = KINDS.get(name, EXAMPLE)
        with results.share(len(mine) - left), kind.opened() as harness:
            kind.begin(harness)
            runner = TrialRunner(harness, kind)
            harness.back_to("built")
            with harness.sandbox.context.lock:
                like = copy.deepcopy(harness.sandbox.azure.store.resources)
            for number in results.in_time(numbers, most, least=1):
                own = f"{seed}/{number}" if kind is EXAMPLE else f"{seed}/{name}/{number}"
                where = f"seed {seed}, {name}, life {number}"
                Life(runner, kind, results, random.Random(own), like, where).live()
    return there_are


@dataclass
class Life:
    runner: TrialRunner
    kind: LinkKind
    results: Results
    rng: random.Random
    like: dict[str, Record]
    where: str
    done: list[str] = field(default_factory=list)

    def live(self) -> None:
        harness, rng = self.runner.harness, self.rng
        harness.back_to("empty")
        self.foreign_objects = ForeignObjects(harness, self.runner.snapshots, rng, self.like)
        if self.kind is EXAMPLE and rng.random() < 0.33:
            self.done.append("adopting")
            text = harness.config.read_text()
            for old, new in self.foreign_objects.to_be_adopted().items():
                assert old in text, old
                text = text.replace(old, new)
            harness.config.write_text(text)
        for _ in range(rng.randint(3, 12)):
            rng.choice(self.foreign_objects.kinds)()
        harness.settle()
        self.before = self._world()
        for step in [*rng.choices(STEPS, k=rng.randint(1, 6)), "teardown"]:
            self.done.append(step)
            self._step(step)

    def _step(self, step: str) -> None:
        harness = self.runner.harness
        standing = self._world()
        match step:
            case "lose state":
                harness.state.unlink(missing_ok=True)
                if self.runner.stored:
                    self.runner.stored.remove()
            case "change" if self.kind is not EXAMPLE:
                self.kind.edit(harness, self.rng.choice(list(self.kind.edits)))
            case "change":  # nothing that makes the sandbox furnish more
                ttl = f"ttl = {self.rng.randint(30, 300)}"
                harness.config.write_text(re.sub(r"(?m)^(# )?ttl = \d+", ttl, harness.config.read_text()))
            case "foreign objects":
                self.rng.choice(self.foreign_objects.late)()
                harness.settle()
                now = self._world()
                self.before |= {key: now[key] for key in now if standing.get(key) != now[key]}
            case "plan" | "status" | "verify-dns":
                ended = harness.run(step)
                self._tell("commands that look change nothing", ended, (0, 5, 8), same(standing, self._world()))
            case "up":
                ended = harness.run("up", "--no-verify")
                harness.settle()
                self._tell("foreign objects after up", ended, (0, 5), touched(self.before, self._world()))
            case "killed up" | "killed teardown":
                arguments = ("up", "--no-verify") if step == "killed up" else ("teardown",)
                place = CrashPoint(self.rng.randint(20, 110), 0, self.rng.choice(("before", "after")))
                ended = harness.run(*arguments, kill=place)
                harness.settle()
                codes = (0, 5, 8, ended.code if ended.killed else 0)
                self._tell(
                    "foreign objects after a run that was killed", ended, codes, touched(self.before, self._world())
                )
            case "teardown":
                self._teardown(standing)

    def _teardown(self, standing: Objects) -> None:
        ended = self.runner.harness.run("teardown", "--json")
        self.runner.harness.settle()
        after, lost = self._world(), "lose state" in self.done
        orphan = lost and any(step.startswith("killed") for step in self.done)
        codes = (8,) if self.foreign_objects.link_tagged else (0,)
        self._tell(
            "the world after teardown is the one before",
            ended,
            codes,
            same(self.before, after, lost=lost, orphan=orphan),
        )
        if ended.code in codes:
            result = json.loads(ended.out.splitlines()[-1])["teardown"]
            self._tell("teardown's receipt is the difference", ended, codes, receipt(standing, after, result))

    def _tell(self, what: str, ended: Ended, codes: tuple[int, ...], wrong: str) -> None:
        if ended.code not in codes:
            wrong = f"{wrong}\n{ended}"
        self.results.add(Point("ownership", what, f"{self.where}: {', '.join(self.done)}", wrong))

    def _world(self) -> Objects:
        return by_id(self.runner.snapshots.raw())


def by_id(raw: dict[str, list[Any]]) -> Objects:
    found = {}
    for kind, things in raw.items():
        for thing in things:
            names = ("NetworkInterfaceId",) if kind == "aws interface" else _IDS
            id_ = next(str(thing[n]) for n in names if thing.get(n))
            shown = {k: v for k, v in thing.items() if k not in _PASSING}
            found[kind, id_] = json.dumps(shown, sort_keys=True, default=str).replace(
                '"provisioningState": "Creating"', '"provisioningState": "Succeeded"'
            )
    return found


def touched(before: Objects, after: Objects) -> str:
    """While the link exists: nothing of before is gone, and nothing is different but what is shared on purpose."""
    wrong = []
    for key, content in before.items():
        if key not in after:
            wrong.append(f"gone: {key}")
        elif after[key] != content and not _allowed(key, content, after[key]):
            wrong.append(f"changed: {key}\n  {content[:600]}\n  {after[key][:600]}")
    return "\n".join(wrong)


def _without_routes(table: dict[str, Any]) -> dict[str, Any]:
    """Without what is propagated, and the static routes that lead to Azure through a transit gateway."""

    def ours(route: dict[str, Any]) -> bool:
        through = str(route.get("DestinationCidrBlock", "")).startswith(_AZURE_RANGES) and "TransitGatewayId" in route
        return through or route.get("Origin") == "EnableVgwRoutePropagation"

    kept = {k: v for k, v in table.items() if k != "PropagatingVgws"}
    return {**kept, "Routes": [r for r in table["Routes"] if not ours(r)]}


def _without_addresses(gateway: str) -> str:
    return _CUSTOM.sub('"customBgpIpAddresses": []', gateway)


def _beside(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Nothing but more entries in lists."""
    lists = [k for k, v in old.items() if isinstance(v, list)]
    return {**old, **dict.fromkeys(lists)} == {**new, **dict.fromkeys(lists)} and all(
        entry in new[k] for k in lists for entry in old[k]
    )


def _allowed(key: tuple[str, str], old: str, new: str) -> bool:
    """What an existing link may change on objects that it shares with others."""
    kind, id_ = key
    a, b = json.loads(old), json.loads(new)
    match kind:
        case "aws route table":  # propagation, and the routes that it brings
            return _without_routes(a) == _without_routes(b)
        case "aws vpc":
            return True  # DNS support and host names; put back at teardown
        case "aws hosted zone" if a["Config"]["PrivateZone"]:  # an adopted one; ours come beside what is there
            theirs, now = ([json.dumps(r, sort_keys=True) for r in zone.pop("records")] for zone in (a, b))
            a.pop("ResourceRecordSetCount"), b.pop("ResourceRecordSetCount")
            return a == b and set(theirs) <= set(now)
        case "kube config map" if id_.endswith("coredns-custom"):
            ours = "cloudlink-demo.server"
            return [(k, v) for k, v in a["data"].items() if k != ours] == [
                (k, v) for k, v in b["data"].items() if k != ours
            ]
        case "kube deployment" | "kube pod" if "coredns" in id_:  # a mark that says what CoreDNS was restarted for
            return _MARK.sub("", old) == _MARK.sub("", new)
        case "aws transit gateway table":  # associations, propagations and routes of ours beside theirs
            return _beside(a, b)
        case "azure resource" if id_.endswith(_ADOPTED):  # custom addresses of ours beside theirs
            theirs, now = (set(re.findall(r'"(169\.254\.[0-9.]+)"', text)) for text in (old, new))
            return theirs <= now and _without_addresses(old) == _without_addresses(new)
        case "azure resource":  # the VNet's list of subnets
            return "/virtualnetworks/" in id_.lower()
    return False


def same(before: Objects, after: Objects, *, lost: bool = False, orphan: bool = False) -> str:
    """lost: a state file that is gone has taken with it what shared objects were like before. orphan: and a killed run
    may have left a gateway subnet that nobody knows to be ours; docs/reliability.md says so."""
    wrong = [f"gone: {k}" for k in before if k not in after]
    wrong += [f"left: {k}" for k in after if k not in before and not (orphan and k[1].lower().endswith(_SUBNET))]
    for key, content in before.items():
        if key not in after or after[key] == content:
            continue
        kind, id_ = key
        forgiven = (lost and kind == "aws vpc") or (orphan and kind == "azure resource" and id_.endswith("/test-vnet"))
        if lost and kind == "aws route table":
            a, b = json.loads(content), json.loads(after[key])
            forgiven = _without_routes(a) == _without_routes(b)
        if not forgiven:
            wrong.append(f"changed: {key}\n  {content[:900]}\n  {after[key][:900]}")
    return "\n".join(wrong)


# --- the receipt ----------------------------------------------------------------------------------------------

# What is changed on an object that stays, and the row that must say so.
_PARTS = {
    "aws route table": "aws_vpn.route_propagation",
    "aws vpc": "resolver.vpc_dns",
    "aws hosted zone": "resolver.records",
    "kube config map": "dns_forward.forward",
}
_ROUTES = {"aws route table": ("aws_vpn.static_routes",)}  # or so, where a transit gateway is the way


def receipt(standing: Objects, after: Objects, result: dict[str, Any]) -> str:
    """Everything that went or was put back is named, and nothing is named that did not go and was not put back."""
    rows = [*result["deleted"], *result["restored"]]
    said = [f"{row['address']} {row.get('detail', '')}".lower() for row in rows]
    gone = {key: _bare(key[1]) for key in standing if key not in after and not _goes_along(key[0], standing[key])}
    changed = {key for key in standing if key in after and _put_back(key[0], standing[key], after[key])}
    wrong = [f"{key} went and is not named" for key, id_ in gone.items() if not any(id_ in line for line in said)]
    for kind, _ in changed:
        if kind in _PARTS and not any(line.startswith((_PARTS[kind], *_ROUTES.get(kind, ()))) for line in said):
            wrong.append(f"a {kind} was changed, and no row {_PARTS[kind]} says so")
    parts = {_PARTS[kind] for kind, _ in changed if kind in _PARTS}
    if any(kind == "kube config map" for kind, _ in changed):  # each of several clusters has one
        parts |= {row["address"] for row in rows if row["address"].startswith("dns_forward.forward[")}
    if any(id_.endswith(_ADOPTED) for _, id_ in changed):
        parts.add("azure_vpn.inside_addresses")
    if any(
        kind in ("aws transit gateway table", "aws route table") for kind, _ in changed
    ):  # routes are parts of tables
        parts |= {row["address"] for row in rows if row["address"].startswith("aws_vpn.") and "rout" in row["address"]}
    for row, line in zip(rows, said, strict=True):
        if not any(id_ in line for id_ in gone.values()) and row["address"] not in parts:
            wrong.append(f"named, and neither gone nor changed: {row}")
    return "\n".join(wrong)


def _goes_along(kind: str, content: str) -> bool:
    """With what it is a part of: an interface with its endpoint, an attachment with its VPN connection, the table that a
    transit gateway has from the first with the gateway."""
    if kind == "aws transit gateway attachment":
        return '"ResourceType": "vpn"' in content
    return kind == "aws interface" or (
        kind == "aws transit gateway table" and '"DefaultAssociationRouteTable": true' in content
    )


def _put_back(kind: str, old: str, new: str) -> bool:
    """Routes come and go with the connections; what is put back of a table is from whom it takes them."""
    if kind == "aws route table" and "TransitGatewayId" not in old:
        return bool(json.loads(old)["PropagatingVgws"] != json.loads(new)["PropagatingVgws"])
    return old != new


def _bare(id_: str) -> str:
    return id_.lower().removeprefix("/hostedzone/")
