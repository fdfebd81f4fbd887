"""Obstacles are found before anything is created: the exit code, one clear message with its path, and no write at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, Result, make_cli
from tests.support.manual_edits import ManualEdits

VPC = "vpc-0a1b2c3d4e5f60718"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("preflight"), speed=200) as made:
        assert made.sandbox("start").code == 0
        yield made


@pytest.fixture
def place(furnished: Cli) -> Iterator[Cli]:
    text = furnished.config.read_text()
    yield furnished
    furnished.config.write_text(text)
    furnished.control("DELETE", "faults")


def refused(place: Cli, code: int) -> dict[str, Any]:
    """``up`` ends with this code, one error, and without a write; ``plan`` says the same."""
    before = place.writes()
    result: Result = place.cloudlink("up", "--json")
    assert place.writes() == before, "nothing may be created"
    assert not place.state.exists() or "azure_vpn" not in place.state.read_text()
    errors = [line for line in result.lines if line["type"] == "error"]
    assert result.code == code, result.out
    assert len(errors) == 1, result.out
    assert errors[0]["exit_code"] == code
    assert errors[0]["hint"]
    return dict(errors[0])


def mistake(place: Cli) -> tuple[str, str, str]:
    found = refused(place, 3)["mistakes"]
    assert len(found) == 1, found
    return found[0]["path"], found[0]["found"], found[0]["allowed"]


class TemporaryEdits(ManualEdits):
    """What somebody else's setup looks like; every change is taken back."""

    @contextlib.contextmanager
    def vpc_range(self, cidr: str) -> Iterator[None]:
        made = self.ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock=cidr)["CidrBlockAssociation"]["AssociationId"]
        self.later(60)
        yield
        self.ec2.disassociate_vpc_cidr_block(AssociationId=made)
        self.later(60)

    @contextlib.contextmanager
    def peered(self, cidr: str) -> Iterator[None]:
        body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": [cidr]}}}
        self.network.virtual_networks.begin_create_or_update("test", "spoke", body, polling=False)
        self.later(60)
        ids = {n: self.network.virtual_networks.get("test", n).id for n in ("test-vnet", "spoke")}
        for here, there in (("test-vnet", "spoke"), ("spoke", "test-vnet")):
            body = {
                "properties": {
                    "remoteVirtualNetwork": {"id": ids[there]},
                    "allowVirtualNetworkAccess": True,
                    "allowGatewayTransit": here == "test-vnet",
                }
            }
            self.network.virtual_network_peerings.begin_create_or_update("test", here, "to-other", body, polling=False)
            self.later(60)
        yield
        for here in ("test-vnet", "spoke"):
            self.network.virtual_network_peerings.begin_delete("test", here, "to-other", polling=False)
            self.later(60)
        self.network.virtual_networks.begin_delete("test", "spoke", polling=False)
        self.later(60)

    @contextlib.contextmanager
    def subnet(self, name: str, prefix: str, **more: Any) -> Iterator[None]:
        body = {"properties": {"addressPrefix": prefix, **more}}
        self.network.subnets.begin_create_or_update("test", "test-vnet", name, body, polling=False)
        self.later(60)
        yield
        self.network.subnets.begin_delete("test", "test-vnet", name, polling=False)
        self.later(60)

    @contextlib.contextmanager
    def gateway_subnet_with_nsg(self) -> Iterator[None]:
        self.network.network_security_groups.begin_create_or_update(
            "test", "fence", {"location": "westeurope"}, polling=False
        )
        self.later(60)
        group = self.network.network_security_groups.get("test", "fence").id
        with self.subnet("GatewaySubnet", "10.20.255.0/27", networkSecurityGroup={"id": group}):
            yield

    @contextlib.contextmanager
    def other_vpn_gateway(self) -> Iterator[None]:
        """Somebody's VPN gateway named ``corp``, and the subnet that it needs."""
        network, zonal = self.network, {"location": "westeurope", "zones": ["1", "2", "3"], "sku": {"name": "Standard"}}
        with self.subnet("GatewaySubnet", "10.20.255.0/27"):
            static = {**zonal, "properties": {"publicIPAllocationMethod": "Static"}}
            network.public_ip_addresses.begin_create_or_update("test", "corp", static, polling=False)
            self.later(60)
            place = {
                "subnet": {"id": network.subnets.get("test", "test-vnet", "GatewaySubnet").id},
                "publicIPAddress": {"id": network.public_ip_addresses.get("test", "corp").id},
            }
            body = {
                "location": "westeurope",
                "properties": {
                    "gatewayType": "Vpn",
                    "vpnType": "RouteBased",
                    "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"},
                    "ipConfigurations": [{"name": "default", "properties": place}],
                },
            }
            network.virtual_network_gateways.begin_create_or_update("test", "corp", body, polling=False)
            self.later(4 * 3600)
            yield
            network.virtual_network_gateways.begin_delete("test", "corp", polling=False)
            self.later(4 * 3600)
            network.public_ip_addresses.begin_delete("test", "corp", polling=False)
            self.later(60)

    @contextlib.contextmanager
    def attached_gateway(self) -> Iterator[str]:
        made = str(self.ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64_600)["VpnGateway"]["VpnGatewayId"])
        self.later(60)
        self.ec2.attach_vpn_gateway(VpnGatewayId=made, VpcId=VPC)
        self.later(60)
        yield made
        self.ec2.detach_vpn_gateway(VpnGatewayId=made, VpcId=VPC)
        self.later(60)
        self.ec2.delete_vpn_gateway(VpnGatewayId=made)
        self.later(60)

    @contextlib.contextmanager
    def endpoints(self, count: int) -> Iterator[None]:
        """Somebody's outbound Resolver endpoints."""
        resolver = self.clouds.aws.route53resolver
        subnets = [{"SubnetId": s["SubnetId"]} for s in self.clouds.aws.subnets(VPC)][:2]
        group = self.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["SecurityGroups"][0]
        made = [
            resolver.create_resolver_endpoint(
                CreatorRequestId=f"other-{i}",
                Name=f"other-{i}",
                Direction="OUTBOUND",
                SecurityGroupIds=[group["GroupId"]],
                IpAddresses=subnets,
            )["ResolverEndpoint"]["Id"]
            for i in range(count)
        ]
        self.later(600)
        yield
        for endpoint in made:
            resolver.delete_resolver_endpoint(ResolverEndpointId=endpoint)
        self.later(600)

    @contextlib.contextmanager
    def route(self, destination: str) -> Iterator[None]:
        """A route to somebody's transit gateway in the table of an EKS subnet."""
        table = next(
            t["RouteTableId"]
            for t in self.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"]
            if any(a.get("SubnetId") for a in t["Associations"])
        )
        transit = self.ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
        self.later(600)
        subnet = self.clouds.aws.subnets(VPC)[0]["SubnetId"]
        attachment = self.ec2.create_transit_gateway_vpc_attachment(
            TransitGatewayId=transit, VpcId=VPC, SubnetIds=[subnet]
        )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
        self.later(600)
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock=destination, TransitGatewayId=transit)
        yield
        self.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=destination)
        self.ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=attachment)
        self.later(600)
        self.ec2.delete_transit_gateway(TransitGatewayId=transit)
        self.later(600)


