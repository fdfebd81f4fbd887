"""Foreign objects with exactly our names: in every place, with no mark of ours, with half of them, and with all of them for
a link that is elsewhere.

Every case is tried on its own, with ``plan``, ``up`` and ``teardown``, the last one also without the state file. Whatever
cloudlink does, build beside the object or refuse, the object is afterwards what it was; what the plan lets pass, ``up``
builds; what the plan refuses, ``up`` refuses before its first write; and after the teardown the world is the one before.
"""

from __future__ import annotations

import copy
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cloudlink.clouds.aws.tags import name_for
from cloudlink.clouds.ownership import Owner, owner_of
from cloudlink.steps.resolver.records import owner_name, place_value
from cloudlink_sandbox.azure.store import Record
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, PODS
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.ownership import Objects, by_id, same, touched
from reliability.results import Point, Results

NONE, LINK_ONLY, RESOURCE_ONLY, ELSEWHERE = "no marks", "the link's mark", "the resource's mark", "all marks, elsewhere"
MARKS = (NONE, LINK_ONLY, RESOURCE_ONLY, ELSEWHERE)
OTHER_VNET = "00000000-1111-2222-3333-444444444444/elsewhere/other-vnet"
REFUSED, BUILT = "refused before the first write", "built beside it"


class Stage:
    """The world of one case, and the means to put something into it. like: what a link of ours looks like in Azure."""

    def __init__(self, runner: TrialRunner, like: Mapping[str, Record]) -> None:
        self.runner, self.harness, self.like = runner, runner.harness, like
        client = runner.snapshots.client
        self.ec2, self.route53, self.resolver = client("ec2"), client("route53"), client("route53resolver")
        vpcs = self.ec2.describe_vpcs()["Vpcs"]
        self.vpc = self.harness.link.aws.vpc_id
        self.other_vpc = next(v["VpcId"] for v in vpcs if v["VpcId"] != self.vpc)
        self.owner = owner_of(self.harness.link)
        self.zone = self.harness.link.dns.zone

    # --- marks ------------------------------------------------------------------------------------------

    @property
    def elsewhere(self) -> Owner:
        return replace(self.owner, vpc=self.other_vpc, vnet=OTHER_VNET)

    def tags(self, marks: str, address: str) -> dict[str, str]:
        whole = self.elsewhere.tags(address)
        match marks:
            case "the link's mark":
                return {"cloudlink-link": whole["cloudlink-link"]}
            case "the resource's mark":
                return {"cloudlink-resource": address}
            case "all marks, elsewhere":
                return whole
        return {}

    def named(self, kind: str, marks: str, address: str, part: str) -> list[dict[str, Any]]:
        """TagSpecifications with exactly our Name."""
        tags = {"Name": name_for(self.owner.link, part), **self.tags(marks, address)}
        return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]

    # --- AWS --------------------------------------------------------------------------------------------

    def gateway(self, marks: str) -> None:
        spec = self.named("vpn-gateway", marks, "aws_vpn.gateway", "gateway")
        made = self.ec2.create_vpn_gateway(Type="ipsec.1", TagSpecifications=spec)["VpnGateway"]["VpnGatewayId"]
        if marks == ELSEWHERE:
            self.ec2.attach_vpn_gateway(VpnGatewayId=made, VpcId=self.other_vpc)

    def customer_gateway(self, marks: str) -> str:
        spec = self.named("customer-gateway", marks, "aws_vpn.customer_gateway[0]", "azure-1")
        made = self.ec2.create_customer_gateway(
            Type="ipsec.1", BgpAsn=65000, IpAddress="203.0.113.7", TagSpecifications=spec
        )
        return str(made["CustomerGateway"]["CustomerGatewayId"])

    def connection(self, marks: str) -> None:
        gateway = self.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        self.ec2.create_vpn_connection(
            Type="ipsec.1", CustomerGatewayId=self.customer_gateway(NONE), VpnGatewayId=gateway,
            TagSpecifications=self.named("vpn-connection", marks, "aws_vpn.connection[0]", "azure-1"),
        )  # fmt: skip

    def group(self, marks: str) -> str:
        made = self.ec2.create_security_group(
            GroupName=name_for(self.owner.link, "resolver"), Description="not cloudlink's",
            VpcId=self.other_vpc if marks == ELSEWHERE else self.vpc,
            TagSpecifications=self.named("security-group", marks, "resolver.security_group", "resolver"),
        )  # fmt: skip
        return str(made["GroupId"])

    def endpoint(self, marks: str) -> None:
        """With our name; with half of its creator's word; and one of a link of our name, in another VPC."""
        vpc = self.other_vpc if marks == ELSEWHERE else self.vpc
        subnets = self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        group = self.ec2.create_security_group(GroupName="team-dns", Description="theirs", VpcId=vpc)["GroupId"]
        creator = {NONE: "team", ELSEWHERE: "cloudlink/demo/0123456789/7"}.get(marks, "cloudlink/demo-2/0123456789/7")
        tags = self.tags(marks, "resolver.endpoint")
        self.resolver.create_resolver_endpoint(
            CreatorRequestId=creator, Name=name_for(self.owner.link, "resolver"), Direction="INBOUND",
            SecurityGroupIds=[group], IpAddresses=[{"SubnetId": s["SubnetId"]} for s in (subnets * 2)[:2]],
            Tags=[{"Key": k, "Value": v} for k, v in tags.items()],
        )  # fmt: skip

    def new_zone(self, name: str, reference: str, vpc: str = "") -> str:
        """vpc: private, of that VPC; empty: public."""
        more = {"VPC": {"VPCRegion": self.harness.link.aws.region, "VPCId": vpc}} if vpc else {}
        made = self.route53.create_hosted_zone(Name=name, CallerReference=reference, **more)["HostedZone"]["Id"]
        return str(made).rpartition("/")[2]

    def record(self, zone: str, name: str, *values: str, kind: str = "A") -> None:
        record = {"Name": name, "Type": kind, "TTL": 77, "ResourceRecords": [{"Value": v} for v in values]}
        self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        )

    def our_records(self, zone: str, marks: str) -> None:
        """A record of a configured name, and the TXT record that says whose it is."""
        self.record(zone, f"postgres.{self.zone}", "10.9.9.9")
        self.owner_record(zone, marks, owner_name(self.owner.link, self.zone))

    def owner_record(self, zone: str, marks: str, name: str) -> None:
        owns = f'"owns A backup.{self.zone}"'
        said = {
            LINK_ONLY: ('"cloudlink demo-2"', owns),
            RESOURCE_ONLY: (owns,),
            ELSEWHERE: ('"cloudlink demo"', place_value(self.elsewhere), owns),
        }
        self.record(zone, name, *said.get(marks, ('"v=spf1 -all"',)), kind="TXT")

    def zone_of_our_name(self, marks: str) -> None:
        """On the link's VPC itself; with all marks on another VPC, as a link of the same name there makes it."""
        if marks == ELSEWHERE:
            zone = self.new_zone(self.zone, f"cloudlink/demo/{self.other_vpc}/5000", self.other_vpc)
        else:
            zone = self.new_zone(self.zone, {NONE: "team"}.get(marks, "cloudlink/demo-2/x/5000"), self.vpc)
        self.our_records(zone, marks)

    def public_zone_of_our_name(self, marks: str) -> None:
        reference = {NONE: "team", ELSEWHERE: f"cloudlink/demo/{self.other_vpc}/5000"}
        self.our_records(self.new_zone(self.zone, reference.get(marks, "cloudlink/demo-2/x/5000")), marks)

    def zone_elsewhere(self, marks: str) -> None:
        """A private zone of our name on another VPC: no obstacle, unless it says that it is of a link of our name."""
        reference = {NONE: "team", ELSEWHERE: "cloudlink/demo/5000"}
        self.our_records(
            self.new_zone(self.zone, reference.get(marks, "cloudlink/demo-2/x/5000"), self.other_vpc), marks
        )

    # --- an adopted zone ----------------------------------------------------------------------------------

    def adopt_zone(self) -> str:
        """The VPC's own zone, which the configuration names, with a record of somebody's."""
        zone = self.new_zone(self.zone, "team", self.vpc)
        self.record(zone, f"mail.{self.zone}", "10.10.7.7")
        self.record(zone, f"backup.{self.zone}", "10.10.7.8")
        self.configure('# hosted_zone = "create"', f'hosted_zone = "{zone}"')
        return zone

    def configure(self, old: str, new: str) -> None:
        text = self.harness.config.read_text()
        assert old in text, old
        self.harness.config.write_text(text.replace(old, new))

    def name_in_adopted_zone(self, marks: str) -> None:
        """A configured name is there already, beside an owner record in the given words."""
        self.our_records(self.adopt_zone(), marks)

    def owner_record_in_adopted_zone(self, marks: str) -> None:
        self.owner_record(self.adopt_zone(), marks, owner_name(self.owner.link, self.zone))

    def longer_owner_record(self, marks: str) -> None:
        """Our TXT record's name is the beginning of its name; with all marks it is a copy of ours, place and all."""
        zone = self.adopt_zone()
        name = f"{owner_name(self.owner.link, self.zone).partition('.')[0]}-copy.{self.zone}"
        if marks == ELSEWHERE:
            owns = f'"owns A backup.{self.zone}"'
            self.record(zone, name, '"cloudlink demo"', place_value(self.owner), owns, kind="TXT")
        else:
            self.owner_record(zone, marks, name)

    # --- Azure ------------------------------------------------------------------------------------------

    def azure(self, kind: str, marks: str) -> None:
        """An object of exactly our id: names are all that tells objects of a group apart."""
        model = next(r for k, r in sorted(self.like.items()) if f"/{kind}/" in k and "cloudlink-demo" in k)
        made = copy.deepcopy(model)
        made.tags = self.tags(marks, (model.tags or {})["cloudlink-resource"]) or None
        self.place(made)

    def place(self, record: Record) -> None:
        with self.harness.sandbox.context.lock:
            self.harness.sandbox.azure.store.place(record)
            self.harness.sandbox.context.touch()

    def public_ip(self, marks: str) -> None:
        self.azure("publicipaddresses", marks)

    def local_gateway(self, marks: str) -> None:
        self.azure("localnetworkgateways", marks)

    def vpn_gateway(self, marks: str) -> None:
        """With the subnet and the addresses that it stands on, which are theirs too."""
        self.gateway_subnet(NONE)
        for record in [r for k, r in sorted(self.like.items()) if "/publicipaddresses/cloudlink-demo" in k]:
            made = copy.deepcopy(record)
            made.tags = self.tags(marks, (record.tags or {})["cloudlink-resource"]) or None
            self.place(made)
        self.azure("virtualnetworkgateways", marks)

    def gateway_subnet(self, marks: str) -> None:
        """Its name is Azure's, and it takes no tags."""
        del marks
        here = f"/{self.harness.link.azure.vnet}/subnets/gatewaysubnet".lower()  # a hub has one, too
        model = next(r for k, r in self.like.items() if k.endswith(here))
        made = copy.deepcopy(model)
        made.properties = {k: v for k, v in made.properties.items() if k in ("addressPrefix", "addressPrefixes")}
        self.place(made)

    # --- the cluster --------------------------------------------------------------------------------------

    def key(self, name: str, text: str) -> None:
        with self.harness.sandbox.context.lock:
            cluster = next(iter(self.harness.sandbox.aks.clusters.values()))
            custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
            custom["data"] = {**(custom.get("data") or {}), name: text}
            cluster.store.replace(CONFIGMAPS, custom)
            self.harness.sandbox.context.touch()

    def our_key(self, marks: str) -> None:
        """marks: in a comment, which is all that a key can carry."""
        said = "".join(f"# {k}={v}\n" for k, v in self.tags(marks, "dns_forward.forward").items())
        self.key("cloudlink-demo.server", f"{said}{self.zone}:53 {{\n    forward . 192.0.2.9\n}}\n")

    def key_of_our_zone(self, marks: str) -> None:
        del marks
        self.key("team.server", f"{self.zone}:53 {{\n    forward . 192.0.2.9\n}}\n")

    def broken_key(self, marks: str) -> None:
        del marks
        self.key("team.server", "corp.example:53 {\n    forwardd . 192.0.2.9\n}\n")

    def key_without_end(self, marks: str) -> None:
        del marks
        self.key("team.server", "corp.example:53 {\n    forward . 192.0.2.9\n")

    def key_of_a_parent(self, marks: str) -> None:
        del marks
        self.key("team.server", f"{self.zone.partition('.')[2]}:53 {{\n    forward . 192.0.2.9\n}}\n")

    def probe_pod(self, marks: str) -> None:
        labels = {LINK_ONLY: {"cloudlink-link": "demo"}, RESOURCE_ONLY: {"app.kubernetes.io/managed-by": "helm"}}
        with self.harness.sandbox.context.lock:
            cluster = next(iter(self.harness.sandbox.aks.clusters.values()))
            cluster.store.objects[PODS.key]["default", "cloudlink-probe-abcde"] = {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "cloudlink-probe-abcde", "namespace": "default", "uid": "theirs",
                             "labels": {"app": "theirs", **labels.get(marks, {})},
                             "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"},
                "spec": {"containers": [{"name": "main", "image": "theirs"}]},
                "status": {"phase": "Running"},
            }  # fmt: skip


