"""What cloudlink makes on a transit gateway, one by one, against the sandbox's AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloudlink.core.resource import Outputs, Ownership, Phase, Receipt, Receipts
from cloudlink.steps.aws_vpn.step import AwsVpn
from tests.support.aws_sandbox import (
    NETWORK,
    PUBLIC_IPS,
    VPC,
    AwsSandbox,
    Server,
    aws_link,
    from_azure,
    listening,
    make_aws_sandbox,
)
from tests.support.contract import NO_RECEIPTS, bring_up, check_contract

GATEWAY = "tgw-0aaaabbbbccccdddd"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def ground(server: tuple[Server, str], tmp_path: Path) -> Callable[..., AwsSandbox]:
    return lambda gateway, **aws: make_aws_sandbox(aws_link(aws={"gateway": gateway, **aws}), tmp_path, *server)


def step_of(sandbox: AwsSandbox) -> AwsVpn:
    return AwsVpn(sandbox.link, sandbox.aws, PUBLIC_IPS, NETWORK)


def built(sandbox: AwsSandbox, *nodes: Any) -> Outputs:
    """These brought up in order, and what they give."""
    outputs = from_azure()
    for node in nodes:
        found = (
            sandbox.read(outputs, node)[node]
            if hasattr(node, "read")
            else bring_up(node, outputs, sandbox.wait).outputs
        )
        outputs = outputs.with_(node, found)
    return outputs


def by_hand(sandbox: AwsSandbox) -> str:
    """An attachment of the VPC that somebody else makes."""
    subnets = sandbox.hand.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["Subnets"]
    made = sandbox.hand.create_transit_gateway_vpc_attachment(
        TransitGatewayId=GATEWAY, VpcId=VPC, SubnetIds=[subnets[0]["SubnetId"]]
    )["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"]
    sandbox.wait(600)
    return str(made)


def test_gateway_contract(ground: Callable[..., AwsSandbox]) -> None:
    sandbox = ground("create-transit")

    def drift(found: Any) -> None:
        sandbox.hand.modify_transit_gateway(TransitGatewayId=found.id, Options={"VpnEcmpSupport": "disable"})
        sandbox.wait(100)

    step: Any = step_of(sandbox)
    check_contract(
        step.gateway,
        Outputs(),
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


def test_attachment_contract(ground: Callable[..., AwsSandbox]) -> None:
    sandbox = ground(GATEWAY)
    step: Any = step_of(sandbox)
    outputs = built(sandbox, step.cluster, step.gateway, *step.before_attachment)

    def drift(found: Any) -> None:
        one = sorted(found.spec.subnets)[0]
        sandbox.hand.modify_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=found.id, RemoveSubnetIds=[one])
        sandbox.wait(100)

    check_contract(
        step.attachment,
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


@pytest.mark.parametrize("bandwidth", ["standard", "large"])
def test_bandwidth_of_the_tunnels(ground: Callable[..., AwsSandbox], bandwidth: str) -> None:
    sandbox = ground(GATEWAY, bandwidth=bandwidth)
    step: Any = step_of(sandbox)
    outputs = built(sandbox, step.gateway, step.customer_gateways[0])

    def drift(found: Any) -> None:
        other = "large" if bandwidth == "standard" else "standard"
        sandbox.hand.modify_vpn_connection_options(VpnConnectionId=found.id, TunnelBandwidth=other)
        sandbox.wait(300)

    found = check_contract(
        step.connections[0],
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )
    assert found.spec.bandwidth == bandwidth


def test_large_tunnels_end_on_no_virtual_private_gateway(ground: Callable[..., AwsSandbox]) -> None:
    hand = ground(GATEWAY).hand
    theirs = hand.create_customer_gateway(Type="ipsec.1", PublicIp="198.51.100.77", BgpAsn=65_000)["CustomerGateway"]
    gateway = hand.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    wanted = {"Type": "ipsec.1", "CustomerGatewayId": theirs["CustomerGatewayId"]}
    with pytest.raises(ClientError, match="transit gateway or Cloud WAN"):
        hand.create_vpn_connection(**wanted, VpnGatewayId=gateway, Options={"TunnelBandwidth": "large"})
    with pytest.raises(ClientError, match="tunnelBandwidth is invalid"):
        hand.create_vpn_connection(**wanted, TransitGatewayId=GATEWAY, Options={"TunnelBandwidth": "huge"})


def test_an_attachment_of_others_stays_theirs_whatever_a_receipt_says(ground: Callable[..., AwsSandbox]) -> None:
    sandbox = ground(GATEWAY)
    theirs = by_hand(sandbox)
    step: Any = step_of(sandbox)
    receipt = Receipt(step.attachment.address, theirs, Phase.READY.value, "", Ownership.ADOPTED, 0.0)
    for receipts in (NO_RECEIPTS, Receipts({receipt.address: receipt})):
        found = step.attachment.find(receipts)
        assert (found.id, found.owned, found.incomplete) == (theirs, Ownership.ADOPTED, False)


def test_routes_that_others_have_to_azure_are_recorded_and_stay(ground: Callable[..., AwsSandbox]) -> None:
    sandbox = ground(GATEWAY)
    by_hand(sandbox)
    step: Any = step_of(sandbox)
    outputs = built(sandbox, step.cluster, step.gateway, *step.before_attachment, step.attachment, step.route_tables)
    table = sorted(outputs[step.route_tables].ids)[0]
    for range_ in ("10.1.0.0/16", "10.99.0.0/16"):
        sandbox.hand.create_route(RouteTableId=table, DestinationCidrBlock=range_, TransitGatewayId=GATEWAY)
    sandbox.aws = sandbox.again()
    step = step_of(sandbox)
    outputs = built(sandbox, step.cluster, step.gateway, *step.before_attachment, step.attachment, step.route_tables)
    routes = step.routes
    spec = routes.spec(outputs)
    assert len(spec.routes) == 2 * len(outputs[step.route_tables].ids)
    object.__setattr__(routes, "network", _Known())
    found = routes.find(NO_RECEIPTS)
    assert found.owned is Ownership.SHARED
    assert routes.prior_state(found) == [f"{table} 10.1.0.0/16"]
    routes.update(found, spec)
    assert routes.find(NO_RECEIPTS, fresh=True).spec == spec
    routes.delete(routes.find(NO_RECEIPTS, fresh=True), [f"{table} 10.1.0.0/16"])
    left = sandbox.hand.describe_route_tables()["RouteTables"]
    assert sorted(
        (t["RouteTableId"], r["DestinationCidrBlock"]) for t in left for r in t["Routes"] if r.get("TransitGatewayId")
    ) == [(table, "10.1.0.0/16"), (table, "10.99.0.0/16")]


class _Known:
    """In the place of the VNet's node: it is not asked for in this half of the clouds."""

    def find(self, receipts: Receipts) -> Any:
        del receipts
        return type("Found", (), {"outputs": from_azure()[NETWORK]})
