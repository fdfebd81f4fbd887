"""The advice of ``status``, followed to the letter, for every fault of the sandbox and every edit by hand: it ends in health,
or in a person's task that is named. No two commands point at each other."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloudlink import cli
from cloudlink.checks.marks import COMES_UP_WITHIN
from cloudlink_sandbox.faults import FaultKind
from tests.support.cli import Cli, Result
from tests.support.manual_edits import KEY, ManualEdits

MOST = 6  # commands that anybody follows
ENDS = tuple(f"cloudlink {word}" for word in ("up", "verify-dns", "rotate-keys", "logs", "pause", "resume", "test"))
ALIEN = "prod.corp.example:53 {\n    forward . 10.9.9.9\n}\n"
Change = Callable[[ManualEdits], object]


@dataclass(frozen=True)
class Fault:
    kind: FaultKind
    target: str
    after: float = 60.0  # seconds of the clouds' time until somebody looks
    edit: Change | None = None  # what gives the fault something to hit: an ``up`` has to write
    seconds: float = 0.01
    words: tuple[str, ...] = ()  # in the first screen's cause, or in the task at the end
    is_met: bool = True  # by a call of these walks


def outside(place: Cli) -> str:
    return str(place.cloudlink("status", "--json").json["tunnels"][1]["aws"]["outside_ip"])


def public(place: Cli) -> str:
    found = ManualEdits(place).network.public_ip_addresses.get("cloudlink-demo", "cloudlink-demo-public-ip-1")
    return str(found.properties.ip_address)


def endpoints(place: Cli) -> str:
    """One of the endpoint's addresses."""
    addresses = place.cloudlink("status", "--json").json["endpoint"]["addresses"]
    return str(addresses[0]["address"])


def wrong_record(hand: ManualEdits) -> None:
    values = [{"Value": "10.10.8.99"}]
    record = {"Name": "postgres.prod.corp.example.", "Type": "A", "TTL": 60, "ResourceRecords": values}
    hand.change_record("UPSERT", record)


def wrong_key(hand: ManualEdits) -> None:
    hand.key(1, "AnotherKey123456")


def another_policy(hand: ManualEdits) -> None:
    hand.policy(3, ike_encryption="AES128")


def vpn_connection_goes(hand: ManualEdits) -> None:
    hand.ec2.delete_vpn_connection(VpnConnectionId=hand.vpn_connection(1)["VpnConnectionId"])
    hand.later()


def azure_connection_goes(hand: ManualEdits) -> None:
    hand.network.virtual_network_gateway_connections.begin_delete(
        "cloudlink-demo", "cloudlink-demo-connection-3", polling=False
    )
    hand.later()


def endpoint_goes(hand: ManualEdits) -> None:
    resolver = hand.clouds.aws.route53resolver
    for found in resolver.list_resolver_endpoints()["ResolverEndpoints"]:
        resolver.delete_resolver_endpoint(ResolverEndpointId=found["Id"])
    hand.later()


def endpoint_address_goes(hand: ManualEdits) -> None:
    resolver = hand.clouds.aws.route53resolver
    endpoint = resolver.list_resolver_endpoints()["ResolverEndpoints"][0]["Id"]
    addresses = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"]
    resolver.disassociate_resolver_endpoint_ip_address(
        ResolverEndpointId=endpoint, IpAddress={"IpId": addresses[0]["IpId"]}
    )
    hand.later()


def zone_goes(hand: ManualEdits) -> None:
    for record in hand.records():
        if record["Type"] not in ("NS", "SOA"):
            hand.change_record("DELETE", record)
    hand.route53.delete_hosted_zone(Id=hand.zone())


def vpc_forgets_names(hand: ManualEdits) -> None:
    hand.ec2.modify_vpc_attribute(VpcId=hand.place.link.aws.vpc_id, EnableDnsHostnames={"Value": False})


