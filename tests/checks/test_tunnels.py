"""The four tunnels judged from what both clouds say: plain dicts in their own spelling, one thing wrong at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks import status, tunnels
from cloudlink.checks.report import CHECKS, Health, Outcome, StatusReport
from cloudlink.checks.routes import tables_of
from cloudlink.checks.status_reads import Facts
from cloudlink.checks.tunnel_ends import AwsFacts, AzureFacts
from cloudlink.clouds.aws import parse_connections, parse_gateways, parse_resolver, parse_routes, parse_zones
from cloudlink.clouds.aws.parse_ipsec import tunnel_options
from cloudlink.clouds.azure import parse_connection, parse_gateway
from cloudlink.clouds.azure.parse_ipsec import azure_ipsec_policy
from cloudlink.secret import Secret
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from tests.support.kube_sandbox import kube_link
from tests.support.pinned import pin

LINK = kube_link()
OUTSIDE = [f"52.10.0.{i + 1}" for i in range(4)]
PUBLIC = ["20.0.0.1", "20.0.0.2"]
PSKS = [f"psk{i}" + "x" * 30 for i in range(4)]
GATEWAY_ID = (
    "/subscriptions/s/resourceGroups/link-rg/providers/Microsoft.Network/virtualNetworkGateways/cloudlink-demo-gateway"
)
CONFIGS = [f"{GATEWAY_ID}/ipConfigurations/instance-{i}" for i in (0, 1)]
VPN_GATEWAY = {
    "VpnGatewayId": "vgw-1",
    "AmazonSideAsn": 64512,
    "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}],
}
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def aws_tags(address: str) -> list[dict[str, str]]:
    return [{"Key": "cloudlink-link", "Value": "demo"}, {"Key": "cloudlink-resource", "Value": address}]


def vpn(v: int) -> dict[str, Any]:
    ours = LINK.tunnels_of(v)
    options = [
        {
            "OutsideIpAddress": OUTSIDE[t.index],
            "TunnelInsideCidr": str(t.inside),
            "PreSharedKey": Secret(PSKS[t.index]),
            "IkeVersions": [{"Value": "ikev2"}],
            **{k: v for k, v in tunnel_options(LINK.policy).items() if k not in ("IKEVersions",)},
        }
        for t in ours
    ]
    telemetry = [
        {
            "OutsideIpAddress": OUTSIDE[t.index],
            "Status": "UP",
            "StatusMessage": "1 BGP ROUTES",
            "AcceptedRouteCount": 1,
            "LastStatusChange": SINCE,
        }
        for t in ours
    ]
    return {
        "VpnConnectionId": f"vpn-{v}",
        "State": "available",
        "CustomerGatewayId": f"cgw-{v}",
        "VpnGatewayId": "vgw-1",
        # AWS's order means nothing: here the second tunnel comes first
        "Options": {"StaticRoutesOnly": False, "TunnelOptions": options[::-1]},
        "VgwTelemetry": telemetry,
        "Tags": aws_tags(f"aws_vpn.connection[{v}]"),
    }


def connection(i: int) -> dict[str, Any]:
    tunnel = LINK.tunnels[i]
    first = [LINK.tunnels[0].azure_inside, LINK.tunnels[2].azure_inside]
    used = [str(tunnel.azure_inside) if n == tunnel.vpn else str(first[n]) for n in (0, 1)]
    return {
        "id": f"/connections/{i}",
        "name": f"cloudlink-demo-connection-{i + 1}",
        "properties": {
            "provisioningState": "Succeeded",
            "connectionStatus": "Connected",
            "ingressBytesTransferred": 5000,
            "egressBytesTransferred": 4000,
            "connectionProtocol": "IKEv2",
            "connectionMode": "Default",
            "enableBgp": True,
            "sharedKey": PSKS[i],
            "usePolicyBasedTrafficSelectors": False,
            "dpdTimeoutSeconds": 45,
            "ipsecPolicies": [azure_ipsec_policy(LINK.policy)],
            "localNetworkGateway2": {"id": f"/LocalGateways/{i}"},
            "gatewayCustomBgpIpAddresses": [
                {"ipConfigurationId": CONFIGS[n].upper(), "customBgpIpAddress": used[n]} for n in (0, 1)
            ],
        },
    }


def local_gateway(i: int) -> dict[str, Any]:
    return {
        "id": f"/localgateways/{i}",
        "properties": {
            "provisioningState": "Succeeded",
            "gatewayIpAddress": OUTSIDE[i],
            "bgpSettings": {"asn": 64512, "bgpPeeringAddress": str(LINK.tunnels[i].aws_inside)},
        },
    }


def gateway() -> dict[str, Any]:
    return {
        "id": GATEWAY_ID,
        "properties": {
            "provisioningState": "Succeeded",
            "bgpSettings": {
                "asn": 65000,
                "bgpPeeringAddresses": [
                    {
                        "ipconfigurationId": CONFIGS[n],
                        "customBgpIpAddresses": [str(t.azure_inside) for t in LINK.tunnels_of(n)],
                        "defaultBgpIpAddresses": [f"10.20.255.{4 + n}"],
                        "tunnelIpAddresses": [PUBLIC[n]],
                    }
                    for n in (0, 1)
                ],
            },
        },
    }


def bgp_rows() -> list[dict[str, Any]]:
    """As an active-active gateway lists them: the four that work, the four that never will, and themselves."""
    rows = []
    for tunnel in LINK.tunnels:
        rows.append(
            {
                "localAddress": str(tunnel.azure_inside),
                "neighbor": str(tunnel.aws_inside),
                "asn": 64512,
                "state": "Connected",
                "connectedDuration": "3.03:14:13.1796961",
                "routesReceived": 1,
            }
        )
        other = LINK.tunnels[0 if tunnel.vpn else 2].azure_inside
        rows.append(
            {"localAddress": str(other), "neighbor": str(tunnel.aws_inside), "asn": 64512, "state": "Connecting"}
        )
    rows.append({"localAddress": "10.20.255.4", "neighbor": "10.20.255.4", "asn": 65000, "state": "Unknown"})
    rows.append({"localAddress": "10.20.255.4", "neighbor": "10.20.255.5", "asn": 65000, "state": "Connected"})
    return rows


class Said:
    """Everything that the clouds say of a link that works, to be spoilt by a test."""

    def __init__(self) -> None:
        self.vpns = [vpn(0), vpn(1)]
        self.vpn_gateway = dict(VPN_GATEWAY)
        self.customer_gateways = [
            {"CustomerGatewayId": f"cgw-{v}", "State": "available", "IpAddress": PUBLIC[v], "BgpAsn": "65000"}
            for v in (0, 1)
        ]
        self.connections: dict[int, dict[str, Any]] = {i: connection(i) for i in range(4)}
        self.local_gateways = [local_gateway(i) for i in range(4)]
        self.gateway: dict[str, Any] | None = gateway()
        self.bgp: list[dict[str, Any]] | None = bgp_rows()
        self.learned: list[dict[str, Any]] | None = [
            {"network": "10.1.0.0/16", "sourcePeer": "169.254.21.1", "nextHop": "169.254.21.1", "origin": "EBgp"},
            {"network": "10.20.0.0/16", "sourcePeer": "10.20.255.4", "origin": "Network"},
        ]
        self.tables: list[dict[str, Any]] = [
            {
                "RouteTableId": "rtb-1",
                "PropagatingVgws": [{"GatewayId": "vgw-1"}],
                "Associations": [{"SubnetId": "subnet-1"}],
                "Routes": [
                    {"DestinationCidrBlock": "10.1.0.0/16", "GatewayId": "local", "State": "active"},
                    {
                        "DestinationCidrBlock": "10.20.0.0/16",
                        "GatewayId": "vgw-1",
                        "State": "active",
                        "Origin": "EnableVgwRoutePropagation",
                    },
                ],
            }
        ]
        self.endpoint: dict[str, Any] | None = {
            "Id": "rslvr-in-1",
            "Arn": "arn:aws:route53resolver:eu-west-1:1:resolver-endpoint/rslvr-in-1",
            "HostVPCId": "vpc-1",
            "Status": "OPERATIONAL",
        }
        self.addresses = [{"IpId": "rni-1", "Ip": "10.1.1.10", "SubnetId": "subnet-1", "Status": "ATTACHED"}]
        self.zone: dict[str, Any] | None = {
            "HostedZone": {
                "Id": "/hostedzone/Z1",
                "Name": "corp.example.",
                "CallerReference": "cloudlink/demo/",
                "Config": {"PrivateZone": True},
            },
            "VPCs": [{"VPCId": "vpc-1"}],
        }
        self.records: list[dict[str, Any]] = [
            {"Name": "corp.example.", "Type": "SOA"},
            {"Name": "_cloudlink-demo.corp.example.", "Type": "TXT", "ResourceRecords": [{"Value": '"ours"'}]},
            {"Name": "app.corp.example.", "Type": "A", "AliasTarget": {"DNSName": "internal-lb.elb.amazonaws.com."}},
            {"Name": "\\052.wild.corp.example.", "Type": "A", "ResourceRecords": [{"Value": "10.1.1.50"}]},
        ]
        self.forward: ForwardStatus | None = ForwardStatus("corp.example to 10.1.1.10")
        self.more: dict[str, Any] = {"rules": (), "way": (), "filters": ()}  # further facts

    def aws(self) -> AwsFacts:
        return AwsFacts(
            parse_connections.existing_connections(self.vpns),
            parse_gateways.existing_customer_gateways(self.customer_gateways),
            parse_gateways.vpn_gateways([self.vpn_gateway]),
        )

    def azure(self) -> AzureFacts:
        return AzureFacts(
            parse_gateway.gateway(self.gateway) if self.gateway else None,
            {i: parse_connection.connection(c) for i, c in self.connections.items()},
            tuple(map(parse_connection.local_gateway, self.local_gateways)),
            None if self.bgp is None else parse_gateway.bgp_peers(self.bgp),
        )

    def report(self) -> StatusReport:
        return pin(status.report(LINK, self.facts()), beside=plain())

    def facts(self) -> Facts:
        return Facts(
            self.aws(),
            self.azure(),
            None if self.learned is None else parse_gateway.learned_routes(self.learned),
            parse_routes.tables(self.tables),
            (IPv4Network("10.20.0.0/16"),),
            (IPv4Network("10.1.0.0/16"),),
            parse_resolver.endpoints([self.endpoint])[0] if self.endpoint else None,
            parse_resolver.addresses(self.addresses),
            parse_zones.zone(self.zone),
            parse_zones.records(self.records),
            self.forward,
            **self.more,
        )

    # spoiling

    def down(self, *indexes: int, message: str = "IPSEC IS DOWN") -> None:
        """What the clouds say of tunnels that are down, whatever the reason."""
        for i in indexes:
            telemetry = self.vpns[i // 2]["VgwTelemetry"][i % 2]
            telemetry |= {"Status": "DOWN", "StatusMessage": message, "AcceptedRouteCount": 0}
            if message == "IPSEC IS DOWN" and i in self.connections:
                self.connections[i]["properties"]["connectionStatus"] = "NotConnected"
            if self.bgp is not None:
                self.bgp[2 * i] |= {"state": "Connecting", "routesReceived": 0, "connectedDuration": None}

    def option(self, i: int) -> dict[str, Any]:
        found: dict[str, Any] = next(
            o
            for o in self.vpns[i // 2]["Options"]["TunnelOptions"]
            if o["TunnelInsideCidr"] == str(LINK.tunnels[i].inside)
        )
        return found

    def connected(self, i: int) -> dict[str, Any]:
        found: dict[str, Any] = self.connections[i]["properties"]
        return found

    def local(self, i: int) -> dict[str, Any]:
        found: dict[str, Any] = self.local_gateways[i]["properties"]
        return found


@cache
def plain() -> StatusReport:
    return status.report(LINK, Said().facts())


# --- a link that works ------------------------------------------------------------------------------------


def test_four_tunnels_are_up() -> None:
    report = pin(status.report(LINK, Said().facts()))
    assert [t.up for t in report.tunnels] == [True] * 4
    assert report.health is Health.HEALTHY
    assert report.verdict == "All 4 tunnels are up and carry routes."
    assert {c.outcome for c in report.checks} == {Outcome.PASSED}
    assert [c.name for c in report.checks] == [name for name in CHECKS if name not in ("transit", "names-back")]
    assert report.next == ("cloudlink verify-dns",)
    second = report.tunnels[1]
    assert second.aws is not None and second.azure is not None and second.bgp is not None
    assert (second.address, second.instance, second.aws.outside_ip) == ("tunnel[1]", 0, "52.10.0.2")
    assert second.azure.connection == "cloudlink-demo-connection-2"
    assert second.aws.since == SINCE.timestamp()
    assert second.bgp.seconds == pytest.approx(3 * 86400 + 3 * 3600 + 14 * 60 + 13.18, abs=0.01)
    assert report.learned == ("10.1.0.0/16",)
    assert report.records == (
        ("app.corp.example", "A alias", "internal-lb.elb.amazonaws.com"),
        ("*.wild.corp.example", "A", "10.1.1.50"),
    )


def test_without_asking_for_bgp_the_verdict_is_the_same() -> None:
    said = Said()
    said.bgp = None
    assert tunnels.health(tunnels.statuses(LINK, said.aws(), said.azure())) is Health.HEALTHY
    said.down(0)
    assert tunnels.health(tunnels.statuses(LINK, said.aws(), said.azure())) is Health.DEGRADED


def test_foreign_and_deleted_connections_are_not_read() -> None:
    said = Said()
    deleted = vpn(0) | {"VpnConnectionId": "vpn-old", "State": "deleted"}
    deleted.pop("VgwTelemetry")
    foreign = vpn(0) | {"VpnConnectionId": "vpn-foreign", "Tags": []}
    said.vpns = [deleted, foreign, *said.vpns]
    first = said.report().tunnels[0]
    assert first.up and first.aws is not None and first.aws.connection == "vpn-0"


# --- health -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("down", "health", "words"),
    [
        ((0,), Health.DEGRADED, "3 of 4 tunnels are up"),
        ((0, 2), Health.DEGRADED, "2 of 4 tunnels are up"),
        ((0, 1), Health.NO_REDUNDANCY, "all on Azure instance 2"),
        ((1, 2, 3), Health.NO_REDUNDANCY, "all on Azure instance 1"),
        ((0, 1, 2, 3), Health.DOWN, "No tunnel is up"),
    ],
)
def test_health(down: tuple[int, ...], health: Health, words: str) -> None:
    said = Said()
    said.down(*down)
    report = said.report()
    assert report.health is health
    assert words in report.verdict
    assert [t.up for t in report.tunnels] == [i not in down for i in range(4)]


def test_absent() -> None:
    report = status.report(LINK, Facts())
    assert report.health is Health.ABSENT
    assert report.checks == ()
    assert report.next == ("cloudlink up",)


# --- why one tunnel is down -------------------------------------------------------------------------------


def _policy(said: Said) -> None:
    said.connected(1)["ipsecPolicies"][0]["ikeEncryption"] = "AES128"


def _group(said: Said) -> None:
    said.connected(1)["ipsecPolicies"][0]["pfsGroup"] = "PFS24"


def _without_policy(said: Said) -> None:
    said.connected(1)["ipsecPolicies"] = []


def _custom(said: Said) -> None:
    said.connected(1)["gatewayCustomBgpIpAddresses"] = []


def _swapped(said: Said) -> None:
    said.local(1)["bgpSettings"]["bgpPeeringAddress"] = "169.254.22.2"


def _gateway_asn(said: Said) -> None:
    said.customer_gateways[0]["BgpAsn"] = "65010"


IPSEC: list[tuple[Callable[[Said], object], str]] = [
    (lambda s: s.connected(1).update(sharedKey="another" + "x" * 30), "the pre-shared keys differ"),
    (
        lambda s: s.local(1).update(gatewayIpAddress="52.99.0.1"),
        "leads to 52.99.0.1, AWS's end of the tunnel is 52.10.0.2",
    ),
    (
        lambda s: s.customer_gateways[0].update(IpAddress=s.customer_gateways[1]["IpAddress"]),
        "of Azure's other instance, which does not speak BGP from 169.254.22.2",
    ),
    (lambda s: s.customer_gateways[0].update(IpAddress="20.9.9.9"), "customer gateway has the address 20.9.9.9"),
    (_policy, "the IKE encryption differs: AWS permits AES256, Azure uses AES128"),
    (_without_policy, "the IKE Diffie-Hellman group differs: AWS permits 20, Azure has without a policy 2"),
    (_group, "the PFS group differs: AWS permits 20, Azure uses 24"),
    (lambda s: s.connected(1).update(connectionProtocol="IKEv1"), "Azure speaks IKEv1"),
    (lambda s: s.connected(1).update(usePolicyBasedTrafficSelectors=True), "traffic selectors"),
    (lambda s: s.connected(1).update(authenticationType="Certificate"), "signs in with a certificate"),
    (lambda s: s.connected(1).update(useLocalAzureIpAddress=True), "from the gateway's private address"),
    (
        lambda s: (s.connected(1).update(connectionMode="ResponderOnly"), s.option(1).update(StartupAction="add")),
        "neither side opens",
    ),
    (lambda s: s.connected(1).update(provisioningState="Failed"), "Azure failed to set up the connection"),
    (lambda s: s.connected(1).update(provisioningState="Updating"), "Azure's connection is Updating"),
    (lambda s: s.vpns[0].update(State="modifying"), "AWS's VPN connection is modifying"),
    (lambda s: s.connections.pop(1), "Azure has no connection for it"),
    (lambda s: setattr(s, "gateway", None), "Azure has no VPN gateway"),
    (lambda s: setattr(s, "vpns", s.vpns[1:]), "AWS has no VPN connection for it"),
    (
        lambda s: s.option(1).update(TunnelInsideCidr="169.254.22.8/30"),
        "has no tunnel with the inside range 169.254.22.0/30",
    ),
    (lambda s: s.connected(1)["localNetworkGateway2"].update(id="/elsewhere"), "not ours"),
    (lambda s: None, "configured alike, but IPsec is not established: AWS reports IPSEC IS DOWN, Azure NotConnected"),
]


@pytest.mark.parametrize(("spoil", "why"), IPSEC, ids=[w[:40] for _, w in IPSEC])
def test_why_ipsec_is_down(spoil: Callable[[Said], object], why: str) -> None:
    said = Said()
    said.down(1)
    spoil(said)
    second = said.report().tunnels[1]
    assert not second.up
    assert why in second.why
    assert second.fix


@pytest.mark.parametrize(
    ("message", "begins"), [("1 BGP ROUTES", "BGP is up, but it carries nothing: AWS's"), ("IPSEC IS DOWN", "AWS's")]
)
def test_a_detached_gateway_is_no_matter_of_ipsec(message: str, begins: str) -> None:
    said = Said()
    said.down(1, message=message)
    said.vpn_gateway["VpcAttachments"] = []
    why = said.report().tunnels[1].why
    assert why.startswith(begins)
    assert "is not attached to vpc-1" in why


BGP: list[tuple[Callable[[Said], object], str]] = [
    (_swapped, "Azure expects the BGP peer 169.254.22.2, AWS is 169.254.22.1"),
    (_custom, "Azure's instance speaks BGP from 169.254.21.2, AWS expects 169.254.22.2"),
    (lambda s: s.local(1)["bgpSettings"].update(asn=64600), "Azure expects ASN 64600, AWS has 64512"),
    (_gateway_asn, "AWS expects ASN 65010, Azure has 65000"),
    (lambda s: s.connected(1).update(enableBgp=False), "BGP is off"),
    (lambda s: s.vpns[0]["Options"].update(StaticRoutesOnly=True), "static routes only"),
    (lambda s: None, "IPsec is up, but the BGP session is not"),
]


@pytest.mark.parametrize(("spoil", "why"), BGP, ids=[w[:40] for _, w in BGP])
def test_why_bgp_is_down(spoil: Callable[[Said], object], why: str) -> None:
    said = Said()
    said.down(1, message="IPSEC IS UP")
    spoil(said)
    report = said.report()
    assert why in report.tunnels[1].why
    assert report.tunnels[3].up


def test_up_takes_both_clouds_word() -> None:
    said = Said()
    said.connected(1)["connectionStatus"] = "Connecting"
    second = said.report().tunnels[1]
    assert not second.up
    assert "AWS has the tunnel up, but Azure reports Connecting" in second.why


def test_the_neighbours_other_instance_is_not_looked_at() -> None:
    said = Said()
    assert said.bgp is not None
    said.bgp.reverse()  # the sessions that can never come up are listed first
    assert said.report().health is Health.HEALTHY


def test_no_key_is_ever_told() -> None:
    said = Said()
    said.down(0, 1, 2, 3)
    for i in range(4):
        said.connected(i)["sharedKey"] = "different" + "y" * 30
    text = repr(said.report())
    assert "pre-shared keys differ" in text
    assert not any(psk in text for psk in [*PSKS, "different"])


def test_keys_in_secrets_manager_are_not_compared() -> None:
    said = Said()
    said.option(1).pop("PreSharedKey")
    said.down(1)
    assert "keys" not in said.report().tunnels[1].why


def test_bgp_without_routes_is_not_up() -> None:
    said = Said()
    assert said.bgp is not None
    said.bgp[2]["routesReceived"] = 0
    report = said.report()
    assert not report.tunnels[1].up
    assert "Azure accepts no prefix" in report.tunnels[1].why
    said = Said()
    said.vpns[0]["VgwTelemetry"][1]["AcceptedRouteCount"] = 0
    assert "advertises no prefix" in said.report().tunnels[1].why


# --- what is next to the tunnels -----------------------------------------------------------------------


def _no_propagation(said: Said) -> None:
    said.tables[0] |= {"PropagatingVgws": [], "Routes": said.tables[0]["Routes"][:1]}


BESIDE: list[tuple[Callable[[Said], object], str, str]] = [
    (lambda s: s.tables[0].update(Routes=[]), "routes-aws", "rtb-1 lacks 10.20.0.0/16"),
    (_no_propagation, "routes-aws", "propagation is off on rtb-1"),
    (lambda s: s.tables[0]["Routes"][1].update(State="blackhole"), "routes-aws", "rtb-1 lacks"),
    (lambda s: setattr(s, "learned", s.learned[1:]), "routes-azure", "no route to 10.1.0.0/16"),  # type: ignore[index]
    (lambda s: setattr(s, "endpoint", None), "endpoint", "no inbound endpoint"),
    (lambda s: s.endpoint.update(Status="ACTION_NEEDED"), "endpoint", "ACTION_NEEDED"),  # type: ignore[union-attr]
    (
        lambda s: s.addresses[0].update(Status="FAILED_RESOURCE_GONE"),
        "endpoint",
        "10.1.1.10 of the inbound endpoint in subnet-1",
    ),
    (lambda s: setattr(s, "zone", None), "zone", "no private hosted zone"),
    (lambda s: s.zone.update(VPCs=[]), "zone", "not associated with vpc-1"),  # type: ignore[union-attr]
    (lambda s: setattr(s, "records", s.records[:3]), "records", "no record for *.wild.corp.example"),
    (lambda s: setattr(s, "forward", ForwardStatus("", "CoreDNS forwards to 10.9.9.9")), "forward", "10.9.9.9"),
]


@pytest.mark.parametrize(("spoil", "check", "detail"), BESIDE, ids=[f"{c}: {d}" for _, c, d in BESIDE])
def test_each_check_turns_red_alone(spoil: Callable[[Said], object], check: str, detail: str) -> None:
    said = Said()
    spoil(said)
    report = said.report()
    failed = {c.name: c for c in report.checks if c.outcome is Outcome.FAILED}
    assert set(failed) == {check}
    assert detail in failed[check].detail
    assert report.health is Health.DEGRADED
    assert "But:" in report.verdict


def test_a_warning_of_coredns_does_not_degrade() -> None:
    said = Said()
    said.forward = ForwardStatus(
        "corp.example to 10.1.1.10", "", ("The key x serves eu.corp.example.",), ("eu.corp.example",)
    )
    report = said.report()
    assert report.health is Health.HEALTHY
    assert next(c for c in report.checks if c.name == "forward").outcome is Outcome.WARNING


def test_a_key_that_coredns_does_not_read_is_the_cause_and_no_command_helps() -> None:
    said = Said()
    task = "Add the line import custom/*.server at the end of the Corefile."
    said.forward = ForwardStatus("corp.example to 10.1.1.10", "CoreDNS does not read the key a.server", task=task)
    advice = said.report().advice
    assert "CoreDNS does not read the key a.server" in advice.cause
    assert (advice.command, advice.task) == ("", task)


def test_tables_of_subnets() -> None:
    tables = [
        {"RouteTableId": "rtb-main", "Associations": [{"Main": True}]},
        {"RouteTableId": "rtb-1", "Associations": [{"SubnetId": "subnet-1", "Main": False}]},
        {"RouteTableId": "rtb-2", "Associations": [{"SubnetId": "subnet-2", "Main": False}]},
    ]

    def ids(subnets: list[str], configured: tuple[str, ...] | None = None) -> list[str]:
        return [t.id for t in tables_of(parse_routes.tables(tables), subnets, configured)]

    assert ids(["subnet-1"]) == ["rtb-1"]
    assert ids(["subnet-1", "subnet-9"]) == ["rtb-main", "rtb-1"]
    assert ids(["subnet-1"], ("rtb-2",)) == ["rtb-2"]
    needed = tables_of(parse_routes.tables(tables), ["subnet-1"], None, {"rtb-2"})
    assert [t.id for t in needed] == ["rtb-1", "rtb-2"], "of what names point at"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:09.8344194", 9.8344194),
        ("1.00:00:00", 86400.0),
        ("02:40:19.57", 9619.57),
        (None, None),
        ("", None),
        ("x", None),
    ],
)
def test_timespans(text: str | None, seconds: float | None) -> None:
    assert parse_gateway.timespan(text) == (pytest.approx(seconds) if seconds is not None else None)