OVERLAPS: dict[str, tuple[Callable[[TemporaryEdits], Any], str, str]] = {
    "VPC's second range and VNet": (lambda g: g.vpc_range("10.20.128.0/20"), "azure.vnet", "10.20.128.0/20 and VNet"),
    "VPC and peered VNet": (
        lambda g: g.peered("10.10.128.0/20"),
        "azure.vnet",
        "peered VNet (to-other) 10.10.128.0/20",
    ),
    "EKS services and peered VNet": (
        lambda g: g.peered("172.20.16.0/20"),
        "azure.vnet",
        "EKS service CIDR 172.20.0.0/16",
    ),
    "gateway subnet too small": (
        lambda g: g.subnet("GatewaySubnet", "10.20.255.0/28"),
        "azure.vpn_gateway.subnet_prefix",
        "GatewaySubnet 10.20.255.0/28",
    ),
    "gateway subnet with NSG": (lambda g: g.gateway_subnet_with_nsg(), "azure.vnet", "network security group fence"),
    "gateway subnet's range taken": (
        lambda g: g.subnet("machines", "10.20.255.0/25"),
        "azure.vpn_gateway.subnet_prefix",
        "10.20.255.0/27",
    ),
    "VNet has a VPN gateway": (lambda g: g.other_vpn_gateway(), "azure.vnet.name", "which has the VPN gateway corp"),
    "VPC has a gateway": (lambda g: g.attached_gateway(), "aws.gateway", '"create", but vgw-'),
}


MAY_HURT: dict[str, tuple[Callable[[TemporaryEdits], Any], str]] = {
    "pods in a range of the VPC without targets": (
        lambda g: g.vpc_range("10.244.16.0/20"),
        "10.244.16.0/20 and AKS pod CIDR 10.244.0.0/16: pods would look for these addresses inside the cluster",
    ),
    "services in a range of the VPC without targets": (
        lambda g: g.vpc_range("10.0.16.0/20"),
        "10.0.16.0/20 and AKS service CIDR 10.0.0.0/16",
    ),
    "all Resolver endpoints of the region": (
        lambda g: g.endpoints(4),
        "4 of 4 Resolver endpoints in eu-central-1 are there, and the plan makes 1 more",
    ),
    "a route over a part of the VNet": (lambda g: g.route("10.20.128.0/20"), "has a static route to 10.20.128.0/20"),
}