EDITS: dict[str, Change] = {
    "dpd": lambda h: h.tunnel_options(0, DPDTimeoutSeconds=60),
    "who opens": lambda h: h.tunnel_options(2, StartupAction="add", DPDTimeoutAction="clear"),
    "AWS's group": lambda h: h.tunnel_options(2, Phase1DHGroupNumbers=[{"Value": 14}]),
    "AWS's key": lambda h: h.tunnel_options(3, PreSharedKey="changed_by_hand_1234"),
    "narrowed": lambda h: h.narrow(0, azure="10.20.0.0/16", aws="10.10.0.0/16"),
    "a VPN connection goes": vpn_connection_goes,
    "the gateway is detached": lambda h: h.detach_gateway(),
    "propagation stops": lambda h: h.stop_propagation(),
    "UDP is shut out": lambda h: h.shut_out("udp"),
    "somebody is let in": lambda h: h.let_in_somebody(),
    "a wrong record": wrong_record,
    "a record goes": lambda h: h.remove_records("sentry.prod.corp.example."),
    "the zone is taken from the VPC": lambda h: h.disassociate_zone(),
    "the zone goes": zone_goes,
    "the VPC forgets names": vpc_forgets_names,
    "the endpoint goes": endpoint_goes,
    "an endpoint address goes": endpoint_address_goes,
    "Azure leads elsewhere": lambda h: h.local_gateway(1, ip="203.0.113.9"),
    "another BGP peer": lambda h: h.local_gateway(1, peer="169.254.22.9"),
    "another ASN": lambda h: h.local_gateway(0, asn=64_999),
    "static prefixes": lambda h: h.local_prefixes(2, "10.10.0.0/16"),
    "an Azure connection goes": azure_connection_goes,
    "Azure only responds": lambda h: h.connection(0, connection_mode="ResponderOnly"),
    "no custom addresses": lambda h: h.connection(1, gateway_custom_bgp_ip_addresses=[]),
    "another custom address": lambda h: h.bgp_address(2, "169.254.22.6"),
    "another policy": another_policy,
    "policy-based": lambda h: h.selectors(3, "10.20.0.0/16", "10.10.0.0/16"),
    "another PFS group": lambda h: h.policy(3, pfs_group="PFS2"),
    "another key": wrong_key,
    "the gateway loses an address": lambda h: h.gateway_without("169.254.22.2"),
    "CoreDNS's key goes": lambda h: h.coredns_key(KEY, None),
    "CoreDNS's key changes": lambda h: h.coredns_key(KEY, ALIEN),
    "CoreDNS is restarted": lambda h: h.restart_coredns("now"),
}
# Edits that need an argument which only a test knows; what they do to a target is no part of the link. One takes another back.
BESIDE = {
    "close_port",
    "vpn_gateway",
    "vpn_connection",
    "table_of_one_subnet",
    "security_group",
    "later",
    "zone",
    "records",
    "only_our_vpc",
}

FAULTS: dict[str, Fault] = {
    "throttled": Fault(FaultKind.THROTTLED, "aws.DescribeVpnConnections"),
    "error": Fault(FaultKind.ERROR, "azure.GET:connections/*"),
    "busy": Fault(FaultKind.BUSY, "azure.PUT:connections/*", edit=another_policy),
    "conflict": Fault(FaultKind.CONFLICT, "aws.PutObject", is_met=False),  # of a state in S3
    "slow": Fault(FaultKind.SLOW, "aws.DescribeRouteTables"),
    "cut before": Fault(FaultKind.CUT_BEFORE, "aws.DescribeVpnConnections"),
    "cut after": Fault(FaultKind.CUT_AFTER, "azure.GET:connections/*"),
    "garbage": Fault(FaultKind.GARBAGE, "aws.DescribeVpnConnections"),
    "expired": Fault(FaultKind.EXPIRED, "aws.*", words=("Sign in again",)),
    "denied": Fault(FaultKind.DENIED, "aws.DescribeVpnConnections", words=("ec2:DescribeVpnConnections",)),
    "denied in Azure": Fault(FaultKind.DENIED, "azure.GET:virtualNetworkGateways/*"),
    "denied in Kubernetes": Fault(FaultKind.DENIED, "kube.*"),
    "an operation fails": Fault(FaultKind.OPERATION_FAILS, "azure.PUT:connections/*", edit=another_policy),
    # The key goes by another call: an operation that never ends would hold the link that all tests share.
    "an operation hangs": Fault(FaultKind.OPERATION_HANGS, "azure.PUT:connections/*", edit=wrong_key, is_met=False),
    "unseen": Fault(FaultKind.UNSEEN, "aws.CreateVpnConnection", edit=vpn_connection_goes, seconds=30),
    "a tunnel is down": Fault(FaultKind.TUNNEL_DOWN, "OUTSIDE", words=("is without IPsec",)),
    "a tunnel is down for long": Fault(FaultKind.TUNNEL_DOWN, "OUTSIDE", after=3600, words=("support case",)),
    "all tunnels are down": Fault(FaultKind.TUNNEL_DOWN, "*", words=("All 4 tunnels",)),
    "an instance is down": Fault(FaultKind.INSTANCE_DOWN, "PUBLIC", words=("instance 1 of Azure's gateway",)),
    "both instances are down": Fault(FaultKind.INSTANCE_DOWN, "*", words=("All 4 tunnels",)),
    "endpoint addresses are down": Fault(FaultKind.ENDPOINT_IP_DOWN, "ENDPOINT", words=("answer", "network ACLs")),
    "the VPC does not answer": Fault(FaultKind.ENDPOINT_IP_DOWN, "10.10.*", words=("network ACLs",)),
    "the probe fails": Fault(FaultKind.POD_FAILS, "default/*"),
}


@dataclass
class Walk:
    """commands: in the order in which they were followed. task: a person's; empty: it ended in health."""

    first: Any = None
    commands: list[str] = field(default_factory=list)
    task: str = ""
    healthy: bool = False