@dataclass(frozen=True)
class Case:
    """kind: a method of Stage. may: how it may end; empty: either way."""

    kind: str
    marks: str
    may: tuple[str, ...] = (REFUSED, BUILT)

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')}, {self.marks}"


_BY_MARKS = (
    "gateway", "customer_gateway", "connection", "group", "endpoint", "zone_of_our_name", "public_zone_of_our_name",
    "zone_elsewhere", "name_in_adopted_zone", "owner_record_in_adopted_zone", "longer_owner_record", "public_ip",
    "local_gateway", "vpn_gateway", "our_key",
)  # fmt: skip
_ALONE = ("gateway_subnet", "key_of_our_zone", "broken_key", "key_without_end", "key_of_a_parent")
# What must not be built on, whatever a plan might think of it: it would be overwritten, or would not work.
_NEVER_BUILT = frozenset(
    ("name_in_adopted_zone", "public_ip", "local_gateway", "vpn_gateway", "our_key", "key_of_our_zone", "broken_key",
     "key_without_end", "zone_of_our_name")
)  # fmt: skip
CASES = (
    *(Case(kind, marks, (REFUSED,) if kind in _NEVER_BUILT else (REFUSED, BUILT)) for kind in _BY_MARKS for marks in MARKS),
    *(Case(kind, NONE, (REFUSED,) if kind in _NEVER_BUILT else (REFUSED, BUILT)) for kind in _ALONE),
    *(Case("probe_pod", marks, (BUILT,)) for marks in (NONE, LINK_ONLY, RESOURCE_ONLY)),
)  # fmt: skip