@pytest.mark.parametrize("case", MAY_HURT)
def test_what_may_hurt_is_a_warning_of_the_plan(place: Cli, case: str) -> None:
    disturb, words = MAY_HURT[case]
    before = place.cloudlink("plan", "--json")
    assert not any(words in w for w in before.json["warnings"])
    with disturb(TemporaryEdits(place)):
        planned = place.cloudlink("plan", "--json")
    assert planned.code == before.code, planned.out + planned.err
    assert any(words in w for w in planned.json["warnings"]), planned.json["warnings"]


def test_a_static_route_over_the_whole_vnet_is_an_obstacle(place: Cli) -> None:
    with TemporaryEdits(place).route("10.20.0.0/16"):
        error = refused(place, 3)
    assert error["summary"] == "The plan cannot be carried out"


@pytest.mark.parametrize("case", OVERLAPS)
def test_what_the_clouds_hold_is_compared_with_the_configuration(place: Cli, case: str) -> None:
    disturb, path, found = OVERLAPS[case]
    with disturb(TemporaryEdits(place)):
        at, said, allowed = mistake(place)
    assert at == path
    assert found in said
    assert allowed


def test_everything_wrong_is_told_at_once_and_by_plan_too(place: Cli) -> None:
    edits = TemporaryEdits(place)
    with (
        edits.vpc_range("10.20.128.0/20"),
        edits.attached_gateway(),
        edits.subnet("GatewaySubnet", "10.20.255.0/28"),
    ):
        assert {m["path"] for m in refused(place, 3)["mistakes"]} == {
            "azure.vnet",
            "aws.gateway",
            "azure.vpn_gateway.subnet_prefix",
        }
        planned = place.cloudlink("plan", "--json")
        assert planned.code == 3
        obstacles = [f for f in planned.json["findings"] if f["severity"] == "obstacle"]
        assert len(obstacles) == 3
        assert all(f["hint"] and f["detail"] for f in obstacles)
        assert planned.json["counts"]["create"] > 20, "the plan is printed all the same"
        shown = place.cloudlink("plan")
        assert shown.code == 3
        assert "azure.vpn_gateway.subnet_prefix" in shown.err
        assert "to create" in shown.out


@pytest.mark.parametrize(
    ("asn", "path", "found"),
    [(65_515, "aws.gateway", "65515"), (65_000, "azure.vpn_gateway.asn", "65000")],
)
def test_the_number_of_an_adopted_gateway_must_suit_azure(place: Cli, asn: int, path: str, found: str) -> None:
    edits = TemporaryEdits(place)
    made = edits.ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=asn)["VpnGateway"]["VpnGatewayId"]
    edits.later(60)
    try:
        place.replace('# gateway = "create"', f'gateway = "{made}"')
        at, said, _ = mistake(place)
        assert (at, found in said) == (path, True)
    finally:
        edits.ec2.delete_vpn_gateway(VpnGatewayId=made)
        edits.later(60)


def test_an_inside_range_that_the_adopted_gateway_uses_already(place: Cli) -> None:
    edits = TemporaryEdits(place)
    ec2 = edits.ec2
    made = ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64_700)["VpnGateway"]["VpnGatewayId"]
    customer = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="192.0.2.9", BgpAsn=64_701)["CustomerGateway"]
    edits.later(60)
    options = {"TunnelOptions": [{"TunnelInsideCidr": "169.254.21.4/30"}, {"TunnelInsideCidr": "169.254.99.0/30"}]}
    vpn = ec2.create_vpn_connection(
        Type="ipsec.1", CustomerGatewayId=customer["CustomerGatewayId"], VpnGatewayId=made, Options=options
    )["VpnConnection"]["VpnConnectionId"]
    edits.later(900)
    try:
        place.replace('# gateway = "create"', f'gateway = "{made}"')
        at, said, _ = mistake(place)
        assert (at, said) == ("vpn.inside_pool", "169.254.21.4/30")
    finally:
        ec2.delete_vpn_connection(VpnConnectionId=vpn)
        edits.later(900)
        ec2.delete_vpn_gateway(VpnGatewayId=made)
        ec2.delete_customer_gateway(CustomerGatewayId=customer["CustomerGatewayId"])
        edits.later(60)


@pytest.mark.parametrize(
    ("operation", "cloud"),
    [("aws.DescribeVpnGateways", "AWS"), ("azure.GET:*virtualNetworks*", "Azure"), ("aws.DescribeCluster", "AWS")],
)
def test_no_permission_to_look(place: Cli, operation: str, cloud: str) -> None:
    place.control("POST", "faults", {"kind": "denied", "target": operation, "times": None})
    error = refused(place, 4)
    assert error["summary"]
    assert cloud in json.dumps(error), error