def follow(place: Cli, command: str = "cloudlink status --sandbox") -> Walk:
    walk = Walk()
    while len(walk.commands) < MOST:
        done = place.cloudlink(*shlex.split(command)[1:], *_json(command), sandbox=False)
        walk.commands.append(command)
        if done.code == 0 and command.startswith(ENDS):
            walk.healthy = True
            return walk
        said = _said(command, done)
        walk.first = walk.first or said
        command, task, walk.cause = said["command"], said["task"], said["cause"]
        if command in walk.commands:
            command = ""
        if not command.startswith("cloudlink "):
            walk.task = " ".join(filter(None, (command, task)))
            return walk
    return walk


def _json(command: str) -> list[str]:
    return ["--json"]


def _said(command: str, done: Result) -> dict[str, str]:
    """What the screen of that command advises."""
    last = done.lines[-1]
    if last.get("type") == "result":  # of up
        if last["outcome"] == "error":
            error = next(line for line in reversed(done.lines) if line.get("type") == "error")
            return _of_error(error)
        last = last["status"] if last["status"]["health"] != "healthy" else last["dns"]
    if "advice" in last:
        return dict(last["advice"])
    if "trials" in last:  # of test
        failed = next(t for t in last["trials"] if t["outcome"] == "failed")
        return _of_error({"hint": failed["fix"], "detail": failed["detail"]})
    return _of_error(last)


def _of_error(error: dict[str, Any]) -> dict[str, str]:
    hint = str(error.get("hint") or "")
    what = error.get("error", error)
    hint = hint or str(what.get("hint", ""))
    return {
        "cause": str(what.get("detail", "")),
        "command": hint if hint.startswith("cloudlink ") else "",
        "task": hint,
    }


@pytest.mark.long
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_by_hand_is_put_right_by_what_status_says(linked: Cli, name: str) -> None:
    EDITS[name](ManualEdits(linked))
    ManualEdits(linked).later()
    walk = follow(linked)
    assert walk.healthy, (walk.commands, walk.task, walk.first)
    assert len(walk.commands) <= 4, walk.commands


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
def test_with_a_fault_in_force_the_advice_ends_in_health_or_in_a_task_that_is_named(linked: Cli, name: str) -> None:
    fault = FAULTS[name]
    target = {"OUTSIDE": outside, "PUBLIC": public, "ENDPOINT": endpoints}.get(fault.target, lambda _: fault.target)(
        linked
    )
    if fault.edit:
        fault.edit(ManualEdits(linked))
    body = {"kind": fault.kind, "target": target, "times": None, "seconds": fault.seconds}
    linked.control("POST", "faults", body)
    ManualEdits(linked).later(fault.after)
    walk = follow(linked)
    (met,) = linked.control("GET", "faults")["faults"]
    assert fault.kind.lasting or (met["hits"] > 0) is fault.is_met
    assert walk.healthy or walk.task, (walk.commands, walk.first, walk.cause)
    assert len(set(walk.commands)) == len(walk.commands), "a command that leads to itself"
    said = f"{walk.first.get('cause')} {walk.cause} {walk.task}"
    assert all(word in said for word in fault.words), said


COMMANDS = {
    "rotate-keys": "rotate-keys --tunnel 2",
    "logs": "logs --on --tunnel 2",
    "test": "test --failover",
    "pause": "pause",
    "resume": "resume",
}
IN_FORCE = ["a tunnel is down", "denied", "denied in Kubernetes", "busy"]


@pytest.mark.long
@pytest.mark.parametrize("fault", IN_FORCE)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_of_the_second_day_says_under_a_fault_leads_on(linked: Cli, command: str, fault: str) -> None:
    """It works, or its advice ends in a task that is named: never back at itself."""
    ManualEdits(linked).later(COMES_UP_WITHIN)  # what an earlier command has disturbed is no reason any more
    found = FAULTS[fault]
    target = outside(linked) if found.target == "OUTSIDE" else found.target
    linked.control("POST", "faults", {"kind": found.kind, "target": target, "times": None, "seconds": found.seconds})
    ManualEdits(linked).later(60)
    walk = follow(linked, f"cloudlink {COMMANDS[command]} --sandbox")
    linked.control("DELETE", "faults")
    assert linked.cloudlink("resume", "--no-verify", "--new-addresses").code == 0
    assert walk.healthy or walk.task, (walk.commands, walk.first, walk.cause)
    assert len(set(walk.commands)) == len(walk.commands), walk.commands


def test_every_command_that_changes_a_link_is_walked() -> None:
    files = Path(cli.__file__).parent.glob("*.py")
    writing = {f.stem.replace("_", "-") for f in files if re.search(r"writes=(?!False)", f.read_text())}
    assert writing - {"up", "teardown"} == set(COMMANDS)


def test_every_kind_of_fault_and_every_edit_is_walked() -> None:
    assert {f.kind for f in FAULTS.values()} == set(FaultKind)
    source = "".join(name for change in EDITS.values() for name in change.__code__.co_names)
    known = {n for n in vars(ManualEdits) if not n.startswith("_") and callable(getattr(ManualEdits, n, None))}
    assert not {n for n in known - BESIDE if n not in source}
