"""Gateways and VPN connections: every difference between moto and AWS that a link could trip over."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from aws_account import VPC, Account, Gateways, refused, tag_spec
from botocore.exceptions import ClientError

NOWHERE = "0123456789abcdef0"


@pytest.fixture
def gateways(seeded: Account) -> Gateways:
    return Gateways.of(seeded)


Row = tuple[str, Callable[[Any, Gateways], Any], str]

REFUSALS: list[Row] = [
    ("a second gateway on one VPC", lambda e, g: e.attach_vpn_gateway(
        VpnGatewayId=e.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"], VpcId=VPC), "InvalidVpcState"),
    ("a gateway on a second VPC", lambda e, g: e.attach_vpn_gateway(
        VpnGatewayId=g.vgw, VpcId=e.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]),
        "VpnGatewayAttachmentLimitExceeded"),
    ("attach an unknown gateway", lambda e, g: e.attach_vpn_gateway(VpnGatewayId=f"vgw-{NOWHERE}", VpcId=VPC),
        "InvalidVpnGatewayID.NotFound"),
    ("describe an unknown gateway", lambda e, g: e.describe_vpn_gateways(VpnGatewayIds=[f"vgw-{NOWHERE}"]),
        "InvalidVpnGatewayID.NotFound"),
    ("a malformed gateway id", lambda e, g: e.describe_vpn_gateways(VpnGatewayIds=["vgw-what"]),
        "InvalidVpnGatewayID.Malformed"),
    ("an unknown filter", lambda e, g: e.describe_vpn_gateways(Filters=[{"Name": "colour", "Values": ["red"]}]),
        "InvalidParameterValue"),
    ("an unknown filter of moto's", lambda e, g: e.describe_vpcs(Filters=[{"Name": "colour", "Values": ["red"]}]),
        "InvalidParameterValue"),
    ("detach what is not attached", lambda e, g: e.detach_vpn_gateway(VpnGatewayId=g.vgw, VpcId=f"vpc-{NOWHERE}"),
        "InvalidVpnGatewayAttachment.NotFound"),
    ("delete an attached gateway", lambda e, g: e.delete_vpn_gateway(VpnGatewayId=g.vgw), "IncorrectState"),
    ("an ASN out of range", lambda e, g: e.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=100),
        "InvalidParameterValue"),
    ("tags for another kind", lambda e, g: e.create_vpn_gateway(
        Type="ipsec.1", TagSpecifications=tag_spec("subnet", a="b")), "InvalidParameterValue"),
    ("a dry run", lambda e, g: e.create_vpn_gateway(Type="ipsec.1", DryRun=True), "DryRunOperation"),
    ("an operation that nobody modelled", lambda e, g: e.get_vpn_connection_device_types(), "InvalidAction"),
    ("an operation that moto lacks", lambda e, g: e.describe_vpc_block_public_access_options(), "InvalidAction"),
    ("no catalogue of instances", lambda e, g: e.describe_instance_types(), "InvalidAction"),
    ("describe an unknown customer gateway", lambda e, g: e.describe_customer_gateways(
        CustomerGatewayIds=[f"cgw-{NOWHERE}"]), "InvalidCustomerGatewayID.NotFound"),
    ("a used IP with another ASN", lambda e, g: e.create_customer_gateway(
        Type="ipsec.1", IpAddress="20.0.0.1", BgpAsn=65_000), "InvalidCustomerGateway.DuplicateIpAddress"),
    ("an unknown filter of customer gateways", lambda e, g: e.describe_customer_gateways(
        Filters=[{"Name": "device", "Values": ["x"]}]), "InvalidParameterValue"),
    ("VPN on an unknown gateway", lambda e, g: e.create_vpn_connection(
        **g.request() | {"VpnGatewayId": f"vgw-{NOWHERE}"}), "InvalidVpnGatewayID.NotFound"),
    ("VPN on an unknown customer gateway", lambda e, g: e.create_vpn_connection(
        **g.request() | {"CustomerGatewayId": f"cgw-{NOWHERE}"}), "InvalidCustomerGatewayID.NotFound"),
    ("VPN with the Amazon side's ASN", lambda e, g: e.create_vpn_connection(**g.request() | {
        "CustomerGatewayId": e.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.9", BgpAsn=64_512)
        ["CustomerGateway"]["CustomerGatewayId"]}), "AsnConflict"),
    ("a reserved inside CIDR", lambda e, g: g.connection({"TunnelInsideCidr": "169.254.5.0/30"}), "InvalidParameterValue"),
    ("an inside CIDR of AWS's own", lambda e, g: g.connection({"TunnelInsideCidr": "169.254.169.252/30"}),
        "InvalidParameterValue"),
    ("an inside CIDR elsewhere", lambda e, g: g.connection({"TunnelInsideCidr": "10.0.0.0/30"}), "InvalidParameterValue"),
    ("an inside /29", lambda e, g: g.connection({"TunnelInsideCidr": "169.254.21.0/29"}), "InvalidParameterValue"),
    ("one inside CIDR for both tunnels", lambda e, g: g.connection(
        {"TunnelInsideCidr": "169.254.21.0/30"}, {"TunnelInsideCidr": "169.254.21.0/30"}), "InvalidCidr.InUse"),
    ("an inside CIDR of another connection", lambda e, g: [
        g.connection({"TunnelInsideCidr": "169.254.21.0/30"}, StaticOnly)
        for StaticOnly in ({}, {"TunnelInsideCidr": "169.254.30.0/30"})], "InvalidCidr.InUse"),
    ("a key that starts with 0", lambda e, g: g.connection({"PreSharedKey": "0short123"}), "InvalidParameterValue"),
    ("a short key", lambda e, g: g.connection({"PreSharedKey": "short"}), "InvalidParameterValue"),
    ("a key with a dash", lambda e, g: g.connection({"PreSharedKey": "abc-defgh-ijk"}), "InvalidParameterValue"),
    ("group 99", lambda e, g: g.connection({"Phase1DHGroupNumbers": [{"Value": 99}]}), "InvalidParameterValue"),
    ("group 5 in phase 1", lambda e, g: g.connection({"Phase1DHGroupNumbers": [{"Value": 5}]}), "InvalidParameterValue"),
    ("ikev9", lambda e, g: g.connection({"IKEVersions": [{"Value": "ikev9"}]}), "InvalidParameterValue"),
    ("start with ikev1", lambda e, g: g.connection(
        {"IKEVersions": [{"Value": "ikev1"}], "StartupAction": "start"}), "InvalidParameterValue"),
    ("a short DPD timeout", lambda e, g: g.connection({"DPDTimeoutSeconds": 10}), "InvalidParameterValue"),
    ("phase 2 as long as phase 1", lambda e, g: g.connection(
        {"Phase1LifetimeSeconds": 1200, "Phase2LifetimeSeconds": 1200}), "InvalidParameterValue"),
    ("an unknown connection", lambda e, g: e.describe_vpn_connections(VpnConnectionIds=[f"vpn-{NOWHERE}"]),
        "InvalidVpnConnectionID.NotFound"),
    ("modify an unknown tunnel", lambda e, g: e.modify_vpn_tunnel_options(
        VpnConnectionId=g.connection()["VpnConnectionId"], VpnTunnelOutsideIpAddress="192.0.2.1",
        TunnelOptions={"DPDTimeoutSeconds": 45}), "InvalidParameterValue"),
    ("delete a used customer gateway", lambda e, g: (g.connection(), e.delete_customer_gateway(
        CustomerGatewayId=g.cgw)), "IncorrectState"),
    ("static routes on a BGP connection", lambda e, g: e.create_vpn_connection_route(
        VpnConnectionId=g.connection()["VpnConnectionId"], DestinationCidrBlock="10.1.0.0/16"), "InvalidParameterValue"),
    ("propagation from an unknown gateway", lambda e, g: e.enable_vgw_route_propagation(
        GatewayId=f"vgw-{NOWHERE}", RouteTableId=_table(e)), "InvalidGatewayID.NotFound"),
    ("propagation into an unknown table", lambda e, g: e.enable_vgw_route_propagation(
        GatewayId=g.vgw, RouteTableId=f"rtb-{NOWHERE}"), "InvalidRouteTableID.NotFound"),
    ("propagation from a gateway of another VPC", lambda e, g: e.enable_vgw_route_propagation(
        GatewayId=_foreign_gateway(e), RouteTableId=_table(e)), "Gateway.NotAttached"),
    ("delete the default security group", lambda e, g: e.delete_security_group(GroupId=_default_group(e)),
        "CannotDelete"),
    ("a security group's name twice", lambda e, g: [
        e.create_security_group(GroupName="a", Description="b", VpcId=VPC) for _ in "12"], "InvalidGroup.Duplicate"),
]  # fmt: skip


def _table(ec2: Any) -> str:
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"]
    return str(tables[0]["RouteTableId"])


def _foreign_gateway(ec2: Any) -> str:
    found = ec2.describe_vpn_gateways(Filters=[{"Name": "tag:Name", "Values": ["billing-*"]}])["VpnGateways"]
    return str(found[0]["VpnGatewayId"])


def _default_group(ec2: Any) -> str:
    wanted = [{"Name": "vpc-id", "Values": [VPC]}, {"Name": "group-name", "Values": ["default"]}]
    return str(ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"])


@pytest.mark.documentation(
    "A VPC has one gateway and a gateway one VPC; what is attached, connected or used is not deleted"
)
@pytest.mark.documentation(
    "Unknown and malformed ids, unknown gateways and tables of a propagation, and a gateway of another VPC are refused with their own codes"
)
@pytest.mark.model(
    "Inside ranges, keys, groups, IKE versions, lifetimes and time-outs are kept to their documented limits"
)
@pytest.mark.documentation(
    "An inside range in use on the gateway is InvalidCidr.InUse; the same ASN on both sides is refused"
)
@pytest.mark.documentation("A dry run answers 412 and does nothing")
@pytest.mark.own("Filters and operations that are not modelled are refused, never ignored")
@pytest.mark.belief("InvalidParameterValue is the code of every value out of its limits")
@pytest.mark.parametrize(("call", "code"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals(gateways: Gateways, call: Callable[[Any, Gateways], Any], code: str) -> None:
    ec2 = gateways.account.client("ec2")
    writes = _counts(ec2)
    with pytest.raises(ClientError) as caught:
        call(ec2, gateways)
    assert caught.value.response["Error"]["Code"] == code
    if code == "DryRunOperation":
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
        assert _counts(ec2) == writes


def _counts(ec2: Any) -> tuple[int, int]:
    return len(ec2.describe_vpn_gateways()["VpnGateways"]), len(ec2.describe_vpn_connections()["VpnConnections"])


FILTERS: list[tuple[str, str, str, str, list[str]]] = [
    ("gateway by ASN", "describe_vpn_gateways", "VpnGateways", "amazon-side-asn", ["64512"]),
    ("gateway by VPC", "describe_vpn_gateways", "VpnGateways", "attachment.vpc-id", [VPC]),
    ("gateway by state of attachment", "describe_vpn_gateways", "VpnGateways", "attachment.state", ["att*"]),
    ("customer gateway by ASN", "describe_customer_gateways", "CustomerGateways", "bgp-asn", ["65515"]),
    ("customer gateway by IP", "describe_customer_gateways", "CustomerGateways", "ip-address", ["20.0.0.?"]),
    ("customer gateway by state", "describe_customer_gateways", "CustomerGateways", "state", ["available"]),
    ("customer gateway by tag", "describe_customer_gateways", "CustomerGateways", "tag:mine", ["yes"]),
    ("customer gateway by tag key", "describe_customer_gateways", "CustomerGateways", "tag-key", ["mine"]),
    ("connection by id", "describe_vpn_connections", "VpnConnections", "vpn-connection-id", ["vpn-*"]),
    ("connection by ASN", "describe_vpn_connections", "VpnConnections", "bgp-asn", ["65515"]),
    (
        "connection by kind of routing",
        "describe_vpn_connections",
        "VpnConnections",
        "option.static-routes-only",
        ["false"],
    ),
]


@pytest.mark.model(
    "Gateways, customer gateways and connections are filtered by state, tags, ids, ASN, address, VPC and kind of routing, with wildcards"
)
@pytest.mark.parametrize(
    ("call", "key", "name", "values"), [row[1:] for row in FILTERS], ids=[row[0] for row in FILTERS]
)
def test_filters_filter(gateways: Gateways, call: str, key: str, name: str, values: list[str]) -> None:
    ec2 = gateways.account.client("ec2")
    ec2.create_tags(Resources=[gateways.cgw], Tags=[{"Key": "mine", "Value": "yes"}])
    connection = gateways.connection()["VpnConnectionId"]
    found = getattr(ec2, call)(Filters=[{"Name": name, "Values": values}])[key]
    ids = {o.get("VpnConnectionId") or o.get("VpnGatewayId") or o.get("CustomerGatewayId") for o in found}
    wanted = {"VpnGateways": gateways.vgw, "CustomerGateways": gateways.cgw, "VpnConnections": connection}[key]
    if name in ("state", "attachment.state"):  # the foreign one as well
        assert wanted in ids
    else:
        assert ids == {wanted}
    assert getattr(ec2, call)(Filters=[{"Name": name, "Values": ["nothing"]}])[key] == []


@pytest.mark.model("An identical customer gateway is given back, not made twice")
@pytest.mark.belief("An identical VPN connection is given back when its options are the same as well")
@pytest.mark.documentation("A virtual private gateway is made anew each time, with ASN 64512 if none was given")
def test_identical_creates_give_back_what_exists(gateways: Gateways) -> None:
    ec2 = gateways.account.client("ec2")
    again = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.1", BgpAsn=65_515)["CustomerGateway"]
    assert again["CustomerGatewayId"] == gateways.cgw
    other = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.1", BgpAsn=65_515, DeviceName="two")
    assert other["CustomerGateway"]["CustomerGatewayId"] != gateways.cgw
    tunnel = {"TunnelInsideCidr": "169.254.21.0/30"}
    assert gateways.connection(tunnel)["VpnConnectionId"] == gateways.connection(tunnel)["VpnConnectionId"]
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]
    assert gateway["AmazonSideAsn"] == 64_512
    assert ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"] != gateway["VpnGatewayId"]


@pytest.mark.documentation("Five virtual private gateways and fifty customer gateways are the most")
def test_quotas(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    for _ in range(4):  # somebody else has one
        ec2.create_vpn_gateway(Type="ipsec.1")
    refused("VpnGatewayLimitExceeded", 400, ec2.create_vpn_gateway, Type="ipsec.1")
    for number in range(49):
        ec2.create_customer_gateway(Type="ipsec.1", IpAddress=f"20.0.1.{number}", BgpAsn=65_515)
    refused(
        "CustomerGatewayLimitExceeded", 400, ec2.create_customer_gateway,
        Type="ipsec.1", IpAddress="20.0.2.1", BgpAsn=65_515,
    )  # fmt: skip


@pytest.mark.documentation("A gateway is attaching, attached, detaching, and detached stays listed")
@pytest.mark.documentation("Propagation is Gateway.NotAttached until then, and ends with the attachment")
def test_attachment_takes_time_and_propagation_waits_for_it(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    vgw = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    assert ec2.attach_vpn_gateway(VpnGatewayId=vgw, VpcId=VPC)["VpcAttachment"]["State"] == "attaching"
    assert ec2.attach_vpn_gateway(VpnGatewayId=vgw, VpcId=VPC)["VpcAttachment"]["State"] == "attaching"
    table = _table(ec2)
    refused("Gateway.NotAttached", 400, ec2.enable_vgw_route_propagation, GatewayId=vgw, RouteTableId=table)
    seeded.later(15)
    ec2.enable_vgw_route_propagation(GatewayId=vgw, RouteTableId=table)
    ec2.detach_vpn_gateway(VpnGatewayId=vgw, VpcId=VPC)
    refused("IncorrectState", 400, ec2.delete_vpn_gateway, VpnGatewayId=vgw)
    seeded.later(30)
    seen = ec2.describe_vpn_gateways(VpnGatewayIds=[vgw])["VpnGateways"][0]
    assert seen["VpcAttachments"] == [{"VpcId": VPC, "State": "detached"}]
    shown = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    assert shown["PropagatingVgws"] == []
    ec2.delete_vpn_gateway(VpnGatewayId=vgw)
    refused("InvalidVpnGatewayID.NotFound", 400, ec2.attach_vpn_gateway, VpnGatewayId=vgw, VpcId=VPC)


@pytest.mark.model("Answers spell options otherwise than requests: DpdTimeoutSeconds, IkeVersions")
@pytest.mark.belief("Lists that were not given are absent")
def test_options_come_back_in_the_spelling_of_answers(gateways: Gateways) -> None:
    made = gateways.connection(
        {
            "TunnelInsideCidr": "169.254.21.0/30",
            "PreSharedKey": "abcdefgh.1",
            "DPDTimeoutSeconds": 45,
            "DPDTimeoutAction": "restart",
            "IKEVersions": [{"Value": "ikev2"}],
            "Phase2DHGroupNumbers": [{"Value": 20}],
        }
    )
    first, second = made["Options"]["TunnelOptions"]
    assert first["DpdTimeoutSeconds"] == 45
    assert first["DpdTimeoutAction"] == "restart"
    assert first["IkeVersions"] == [{"Value": "ikev2"}]
    assert first["Phase2DHGroupNumbers"] == [{"Value": 20}]
    assert first["PreSharedKey"] == "abcdefgh.1"
    assert "Phase1DHGroupNumbers" not in first
    assert second["TunnelInsideCidr"] != first["TunnelInsideCidr"]
    assert len(second["PreSharedKey"]) == 32
    assert "VgwTelemetry" not in made
    assert (made["Category"], made["Routes"], made["GatewayAssociationState"]) == ("VPN", [], "associated")


@pytest.mark.recorded(
    "The customer gateway configuration is an XML document with both tunnels' addresses, keys, ASNs and proposals"
)
@pytest.mark.documentation("AWS has the first address of each inside range")
def test_configuration_document(gateways: Gateways) -> None:
    made = gateways.connection({"TunnelInsideCidr": "169.254.21.0/30", "PreSharedKey": "abcdefgh.1"})
    text = made["CustomerGatewayConfiguration"]
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    root = ET.fromstring(text)
    assert root.get("id") == made["VpnConnectionId"]
    assert root.findtext("vpn_gateway_id") == gateways.vgw
    tunnels = {t.findtext("ike/pre_shared_key"): t for t in root.findall("ipsec_tunnel")}
    tunnel = tunnels["abcdefgh.1"]
    assert tunnel.findtext("vpn_gateway/tunnel_inside_address/ip_address") == "169.254.21.1"
    assert tunnel.findtext("customer_gateway/tunnel_inside_address/ip_address") == "169.254.21.2"
    assert tunnel.findtext("customer_gateway/tunnel_outside_address/ip_address") == "20.0.0.1"
    assert tunnel.findtext("customer_gateway/bgp/asn") == "65515"
    assert tunnel.findtext("vpn_gateway/bgp/asn") == "64512"
    outside = {t.findtext("vpn_gateway/tunnel_outside_address/ip_address") for t in root.findall("ipsec_tunnel")}
    assert outside == {o["OutsideIpAddress"] for o in made["Options"]["TunnelOptions"]}
    assert len(outside) == 2


@pytest.mark.recorded("Telemetry has one entry for each tunnel, by outside address")
@pytest.mark.own("Telemetry follows from both sides' configuration")
def test_telemetry_is_the_worlds(gateways: Gateways) -> None:
    account = gateways.account
    made = gateways.connection()
    first, second = (o["OutsideIpAddress"] for o in made["Options"]["TunnelOptions"])
    account.context.stand_in.routes[first] = 3
    (seen,) = account.client("ec2").describe_vpn_connections()["VpnConnections"]
    assert [
        (t["OutsideIpAddress"], t["Status"], t["StatusMessage"], t["AcceptedRouteCount"]) for t in seen["VgwTelemetry"]
    ] == [
        (first, "UP", "3 BGP ROUTES", 3),
        (second, "DOWN", "IPSEC IS DOWN", 0),
    ]


@pytest.mark.documentation(
    "A modified tunnel is away for a while and the other is not; the connection is modifying, and takes no second change"
)
def test_modify_takes_one_tunnel_away_for_a_while(gateways: Gateways) -> None:
    account, ec2 = gateways.account, gateways.account.client("ec2")
    made = gateways.connection()
    vpn, outside = made["VpnConnectionId"], made["Options"]["TunnelOptions"][0]["OutsideIpAddress"]
    asked = {
        "VpnConnectionId": vpn,
        "VpnTunnelOutsideIpAddress": outside,
        "TunnelOptions": {"PreSharedKey": "another.key.1"},
    }
    assert ec2.modify_vpn_tunnel_options(**asked)["VpnConnection"]["State"] == "modifying"
    refused("InvalidVpnConnection.InvalidState", 400, ec2.modify_vpn_tunnel_options, **asked)
    ready = {str(t.outside_ip): t.ready for t in account.cloud.facts().tunnels}
    assert ready.pop(outside) is False
    assert list(ready.values()) == [True]
    account.later(120)
    (seen,) = ec2.describe_vpn_connections()["VpnConnections"]
    assert seen["State"] == "available"
    assert seen["Options"]["TunnelOptions"][0]["PreSharedKey"] == "another.key.1"
    (changed,) = (t for t in account.cloud.facts().tunnels if str(t.outside_ip) == outside)
    assert (changed.psk, changed.ready, changed.changed_at) == ("another.key.1", True, account.cloud.now)


@pytest.mark.model("Customer gateway, ranges and tunnels of a connection can be replaced, and their progress be asked")
def test_other_changes(gateways: Gateways) -> None:
    account, ec2 = gateways.account, gateways.account.client("ec2")
    made = gateways.connection()
    vpn, outside = made["VpnConnectionId"], made["Options"]["TunnelOptions"][1]["OutsideIpAddress"]
    other = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.7", BgpAsn=65_515)["CustomerGateway"]
    account.later(10)
    ec2.modify_vpn_connection(VpnConnectionId=vpn, CustomerGatewayId=other["CustomerGatewayId"])
    assert [t.ready for t in account.cloud.facts().tunnels] == [False, False]
    account.later(120)
    (seen,) = ec2.describe_vpn_connections()["VpnConnections"]
    assert seen["CustomerGatewayId"] == other["CustomerGatewayId"]
    assert {str(t.customer_ip) for t in account.cloud.facts().tunnels} == {"20.0.0.7"}
    ec2.modify_vpn_connection_options(VpnConnectionId=vpn, RemoteIpv4NetworkCidr="10.20.0.0/16")
    account.later(120)
    assert ec2.replace_vpn_tunnel(VpnConnectionId=vpn, VpnTunnelOutsideIpAddress=outside)["Return"]
    status = ec2.get_active_vpn_tunnel_status(VpnConnectionId=vpn, VpnTunnelOutsideIpAddress=outside)
    assert status["ActiveVpnTunnelStatus"]["ProvisioningStatus"] == "pending"
    account.later(120)
    replaced = ec2.get_vpn_tunnel_replacement_status(VpnConnectionId=vpn, VpnTunnelOutsideIpAddress=outside)
    assert "LastMaintenanceApplied" in replaced["MaintenanceDetails"]
    (seen,) = ec2.describe_vpn_connections()["VpnConnections"]
    assert (seen["State"], seen["Options"]["RemoteIpv4NetworkCidr"]) == ("available", "10.20.0.0/16")


@pytest.mark.model("With SecretsManager the keys stand in no answer, but in a secret that the answer names")
@pytest.mark.belief("The secret is an object from outside address to key, and goes with the connection")
def test_keys_in_secrets_manager(gateways: Gateways) -> None:
    made = gateways.connection({"PreSharedKey": "abcdefgh.1"}, PreSharedKeyStorage="SecretsManager")
    assert all("PreSharedKey" not in o for o in made["Options"]["TunnelOptions"])
    assert "abcdefgh.1" not in made["CustomerGatewayConfiguration"]
    keeper = gateways.account.client("secretsmanager")
    text = keeper.get_secret_value(SecretId=made["PreSharedKeyArn"])["SecretString"]
    assert json.loads(text)[made["Options"]["TunnelOptions"][0]["OutsideIpAddress"]] == "abcdefgh.1"
    gateways.account.client("ec2").delete_vpn_connection(VpnConnectionId=made["VpnConnectionId"])
    gateways.account.later(100)
    refused("ResourceNotFoundException", 400, keeper.get_secret_value, SecretId=made["PreSharedKeyArn"])


@pytest.mark.recorded("Reads by tag lag behind reads by id")
def test_reads_by_tag_lag_behind_reads_by_id(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    made = ec2.create_customer_gateway(
        Type="ipsec.1", IpAddress="20.0.0.5", BgpAsn=65_515, TagSpecifications=tag_spec("customer-gateway", mine="yes")
    )["CustomerGateway"]
    by_tag = {"Filters": [{"Name": "tag:mine", "Values": ["yes"]}]}
    assert ec2.describe_customer_gateways(**by_tag)["CustomerGateways"] == []
    by_id = ec2.describe_customer_gateways(CustomerGatewayIds=[made["CustomerGatewayId"]])["CustomerGateways"]
    assert by_id[0]["State"] == "pending"
    seeded.later(5)
    assert len(ec2.describe_customer_gateways(**by_tag)["CustomerGateways"]) == 1


@pytest.mark.recorded("A deleted connection stays listed with its tags, without document and telemetry")
@pytest.mark.belief("It is gone after an hour")
def test_a_deleted_connection_lingers_without_its_secrets(gateways: Gateways) -> None:
    account, ec2 = gateways.account, gateways.account.client("ec2")
    vpn = gateways.connection(TagSpecifications=tag_spec("vpn-connection", mine="yes"))["VpnConnectionId"]
    ec2.delete_vpn_connection(VpnConnectionId=vpn)
    assert account.cloud.facts().tunnels == ()
    account.later(60)
    (seen,) = ec2.describe_vpn_connections(VpnConnectionIds=[vpn])["VpnConnections"]
    assert seen["State"] == "deleted"
    assert "CustomerGatewayConfiguration" not in seen
    assert "VgwTelemetry" not in seen
    assert seen["Tags"] == [{"Key": "mine", "Value": "yes"}]
    refused("InvalidVpnConnectionID.NotFound", 400, ec2.delete_vpn_connection, VpnConnectionId=vpn)
    account.later(3600)
    refused("InvalidVpnConnectionID.NotFound", 400, ec2.describe_vpn_connections, VpnConnectionIds=[vpn])


@pytest.mark.documentation("A learned route that equals a local one is not used")
@pytest.mark.model("Propagated routes have origin EnableVgwRoutePropagation")
def test_learned_routes_never_hide_local_ones(gateways: Gateways) -> None:
    ec2 = gateways.account.client("ec2")
    table = _table(ec2)
    ec2.enable_vgw_route_propagation(GatewayId=gateways.vgw, RouteTableId=table)
    gateways.account.context.stand_in.learned = (
        (IPv4Network("10.1.0.0/16"), gateways.vgw),
        (IPv4Network("10.20.0.0/16"), gateways.vgw),
    )
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert sorted((r["DestinationCidrBlock"], r["GatewayId"], r["Origin"]) for r in routes) == [
        ("10.1.0.0/16", gateways.vgw, "EnableVgwRoutePropagation"),
        ("10.20.0.0/16", "local", "CreateRouteTable"),
        ("100.64.0.0/16", "local", "CreateRouteTable"),
    ]
    ec2.disable_vgw_route_propagation(GatewayId=gateways.vgw, RouteTableId=table)
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {r["Origin"] for r in routes} == {"CreateRouteTable"}