@dataclass
class Trial:
    stage: Stage
    case: Case
    results: Results
    codes: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: MappingProxyType({"plan": (0, 3, 5), "up": (0, 3, 5), "teardown": (0, 5, 8)})
    )

    def run(self) -> None:
        harness = self.stage.harness
        harness.back_to("empty")
        put: Callable[[str], Any] = getattr(self.stage, self.case.kind)
        put(self.case.marks)
        harness.settle()
        before = self._world()
        planned = self._command(before, "plan")
        writes = harness.writes()
        ended = self._command(before, "up", "--no-verify")
        how = BUILT if planned.code == 0 else REFUSED
        wrong = ""
        if ended.code != planned.code:
            wrong = f"plan ended with {planned.code}, and up with {ended}"
        elif how is REFUSED and harness.writes() != writes:
            wrong = f"the plan refuses, and up has written: {ended}"
        elif how not in self.case.may:
            wrong = f"{how}: {ended}"
        self._add(f"an object of our name: {how}", "up", wrong)
        for lost in (True, False):  # without the state file what was altered is not known any more: that comes first
            if how is BUILT and not lost:
                self._command(before, "up", "--no-verify")
            if lost:
                harness.state.unlink(missing_ok=True)
            self._command(before, "teardown")
            self._add(
                "the world after teardown is the one before", f"teardown{', state file lost' if lost else ''}",
                same(before, self._world(), lost=lost),
            )  # fmt: skip

    def _command(self, before: Objects, *arguments: str) -> Ended:
        harness = self.stage.harness
        ended = harness.run(*arguments)
        harness.settle()
        wrong = touched(before, self._world())
        if ended.code not in self.codes[arguments[0]] or "Traceback" in ended.err + ended.out or wrong:
            wrong = f"{wrong}\n{ended}"
        self._add("an object of our name after each command", arguments[0], wrong)
        return ended

    def _add(self, what: str, where: str, wrong: str) -> None:
        self.results.add(Point("same_names", what, f"{self.case}: {where}", wrong))

    def _world(self) -> Objects:
        return by_id(self.stage.runner.snapshots.raw())


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    only: tuple[Case, ...] = (),
) -> int:
    """Returns the number of cases that there are. only: these cases."""
    with Harness() as harness:
        runner = TrialRunner(harness)
        harness.back_to("built")
        with harness.sandbox.context.lock:
            like = copy.deepcopy(harness.sandbox.azure.store.resources)
        harness.back_to("empty")
        stage = Stage(runner, like)
        mine = [c for c in only or CASES if only or zlib.crc32(str(c).encode()) % of == part]
        random.Random(seed).shuffle(mine)
        done = {point.where.partition(": teardown")[0] for point in results.points if ": teardown" in point.where}
        for case in results.in_time(mine, most):
            if str(case) not in done:
                Trial(stage, case, results).run()
    return len(CASES)