@pytest.mark.parametrize("operation", ["aws.*", "azure.*"])
def test_credentials_that_have_expired(place: Cli, operation: str) -> None:
    place.control("POST", "faults", {"kind": "expired", "target": operation, "times": None})
    error = refused(place, 4)
    said = json.dumps(error)
    assert "The sign-in to AWS has expired" in said or "Azure token has expired" in said
    assert "login" in said


# --- permissions ------------------------------------------------------------------------------------------


def missing(place: Cli, *places: str) -> dict[str, Any]:
    for one in places:
        place.control("POST", "faults", {"kind": "denied", "target": one, "times": None})
    return refused(place, 4)


@pytest.mark.parametrize(
    ("denied", "action"),
    [
        ("aws.CreateVpnGateway", "ec2:CreateVpnGateway"),  # by a dry run
        ("aws.CreateSecurityGroup", "ec2:CreateSecurityGroup"),
        ("aws.AttachVpnGateway", "ec2:AttachVpnGateway"),  # by the simulator, there being no gateway to try it with
        ("aws.CreateHostedZone", "route53:CreateHostedZone"),
        ("aws.CreateResolverEndpoint", "route53resolver:CreateResolverEndpoint"),
        ("azure.PUT:virtualNetworkGateways", "Microsoft.Network/virtualNetworkGateways/write"),
        ("azure.PUT:connections", "Microsoft.Network/connections/write"),
    ],
)
def test_a_permission_that_a_later_write_needs_is_found_before_the_first(place: Cli, denied: str, action: str) -> None:
    error = missing(place, denied)
    assert action in json.dumps(error)
    assert place.cloudlink("plan").code == 4


def test_all_missing_permissions_of_both_clouds_are_told_at_once(place: Cli) -> None:
    error = missing(place, "aws.CreateVpnConnection", "aws.ChangeResourceRecordSets", "azure.PUT:publicIPAddresses")
    for action in (
        "ec2:CreateVpnConnection",
        "route53:ChangeResourceRecordSets",
        "Microsoft.Network/publicIPAddresses/write",
    ):
        assert action in json.dumps(error)


@pytest.mark.parametrize(
    ("denied", "action"),
    [
        ("aws.DescribeVpcs", "ec2:DescribeVpcs"),
        ("aws.DescribeNetworkAcls", "ec2:DescribeNetworkAcls"),
        ("azure.GET:networkSecurityGroups*", "Microsoft.Network/networkSecurityGroups/read"),
    ],
)
def test_a_read_that_only_the_checks_have_come_to_and_that_every_up_needs(place: Cli, denied: str, action: str) -> None:
    error = missing(place, denied)
    assert action in json.dumps(error)
    screen = place.cloudlink("plan")
    assert screen.code == 4
    assert (screen.out + screen.err).count(f"allow {action}") + (screen.out + screen.err).count(f"allows {action}") == 1
    assert "not proved" not in screen.out, "one cause is told once"


def test_reads_that_are_missing_behind_others_are_told_with_them(place: Cli) -> None:
    """The check of the network ACLs reads the VPC first, and Azure's network is read before the gateway."""
    denied = (
        "aws.DescribeVpcs",
        "aws.DescribeNetworkAcls",
        "azure.GET:virtualNetworks*",
        "azure.GET:publicIPAddresses*",
    )
    error = missing(place, *denied)
    for action in (
        "ec2:DescribeVpcs",
        "ec2:DescribeNetworkAcls",
        "Microsoft.Network/virtualNetworks/read",
        "Microsoft.Network/publicIPAddresses/read",
    ):
        assert json.dumps(error).count(f"{action} is") + json.dumps(error).count(f"may not {action}") == 1, action


def test_what_only_a_check_reads_stays_not_proved(place: Cli) -> None:
    place.control("POST", "faults", {"kind": "denied", "target": "aws.ListHostedZonesByVPC", "times": None})
    planned = place.cloudlink("plan", "--json")
    assert planned.code in (0, 2), planned.out + planned.err
    (unread,) = [f for f in planned.json["findings"] if "route53:ListHostedZonesByVPC" in f["detail"]]
    assert unread["severity"] == "not proved"


def test_where_iam_may_not_be_asked_the_plan_says_what_is_not_proved(place: Cli) -> None:
    place.control("POST", "faults", {"kind": "denied", "target": "aws.SimulatePrincipalPolicy", "times": None})
    planned = place.cloudlink("plan", "--json")
    assert "ec2:AttachVpnGateway" in json.dumps(planned.json["findings"])
    assert "ec2:CreateVpnGateway" not in json.dumps(planned.json["findings"]), "the dry run proved it"
