"""A link and its reports as they come in life: three tunnels up, one with differing keys."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink.checks.report import (
    Advice,
    AwsTunnelView,
    AzureTunnelView,
    BgpView,
    Check,
    DnsReport,
    Drift,
    EndpointStatus,
    Health,
    Hop,
    NameReport,
    NamesAsked,
    Outcome,
    RouteTableStatus,
    Stage,
    StatusReport,
    TeardownReport,
    TunnelStatus,
)
from cloudlink.core.events import Begun, Done, Event, Failed, Kept, Note, Progress, Queued, Reading, Skipped, Tick
from cloudlink.core.plan import Accounts, Action, Adopted, Change, FieldChange, Plan
from cloudlink.errors import CloudError, ConfigError, CredentialsError, Finding, Mistake, ObstaclesError, Severity
from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import AddressTarget, AwsSide, AzureSide, DnsSide, Host, Link, ProbeSettings, Tunnel

START = 1_763_877_600.0  # 2025-11-23 06:00:00 UTC


class Terminal(io.StringIO):
    """Says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class AsciiTerminal(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii", errors="strict", write_through=True)

    def isatty(self) -> bool:
        return True

    def getvalue(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode("ascii")


def _inside(index: int) -> IPv4Network:
    return IPv4Network(f"169.254.{21 + index // 2}.{index % 2 * 4}/30")


def _tunnel(index: int) -> Tunnel:
    return Tunnel(index=index, vpn=index // 2, inside=_inside(index))


LINK = Link(
    name="prod-test",
    aws=AwsSide(region="eu-central-1", profile=None, vpc_id="vpc-0a1b2c3d4e5f60718", eks_cluster="prod", asn=64512),
    azure=AzureSide(
        cloud="public",
        tenant=None,
        subscription="8d3f2c1e-0000-4000-8000-5a6b7c8d9e0f",
        resource_group="rg-test",
        location="westeurope",
        vnet="vnet-test",
        vnet_resource_group="rg-test",
        gateway_subnet=IPv4Network("10.20.255.0/27"),
        sku="VpnGw2AZ",
        zones=("1", "2", "3"),
        asn=65010,
        aks_cluster="aks-test",
        aks_resource_group="rg-test",
    ),
    policy=IpsecPolicy(),
    tunnels=(_tunnel(0), _tunnel(1), _tunnel(2), _tunnel(3)),
    dns=DnsSide(zone="corp.example", hosts=(Host("app", AddressTarget((IPv4Address("10.10.2.9"),))),)),
    probe=ProbeSettings(image="registry.k8s.io/e2e-test-images/agnhost:2.53", namespace="default"),
)


def _create(address: str, title: str, why: str = "") -> Change:
    return Change(address, title, Action.CREATE, why)


def _defer(address: str, title: str, why: str) -> Change:
    return Change(address, title, Action.DEFER, why)


FIRST_PLAN = Plan(
    (
        Change("aws_vpn.gateway", "Virtual private gateway", Action.CREATE, "does not exist"),
        _create("aws_vpn.attachment", "Attachment to the VPC", "does not exist"),
        *(_create(f"aws_vpn.customer_gateway[{i}]", f"Customer gateway for Azure instance {i}") for i in range(2)),
        *(_create(f"aws_vpn.connection[{i}]", f"VPN connection to Azure instance {i}, two tunnels") for i in range(2)),
        _create("aws_vpn.route_propagation", "Route propagation in 2 route tables"),
        Change("azure_vpn.network", "Virtual network vnet-test", Action.NO_OP),
        _create("azure_vpn.gateway_subnet", "GatewaySubnet"),
        *(_create(f"azure_vpn.public_ip[{i}]", f"Public IP of instance {i}") for i in range(2)),
        _create("azure_vpn.gateway", "VPN gateway, active-active", "does not exist; takes about 35 minutes"),
        *(
            _defer(f"azure_vpn.local_gateway[{i}]", f"Local network gateway {i + 1}", f"aws_vpn.connection[{i // 2}]")
            for i in range(4)
        ),
        *(_create(f"azure_vpn.connection[{i}]", f"Connection of tunnel {i + 1}") for i in range(4)),
        _create("resolver.endpoint", "Route 53 Resolver inbound endpoint"),
        _create("resolver.zone", "Private hosted zone corp.example"),
        _create("dns_forward.forward", "Forwarding of corp.example in CoreDNS"),
    ),
    warnings=("Rough cost while it stands: 540 USD a month, most of it the Azure gateway and the AWS connections.",),
)

LATER_PLAN = Plan(
    (
        Change("aws_vpn.gateway", "Virtual private gateway", Action.NO_OP, id="vgw-0f1e"),
        Change(
            "aws_vpn.connection[0]",
            "VPN connection to Azure instance 0, two tunnels",
            Action.UPDATE,
            "drift: dpd timeout, psk, ike groups",
            (
                FieldChange("dpd_timeout", "30", "45"),
                FieldChange("psk", "(secret)", "(secret)"),
                FieldChange("ike_groups", "2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29", "20"),
            ),
            "vpn-0a1b2c3d4e5f60718",
            drift=True,
        ),
        Change(
            "azure_vpn.public_ip[1]",
            "Public IP of instance 1",
            Action.REPLACE,
            "zones cannot be changed in place",
            (FieldChange("zones", "(none)", "1, 2, 3"),),
        ),
        Change("azure_vpn.gateway", "VPN gateway, active-active", Action.NO_OP),
        Change("resolver.records", "Records", Action.CREATE, "drift: deleted outside cloudlink", drift=True),
        Change("resolver.zone", "Private hosted zone old.example", Action.DELETE, "no longer in the configuration"),
        Change("dns_forward.forward", "Forwarding of corp.example in CoreDNS", Action.NO_OP),
    )
)

REMOVAL = Plan(
    (
        Change("aws_vpn.attachment", "Attachment to the VPC", Action.NO_OP, "kept: cloudlink did not make it"),
        Change("aws_vpn.connection[0]", "VPN connection to Azure instance 0", Action.DELETE, "cloudlink made it"),
        Change(
            "aws_vpn.route_propagation", "Route propagation", Action.RESTORE, "as it was before cloudlink altered it"
        ),
        Change("azure_vpn.gateway", "VPN gateway, active-active", Action.DELETE, "cloudlink made it"),
    ),
    kept=(
        Adopted("aws_vpn.gateway", "Virtual private gateway", "vgw-0f1e"),
        Adopted("aws_vpn.attachment", "Attachment to the VPC", "vgw-0f1e/vpc-0a1b"),
    ),
)

OBSTACLES = (
    Finding(
        "names",
        Severity.OBSTACLE,
        "A private zone of this name is on the VPC already",
        "The private zone Z0987654321 is named corp.example, and vpc-0a1b uses it. Route 53 takes one of a name for a VPC.",
        'Set dns.hosted_zone = "Z0987654321" to put the records into that zone, or choose another dns.zone.',
        resource="resolver.zone",
        key="dns.hosted_zone",
    ),
    Finding(
        "aks",
        Severity.OBSTACLE,
        "The AKS cluster is stopped",
        "Nothing can be written to CoreDNS.",
        "az aks start --resource-group shared-clusters-of-the-platform-team --name production-west-europe-2",
    ),
    Finding(
        "aws",
        Severity.OBSTACLE,
        "The configuration does not fit what is in the clouds",
        "aws.gateway is create.",
        mistake=Mistake("aws.gateway", '"create", but vgw-0f1e is attached to vpc-0a1b', '"vgw-0f1e", to adopt it'),
    ),
)
FOUND_PLAN = replace(
    LATER_PLAN,
    accounts=Accounts(
        "123456789012",
        "arn:aws:sts::123456789012:assumed-role/ops/me",
        START + 1800,
        "00000000-1111-2222-3333-444444444444",
        "Shared services",
        "99999999-1111-2222-3333-444444444444",
        "me@corp.example",
    ),
    findings=(
        *OBSTACLES,
        Finding("names", Severity.WARNING, "The zone hides public names", "The public zone corp.example is hidden."),
        Finding(
            "coredns", Severity.NOT_PROVED, "A check could not be made", "The cluster's own Corefile could not be read."
        ),
    ),
)
BLOCKED = ObstaclesError(OBSTACLES)
NO_PLAN = Plan(tuple(replace(c, action=Action.NO_OP) for c in LATER_PLAN.changes))


def _status(index: int, *, up: bool = True) -> TunnelStatus:
    inside = _inside(index)
    return TunnelStatus(
        address=f"tunnel[{index}]",
        inside=str(inside),
        instance=index // 2,
        aws=AwsTunnelView(
            connection=f"vpn-0a1b2c3d4e5f6071{index // 2}",
            outside_ip=f"3.120.44.{10 + index}",
            state="UP" if up else "DOWN",
            message="" if up else "IPSEC IS DOWN",
            routes=1 if up else 0,
            since=START - 11_520 if up else START - 240,
        ),
        azure=AzureTunnelView(
            connection=f"cloudlink-prod-test-tunnel-{index + 1}",
            status="Connected" if up else "NotConnected",
            ingress=184_320 if up else 0,
            egress=92_160 if up else 0,
        ),
        bgp=BgpView(
            local=str(inside.network_address + 2),
            neighbor=str(inside.network_address + 1),
            state="Connected" if up else "Connecting",
            routes=1 if up else 0,
            seconds=11_400.0 if up else None,
        ),
        up=up,
        why=""
        if up
        else "The pre-shared keys differ: Azure's connection does not hold the key that AWS generated the tunnel with.",
        fix="" if up else "cloudlink up",
    )


DEGRADED = StatusReport(
    link="prod-test",
    health=Health.DEGRADED,
    verdict="3 of 4 tunnels are up. Traffic flows, but Azure instance 1 hangs on a single tunnel.",
    tunnels=(_status(0), _status(1), _status(2, up=False), _status(3)),
    route_tables=(
        RouteTableStatus("rtb-0c0ffee0c0ffee001", True, ("10.20.0.0/16",), ()),
        RouteTableStatus("rtb-0c0ffee0c0ffee002", False, (), ("10.20.0.0/16",)),
    ),
    learned=("10.10.0.0/16",),
    endpoint=EndpointStatus(
        "rslvr-in-5f60718a1b2c3d4e0",
        "OPERATIONAL",
        (("10.10.1.4", "subnet-0aaa", "ATTACHED"), ("10.10.2.4", "subnet-0bbb", "ATTACHED")),
    ),
    zone="corp.example (Z08123456789ABCDEFGHI)",
    records=(
        ("app.corp.example", "A alias", "internal-prod-1234567890.eu-central-1.elb.amazonaws.com"),
        ("vault.corp.example", "A", "10.10.2.9"),
    ),
    other_records=12,
    forward="coredns-custom has cloudlink-prod-test.server: corp.example to 10.10.1.4, 10.10.2.4",
    checks=(
        Check("policy", "IPsec policy is the same on both sides", Outcome.PASSED),
        Check(
            "propagation",
            "Routes reach every route table",
            Outcome.FAILED,
            "rtb-0c0ffee0c0ffee002 does not take routes from the gateway, so answers from its subnets are lost.",
            "cloudlink up",
        ),
        Check("certificate", "Certificates fit the names", Outcome.SKIPPED, "no TLS port is configured"),
    ),
    drift=(
        Drift("azure_vpn.connection[2]", "Connection of tunnel 3", "key differs"),
        Drift("dns_forward.forward", "Forwarding of corp.example in CoreDNS", "not there", by_hand=False),
    ),
    next=("cloudlink up", "cloudlink verify-dns"),
    headline="3 of 4 tunnels are up. Traffic flows, but Azure instance 1 hangs on a single tunnel.",
    since=START - 240,
    path=(
        Stage("tunnels 3/4", Outcome.WARNING),
        Stage("routes", Outcome.FAILED),
        Stage("DNS", Outcome.PASSED),
        Stage("1 record", Outcome.SKIPPED),
    ),
    advice=Advice(
        "Tunnel 3: the pre-shared keys differ.",
        tunnels=("tunnel 3",),
        consequences=("BGP sessions",),
        others=("routes on AWS",),
        command="cloudlink up",
        effect="touches tunnel 3 only; about 2 min; the others stay up",
        waiting="Safe to wait: traffic passes through the other tunnels.",
    ),
)

HEALTHY = replace(
    DEGRADED,
    health=Health.HEALTHY,
    verdict="All tunnels carry routes both ways, and the zone is forwarded.",
    tunnels=tuple(_status(i) for i in range(4)),
    route_tables=DEGRADED.route_tables[:1],
    checks=DEGRADED.checks[:1],
    drift=(),
    next=("cloudlink verify-dns",),
    headline="All 4 tunnels are up and carry routes.",
    since=START - 11_520,
    path=tuple(Stage(name, Outcome.PASSED) for name in ("tunnels 4/4", "routes", "DNS", "1 record")),
    advice=Advice("", command="cloudlink verify-dns", effect="asks each name from a pod that lives for half a minute"),
    names_asked=NamesAsked(START - 7_500, 2, 2),
)
DOWN = replace(
    DEGRADED,
    names_asked=NamesAsked(START - 300, 0, 2, ("app.corp.example", "vault.corp.example")),
    health=Health.DOWN,
    tunnels=tuple(_status(i, up=False) for i in range(4)),
    checks=(),
    drift=(),
    next=("cloudlink status --wait 10m",),
    headline="No tunnel is up: nothing passes between AKS and the VPC.",
    path=(
        Stage("tunnels 0/4", Outcome.FAILED),
        *(Stage(name, Outcome.SKIPPED) for name in ("routes", "DNS", "1 record")),
    ),
    advice=Advice(
        "All 4 tunnels are without IPsec, lost within 4 s; both sides are configured alike.",
        tunnels=tuple(f"tunnel {i + 1}" for i in range(4)),
        consequences=("BGP sessions", "routes on Azure", "routes on AWS"),
        command="cloudlink status --wait 10m",
        effect="changes nothing; ends as soon as the link is healthy",
        task="If it is still so then, the same command names what to reset.",
        waiting="Safe to wait: nothing is being changed, and such outages mostly end by themselves.",
    ),
)

ABSENT = StatusReport(
    "prod-test",
    Health.ABSENT,
    "cloudlink has made nothing for this link.",
    (),
    next=("cloudlink up",),
    advice=Advice("", command="cloudlink up", effect="shows first what it builds and what that costs"),
)

DNS = DnsReport(
    "prod-test",
    Health.DEGRADED,
    (
        NameReport(
            "app.corp.example",
            ("10.10.2.9", "10.10.3.9"),
            "ok",
            (
                Hop("cluster-dns", "ok", "", 4.2),
                Hop("endpoint 10.10.1.4 udp", "ok", "", 21.0),
                Hop("connect 10.10.2.9:443", "ok", "TLS certificate fits", 24.8),
            ),
        ),
        NameReport(
            "vault.corp.example",
            (),
            "timeout",
            (
                Hop("cluster-dns", "ok", "forwards to 10.10.1.4 and 10.10.2.4", 3.9),
                Hop("endpoint 10.10.1.4 udp", "timeout", "no answer", 5000.0),
                Hop("endpoint 10.10.2.4 udp", "timeout", "no answer", 5000.0),
                Hop("connect 10.10.2.9:443", "skipped", "no address to connect to"),
            ),
            "The security group of the endpoint does not let UDP 53 in from 10.244.0.0/16.",
            "cloudlink up",
        ),
    ),
    ("Asked from a pod in namespace default that is gone again.",),
    Advice(
        "vault.corp.example: The security group of the endpoint does not let UDP 53 in from 10.244.0.0/16.",
        command="cloudlink up",
        effect="puts right what differs: rules that let Azure ask",
    ),
)

TEARDOWN = TeardownReport(
    "prod-test",
    deleted=(
        ("azure_vpn.gateway", "VPN gateway, active-active", "in 14m02s"),
        ("aws_vpn.connection[0]", "VPN connection to Azure instance 0, two tunnels", "vpn-0a1b2c3d4e5f60710"),
    ),
    restored=(
        ("dns_forward.forward", "Forwarding of corp.example in CoreDNS", "other keys of coredns-custom untouched"),
    ),
    kept=(("aws_vpn.gateway", "Virtual private gateway", "vgw-0f1e"),),
)
LEFTOVERS = replace(
    TEARDOWN, leftovers=(("resolver.security_group", "Security group", "sg-0dead is still used by eni-0beef"),)
)

REFUSED = CloudError(
    "Azure refused a request",
    "The subscription may not have more than 10 public IP addresses in westeurope, and the gateway needs 2.",
    "az network list-usages --location westeurope --output table",
    resource="azure_vpn.public_ip[1]",
    request_id="5a6b7c8d-9e0f-4000-8000-8d3f2c1e0000",
    code="PublicIPCountLimitReached",
)
MISTAKEN = ConfigError(
    (
        Mistake("azure.vpn_gateway.sku", '"Basic"', "VpnGw1AZ to VpnGw5AZ; Basic knows no BGP", "VpnGw1AZ"),
        Mistake("aws.vpc", '"10.10.0.0/16"', "the id of a VPC, such as vpc-0a1b2c3d4e5f60718"),
    ),
    file="config.toml",
)
UNSIGNED = CredentialsError(
    "Not signed in to AWS", "No credentials were found for the profile prod.", "aws sso login --profile prod"
)


def up_events() -> Iterator[Event]:
    """A first ``up`` in which one public IP is refused in the end."""
    t = START
    yield Reading(t, 24)
    yield Queued(t + 5, "aws_vpn.gateway", "Virtual private gateway", "create", (), 5)
    yield Queued(t + 5, "azure_vpn.public_ip[0]", "Public IP of instance 0", "create", (), 12)
    yield Queued(t + 5, "azure_vpn.public_ip[1]", "Public IP of instance 1", "create", (), 12)
    yield Queued(t + 5, "azure_vpn.gateway", "VPN gateway", "create", ("azure_vpn.public_ip[0]",), 1380)
    for i in range(2):
        yield Queued(
            t + 5,
            f"aws_vpn.connection[{i}]",
            f"VPN connection {i}",
            "create",
            ("aws_vpn.gateway", f"azure_vpn.public_ip[{i}]"),
            190,
        )
    for i in range(4):
        needs = (f"aws_vpn.connection[{i // 2}]",)
        yield Queued(t + 5, f"azure_vpn.local_gateway[{i}]", f"Local network gateway {i + 1}", "create", needs, 15)
    for i in range(4):
        needs = ("azure_vpn.gateway", f"azure_vpn.local_gateway[{i}]")
        yield Queued(t + 5, f"azure_vpn.connection[{i}]", f"Connection of tunnel {i + 1}", "create", needs, 40)
    yield Queued(
        t + 5, "verify.tunnels", "All four tunnels", "check", tuple(f"azure_vpn.connection[{i}]" for i in range(4)), 60
    )
    yield Begun(t + 5, "aws_vpn.gateway", "Virtual private gateway", "create", 5)
    yield Begun(t + 5, "azure_vpn.public_ip[0]", "Public IP of instance 0", "create", 12)
    yield Begun(t + 6, "azure_vpn.public_ip[1]", "Public IP of instance 1", "create", 12)
    yield Done(t + 9, "aws_vpn.gateway", "Virtual private gateway", "create", 4.2, "vgw-0f1e2d3c4b5a69788")
    yield Done(t + 17, "azure_vpn.public_ip[0]", "Public IP of instance 0", "create", 12.4, "cloudlink-prod-test-ip-0")
    yield Begun(t + 17, "azure_vpn.gateway", "VPN gateway", "create", 1380)
    yield Begun(t + 17, "aws_vpn.connection[0]", "VPN connection 0", "create", 190)
    yield Progress(t + 20, "azure_vpn.gateway", "Updating")
    yield Progress(t + 22, "aws_vpn.connection[0]", "pending")
    yield Tick(t + 60)
    yield Progress(t + 61, "azure_vpn.gateway", "Updating")
    yield Tick(t + 90)
    yield Note(t + 95, "warning", "Azure asked to slow down; waiting 10s before the next question.")
    yield Failed(t + 100, "azure_vpn.public_ip[1]", "Public IP of instance 1", REFUSED)
    yield Skipped(t + 100, "aws_vpn.connection[1]", "VPN connection 1", "azure_vpn.public_ip[1] failed")
    yield Done(t + 205, "aws_vpn.connection[0]", "VPN connection 0", "create", 188.0, "vpn-0a1b2c3d4e5f60710")
    yield Tick(t + 240)
    yield Tick(t + 270)
    yield Tick(t + 330)
    yield Kept(t + 331, "resolver.zone", "Private hosted zone", "adopted by the configuration")
