"""Only what is ours: whatever strangers have in both clouds, no command changes or deletes any of it.

Worlds are random (seeded): strangers' gateways, customer gateways, zones, rules, route tables, local gateways, public
addresses, config map keys and pods, some with half of our tags or those of another link. Lives are random too.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

from cloudlink.sandbox.azure.ids import parse
from cloudlink.sandbox.azure.store import Record
from cloudlink.sandbox.kube.kinds import CONFIGMAPS
from prove.figures import Figures, Point
from prove.ground import Ground
from prove.kill import Bench
from prove.picture import Pictures

HALF_TAGS: tuple[dict[str, str], ...] = (
    {},
    {"cloudlink-link": "other", "cloudlink-resource": "aws_vpn.gateway"},
    {"cloudlink-resource": "aws_vpn.gateway"},
    {"cloudlink-resource": "azure_vpn.local_gateway[0]"},
    {"Cloudlink-Link": "demo", "cloudlink-resource": "aws_vpn.customer_gateway[0]"},
    {"cloudlink-link": "demo-2", "cloudlink-resource": "aws_vpn.connection[0]"},
    {"Name": "cloudlink-demo-gateway", "managed-by": "terraform"},
)
LIVES = 60
# objects that are shared, and what cloudlink may change in them while the link stands
SHARED = ("aws route table", "aws vpc", "kube config map", "aws vpn gateway", "azure resource")


class Strangers:
    """Puts strangers' things into the world. Each method is one kind of stranger."""

    def __init__(self, ground: Ground, pictures: Pictures, rng: random.Random, like: dict[str, Record]) -> None:
        self.ground, self.rng, self.like = ground, rng, like
        self.ec2, self.route53 = pictures.client("ec2"), pictures.client("route53")
        self.kinds: list[Callable[[], None]] = [
            self.gateway, self.customer_gateway, self.zone, self.group, self.route_table, self.local_gateway,
            self.public_ip, self.config_map,
        ]  # fmt: skip

    def tags(self) -> dict[str, str]:
        return dict(self.rng.choice(HALF_TAGS))

    def _specification(self, kind: str) -> list[dict[str, Any]]:
        tags = self.tags()
        return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}] if tags else []

    def gateway(self) -> None:
        self.ec2.create_vpn_gateway(Type="ipsec.1", TagSpecifications=self._specification("vpn-gateway"))

    def customer_gateway(self) -> None:
        self.ec2.create_customer_gateway(
            Type="ipsec.1", BgpAsn=self.rng.choice((65000, 65010)), IpAddress=f"203.0.113.{self.rng.randint(1, 254)}",
            TagSpecifications=self._specification("customer-gateway"),
        )  # fmt: skip

    def zone(self) -> None:
        """A public zone of the same name, or one above it."""
        name = self.rng.choice((self.ground.link.dns.zone, self.ground.link.dns.zone.partition(".")[2]))
        made = self.route53.create_hosted_zone(Name=name, CallerReference=f"s{self.rng.random()}")["HostedZone"]
        self.route53.change_resource_record_sets(
            HostedZoneId=made["Id"],
            ChangeBatch={
                "Changes": [
                    {
                        "Action": "CREATE",
                        "ResourceRecordSet": {
                            "Name": f"postgres.{name}", "Type": "A", "TTL": 77, "ResourceRecords": [{"Value": "192.0.2.7"}],
                        },
                    }
                ]
            },
        )  # fmt: skip

    def group(self) -> None:
        made = self.ec2.create_security_group(
            GroupName=f"cloudlink-{self.rng.choice(('other', 'demo-2', 'demo'))}-stranger{self.rng.randint(1, 10**6)}",
            Description="not cloudlink's", VpcId=self.ground.link.aws.vpc_id,
            TagSpecifications=self._specification("security-group"),
        )  # fmt: skip
        self.ec2.authorize_security_group_ingress(
            GroupId=made["GroupId"],
            IpPermissions=[
                {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.20.0.0/16"}]}
            ],
        )

    def route_table(self) -> None:
        self.ec2.create_route_table(
            VpcId=self.ground.link.aws.vpc_id, TagSpecifications=self._specification("route-table")
        )

    def _azure(self, kind: str) -> None:
        model = next(r for k, r in self.like.items() if f"/{kind.lower()}/" in k)
        name = self.rng.choice(("stranger-", "cloudlink-other-", "cloudlink-demo-x-")) + str(self.rng.randint(1, 10**6))
        made = copy.deepcopy(model)
        text = str(model.id)
        made.id = parse(text[: text.rindex("/") + 1] + name)
        made.tags = self.tags() or None
        with self.ground.sandbox.sky.lock:
            self.ground.sandbox.azure.store.place(made)
            self.ground.sandbox.sky.touch()

    def local_gateway(self) -> None:
        self._azure("localNetworkGateways")

    def public_ip(self) -> None:
        self._azure("publicIPAddresses")

    def config_map(self) -> None:
        with self.ground.sandbox.sky.lock:
            cluster = next(iter(self.ground.sandbox.aks.clusters.values()))
            custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
            key = self.rng.choice(("team.server", "log.override", "cloudlink-other.server"))
            zone = f"z{self.rng.randint(1, 999)}.example"
            text = f"{zone}:53 {{\n    forward . 192.0.2.9\n}}\n" if key.endswith("server") else "log\n"
            custom["data"] = {**(custom.get("data") or {}), key: text}
            cluster.store.replace(CONFIGMAPS, custom)


def prove(figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    with Ground() as ground:
        bench = Bench(ground)
        ground.back_to("built")
        with ground.sandbox.sky.lock:
            like = copy.deepcopy(ground.sandbox.azure.store.resources)
        lives = range(LIVES)[part::of]
        for life in lives[: most or len(lives)]:
            if figures.time_is_up:
                break
            _life(bench, figures, random.Random(f"{seed}/{life}"), like, f"seed {seed}, life {life}")
    return LIVES


def _life(bench: Bench, figures: Figures, rng: random.Random, like: dict[str, Record], where: str) -> None:
    ground, pictures = bench.ground, bench.pictures
    ground.back_to("empty")
    strangers = Strangers(ground, pictures, rng, like)
    for _ in range(rng.randint(3, 10)):
        rng.choice(strangers.kinds)()
    ground.settle()
    before = _by_id(pictures.raw())
    done: list[str] = []
    for step in [*rng.sample(("up", "change", "up", "lose state", "up"), rng.randint(1, 4)), "teardown"]:
        done.append(step)
        said = f"{where}: {', '.join(done)}"
        if step == "lose state":
            ground.state.unlink(missing_ok=True)
            continue
        if step == "change":  # nothing that makes the sandbox furnish more
            text = re.sub(r"(?m)^(# )?ttl = \d+", f"ttl = {rng.randint(30, 300)}", ground.config.read_text())
            ground.config.write_text(text)
            continue
        standing = _by_id(pictures.raw())
        ended = ground.run("teardown", "--json") if step == "teardown" else ground.run("up", "--no-verify")
        ground.settle()
        after = _by_id(pictures.raw())
        if step == "up":
            figures.add(
                Point("ours", "strangers' things after up", said, _code(ended, (0, 5)) or _touched(before, after))
            )
            continue
        lost = "lose state" in done
        figures.add(
            Point(
                "ours",
                "the world after teardown is the one before",
                said,
                _code(ended, (0,)) or _same(before, after, lost=lost),
            )
        )
        if ended.code == 0:
            figures.add(
                Point("ours", "teardown's receipt is the difference", said, _receipt(standing, after, ended.out))
            )


def _code(ended: Any, codes: tuple[int, ...]) -> str:
    return "" if ended.code in codes else f"{ended}"


def _by_id(raw: dict[str, list[Any]]) -> dict[tuple[str, str], str]:
    """(kind, id) -> content, as it is."""
    found = {}
    for kind, things in raw.items():
        for thing in things:
            names = (
                "VpnGatewayId",
                "CustomerGatewayId",
                "VpnConnectionId",
                "GroupId",
                "RouteTableId",
                "NetworkInterfaceId",
                "Id",
                "id",
                "name",
            )
            if kind == "aws interface":
                names = ("NetworkInterfaceId",)
            id_ = next(str(thing[n]) for n in names if thing.get(n))
            shown = {k: v for k, v in thing.items() if k not in ("state", "ModificationTime", "Attachment")}
            found[kind, id_] = json.dumps(shown, sort_keys=True, default=str).replace(
                '"provisioningState": "Creating"', '"provisioningState": "Succeeded"'
            )
    return found


def _touched(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> str:
    """While the link stands: nothing of before is gone, and nothing is different but what is shared on purpose."""
    wrong = []
    for key, content in before.items():
        if key not in after:
            wrong.append(f"gone: {key}")
        elif after[key] != content and not _allowed(key, content, after[key]):
            wrong.append(f"changed: {key}\n  {content[:600]}\n  {after[key][:600]}")
    return "\n".join(wrong)


def _allowed(key: tuple[str, str], old: str, new: str) -> bool:
    kind, id_ = key
    a, b = json.loads(old), json.loads(new)
    if kind == "aws route table":  # propagation, and the routes that it brings
        for table in (a, b):
            table.pop("PropagatingVgws", None)
            table["Routes"] = [r for r in table["Routes"] if r.get("Origin") != "EnableVgwRoutePropagation"]
        return bool(a == b)
    if kind == "aws vpc":
        return True  # DNS support and host names; put back at teardown
    if kind == "kube config map" and id_ == "coredns-custom":
        b["data"] = {k: v for k, v in b["data"].items() if k != "cloudlink-demo.server"}
        return a["data"] == b["data"]
    return kind == "azure resource" and "/virtualnetworks/test-vnet" in id_.lower()  # its list of subnets


def _same(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str], *, lost: bool) -> str:
    """lost: a state file that is gone has taken with it what shared objects were like before."""
    wrong = [f"gone: {k}" for k in before if k not in after]
    wrong += [f"left: {k}" for k in after if k not in before]
    for key, content in before.items():
        if key in after and after[key] != content and not (lost and key[0] == "aws vpc"):
            wrong.append(f"changed: {key}\n  {content[:900]}\n  {after[key][:900]}")
    return "\n".join(wrong)


def _receipt(standing: dict[tuple[str, str], str], after: dict[tuple[str, str], str], out: str) -> str:
    """Every object that went is named by the receipt, and nothing else is."""
    result = json.loads(out.splitlines()[-1])["teardown"]
    named = {str(row.get("detail", "")).lower() for row in result["deleted"]}
    gone = {id_.lower() for kind, id_ in standing if (kind, id_) not in after and kind not in ("aws interface",)}
    strip = {g.removeprefix("/hostedzone/") for g in gone}
    missing = {g for g in strip if not any(g in n for n in named)}
    return f"not named: {sorted(missing)}; named: {sorted(named)}" if missing else ""
