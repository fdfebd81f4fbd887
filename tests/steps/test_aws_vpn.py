"""AWS's half of the tunnels, against the sandbox's AWS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.aws.parse_vpc import route_tables
from cloudlink.core.plan import diff
from cloudlink.core.resource import Observed, Outputs, Ownership, Phase
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link
from cloudlink.steps.aws_vpn.gateway import gateway_of_vpc
from cloudlink.steps.aws_vpn.routes import propagating, table_of
from cloudlink.steps.aws_vpn.step import AwsVpn
from tests.support.aws_sandbox import (
    PUBLIC_IPS,
    VPC,
    AwsSandbox,
    Server,
    aws_link,
    from_azure,
    listening,
    make_aws_sandbox,
)
from tests.support.contract import NO_RECEIPTS, bring_up, check_contract, receipt_of, settle, settle_gone, take_down
from tests.support.links import INSIDE_RANGES

MakeSandbox = Callable[..., AwsSandbox]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def sandbox_of(server: tuple[Server, str], tmp_path: Path) -> MakeSandbox:
    return lambda link=None: make_aws_sandbox(link or aws_link(), tmp_path, *server)


@pytest.fixture
def sandbox(sandbox_of: MakeSandbox) -> AwsSandbox:
    return sandbox_of()


def step_of(sandbox: AwsSandbox, link: Link | None = None) -> AwsVpn:
    return AwsVpn(link or sandbox.link, sandbox.aws, PUBLIC_IPS)


def built(sandbox: AwsSandbox, step: AwsVpn, *nodes: Any) -> Outputs:
    """These resources brought up in order, and what they give."""
    outputs = from_azure()
    for node in nodes:
        if hasattr(node, "read"):
            outputs = sandbox.read(outputs, node)
        else:
            outputs = outputs.with_(node, bring_up(node, outputs, sandbox.wait).outputs)
    return outputs


def everything(sandbox: AwsSandbox, step: AwsVpn) -> Outputs:
    return built(sandbox, step, *step.nodes())


# --- the cluster --------------------------------------------------------------------------------------------


def test_cluster_gives_its_network(sandbox: AwsSandbox) -> None:
    cluster = step_of(sandbox).cluster.read(Outputs())
    assert cluster.vpc_id == VPC
    assert len(cluster.subnets) == 3
    assert cluster.service_cidr == IPv4Network("172.20.0.0/16")


def test_cluster_that_is_not_there(sandbox: AwsSandbox) -> None:
    link = aws_link(aws={"eks_cluster": "nope"})
    with pytest.raises(MissingError, match="nope"):
        step_of(sandbox, link).cluster.read(Outputs())


def test_cluster_in_another_vpc(sandbox: AwsSandbox) -> None:
    link = aws_link(aws={"vpc_id": "vpc-00000000000000000"})
    with pytest.raises(CloudError, match="another VPC"):
        step_of(sandbox, link).cluster.read(Outputs())


# --- the contract -------------------------------------------------------------------------------------------


def test_gateway_contract(sandbox: AwsSandbox) -> None:
    def twin(found: Observed[Any, Any]) -> Callable[[], object]:
        tags = [{"ResourceType": "vpn-gateway", "Tags": tags_of(sandbox, found.id)}]
        made = sandbox.hand.create_vpn_gateway(Type="ipsec.1", TagSpecifications=tags)["VpnGateway"]["VpnGatewayId"]
        return lambda: sandbox.hand.delete_vpn_gateway(VpnGatewayId=made)

    check_contract(
        step_of(sandbox).gateway,  # type: ignore[arg-type]
        Outputs(),
        wait=sandbox.wait,
        make_twin=twin,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


def tags_of(sandbox: AwsSandbox, number: str) -> list[dict[str, str]]:
    found = sandbox.hand.describe_tags(Filters=[{"Name": "resource-id", "Values": [number]}])["Tags"]
    return [{"Key": t["Key"], "Value": t["Value"]} for t in found]


def test_attachment_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway)
    check_contract(
        step.attachment, outputs, wait=sandbox.wait, foreign_objects=sandbox.foreign_objects, writes=sandbox.writes
    )


def test_customer_gateway_contract(sandbox: AwsSandbox) -> None:
    def twin(found: Observed[Any, Any]) -> Callable[[], object]:
        made = sandbox.hand.create_customer_gateway(
            Type="ipsec.1",
            IpAddress="20.0.0.9",
            BgpAsn=65_000,
            TagSpecifications=[{"ResourceType": "customer-gateway", "Tags": tags_of(sandbox, found.id)}],
        )["CustomerGateway"]["CustomerGatewayId"]
        return lambda: sandbox.hand.delete_customer_gateway(CustomerGatewayId=made)

    check_contract(
        step_of(sandbox).customer_gateways[1],
        from_azure(),
        wait=sandbox.wait,
        make_twin=twin,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


@pytest.mark.parametrize("storage", ["standard", "secrets-manager"])
def test_connection_contract(sandbox_of: MakeSandbox, storage: str) -> None:
    sandbox = sandbox_of(aws_link(aws={"psk_storage": storage}))
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0])

    def drift(found: Observed[Any, Any]) -> None:
        for end, change in zip(
            found.outputs.tunnels,
            ({"Phase2LifetimeSeconds": 1800}, {"DPDTimeoutAction": "clear", "StartupAction": "add"}),
            strict=True,
        ):
            sandbox.hand.modify_vpn_tunnel_options(
                VpnConnectionId=found.id, VpnTunnelOutsideIpAddress=str(end.outside_ip), TunnelOptions=change
            )
            sandbox.wait(200)

    found = check_contract(
        step.connections[0],  # type: ignore[arg-type]
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )
    assert {end.inside for end in found.outputs.tunnels} == {
        IPv4Network(INSIDE_RANGES[0]),
        IPv4Network(INSIDE_RANGES[1]),
    }


def test_propagation_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.cluster, step.gateway, step.attachment, step.route_tables)

    def drift(found: Observed[Any, Any]) -> None:
        table = sorted(found.spec.tables)[0]
        sandbox.hand.disable_vgw_route_propagation(GatewayId=found.spec.gateway, RouteTableId=table)

    check_contract(step.routes, outputs, wait=sandbox.wait, make_drift=drift, writes=sandbox.writes)


# --- pre-shared keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["standard", "secrets-manager"])
def test_each_tunnel_gives_back_its_own_key(sandbox_of: MakeSandbox, storage: str) -> None:
    sandbox = sandbox_of(aws_link(aws={"psk_storage": storage}))
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    out = outputs[step.connections[0]]
    real = {t.inside: t.psk for t in sandbox.cloud.facts().tunnels}
    assert {end.inside: end.psk.reveal() for end in out.tunnels} == real
    assert len(set(real.values())) == 2
    assert all(len(key) == 48 for key in real.values()), "they are ours, not those that AWS would make"


def test_no_raw_answer_with_a_key_lives_on(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    keys = [end.psk.reveal() for end in outputs[step.connections[0]].tunnels]
    kept = repr(sandbox.aws.vpn_connections()) + repr(outputs[step.connections[0]])
    assert not any(key in kept for key in keys)
    assert "CustomerGatewayConfiguration" not in kept


def test_a_garbled_answer_does_not_show_the_key(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step, step.gateway, step.customer_gateways[0])
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0])
    sandbox.fault("garbage", "aws.CreateVpnConnection")
    connection: Any = step.connections[0]
    with pytest.raises(Exception) as caught:
        connection.create(connection.spec(outputs))
    ours = sandbox.aws.translate(caught.value)
    assert ours is not None
    key = next(t.psk for t in sandbox.cloud.facts().tunnels)
    assert key not in f"{ours} {ours.detail} {ours.hint}"


# --- one call, one object -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cut-after", "garbage"])
def test_a_lost_answer_makes_one_gateway(sandbox: AwsSandbox, kind: str) -> None:
    gateway: Any = step_of(sandbox).gateway
    sandbox.fault(kind, "aws.CreateVpnGateway")
    with pytest.raises(Exception) as caught:
        gateway.create(gateway.spec(Outputs()))
    assert sandbox.aws.unknown_outcome(caught.value)
    assert sandbox.calls("CreateVpnGateway") == 1
    assert settle(gateway, sandbox.wait).phase is Phase.READY


def test_looking_costs_one_call_for_each_kind(sandbox: AwsSandbox) -> None:
    everything(sandbox, step_of(sandbox))
    sandbox.aws = sandbox.again()
    sandbox.context.journal.clear()
    step = step_of(sandbox)
    outputs = from_azure()
    for node in step.nodes():
        if hasattr(node, "read"):
            outputs = sandbox.read(outputs, node)
        else:
            found: Any = node.find(NO_RECEIPTS)  # type: ignore[attr-defined]
            assert diff(found.spec, node.spec(outputs.with_(node, found.outputs))) == ()  # type: ignore[attr-defined]
            outputs = outputs.with_(node, found.outputs)
    assert sandbox.writes() == 0
    assert sorted(c.operation for c in sandbox.context.journal.calls()) == [
        "DescribeCluster",
        "DescribeCustomerGateways",
        "DescribeLoadBalancers",
        "DescribeRouteTables",
        "DescribeSubnets",  # those of fixed addresses, and of what a Service or Ingress gets
        "DescribeVpnConnections",
        "DescribeVpnGateways",
    ]


# --- the gateway --------------------------------------------------------------------------------------------


def test_a_vpc_with_another_gateway_is_a_conflict_before_anything_is_made(sandbox: AwsSandbox) -> None:
    other = sandbox.hand.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=64_999)["VpnGateway"]["VpnGatewayId"]
    sandbox.hand.attach_vpn_gateway(VpnGatewayId=other, VpcId=VPC)
    sandbox.wait(60)
    gateway: Any = step_of(sandbox).gateway
    calls = sandbox.calls("CreateVpnGateway")
    with pytest.raises(ConflictError) as caught:
        gateway.create(gateway.spec(Outputs()))
    assert other in caught.value.hint
    assert "64999" in caught.value.hint
    assert sandbox.calls("CreateVpnGateway") == calls
    held = gateway_of_vpc(sandbox.aws, VPC)
    assert held is not None
    assert held.id == other


def test_another_asn_needs_another_gateway(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step, step.gateway)
    other: Any = step_of(sandbox, aws_link(aws={"asn": 64_600})).gateway
    found = other.find(NO_RECEIPTS)
    assert {c.field for c in diff(found.spec, other.spec(Outputs()))} == {"asn"} <= other.immutable


def test_deleted_objects_are_absent_and_deleting_ones_are_said(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    connection: Any = step.connections[0]
    found = connection.find(NO_RECEIPTS)
    connection.delete(found, None)
    assert connection.find(NO_RECEIPTS, fresh=True).phase is Phase.DELETING
    settle_gone(connection, sandbox.wait)
    assert any(c["State"] == "deleted" for c in sandbox.aws.vpn_connections()), "AWS lists it still"


def test_gateway_in_use_is_refused_for_a_while(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step, step.gateway, step.attachment)
    gateway: Any = step.gateway
    with pytest.raises(Exception) as caught:
        gateway.delete(gateway.find(NO_RECEIPTS), None)
    assert sandbox.aws.retryable(caught.value)


# --- an adopted gateway -------------------------------------------------------------------------------------


ADOPTED = "vgw-0aaaabbbbccccdddd"


def test_adopted_gateway_is_used_and_kept(sandbox_of: MakeSandbox) -> None:
    hosts = (Host("db", AddressTarget((IPv4Address("10.20.0.9"),))),)  # nothing that uses the main table
    sandbox = sandbox_of(aws_link(aws={"gateway": ADOPTED, "asn": 64_700}, dns={"hosts": hosts}))
    main = main_table(sandbox)
    sandbox.hand.enable_vgw_route_propagation(GatewayId=ADOPTED, RouteTableId=main)
    step = step_of(sandbox)
    outputs = sandbox.read(from_azure(), step.cluster, step.gateway)
    assert (outputs[step.gateway].id, outputs[step.gateway].asn) == (ADOPTED, 64_700)

    attachment = step.attachment.find(NO_RECEIPTS)
    assert attachment is not None
    assert (attachment.owned, attachment.spec) == (Ownership.ADOPTED, step.attachment.spec(outputs))

    outputs = sandbox.read(outputs.with_(step.attachment, attachment.outputs), step.route_tables)
    propagation = step.routes
    found = propagation.find(NO_RECEIPTS)
    assert found is not None
    assert found.owned is Ownership.SHARED
    before = propagation.prior_state(found)
    assert before == [main]
    found = bring_up(propagation, outputs, sandbox.wait)
    assert found.spec is not None
    assert main in found.spec.tables, "what others switched on stays on"
    assert len(found.spec.tables) == 3
    propagation.delete(found, before)
    sandbox.wait(3)
    left = propagation.find(receipt_of(propagation, found, before), fresh=True)
    assert left is not None
    assert left.spec is not None
    assert left.spec.tables == {main}
    assert propagation.delete(left, before) is None


def main_table(sandbox: AwsSandbox) -> str:
    tables = sandbox.hand.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"]
    return next(t["RouteTableId"] for t in tables if any(a.get("Main") for a in t["Associations"]))


def test_adopted_gateway_that_is_missing_or_elsewhere(sandbox: AwsSandbox) -> None:
    missing: Any = step_of(sandbox, aws_link(aws={"gateway": "vgw-0123456789abcdef0"})).gateway
    with pytest.raises(MissingError, match="vgw-0123456789abcdef0"):
        missing.read(Outputs())
    foreign_objects = next(g for g in sandbox.aws.vpn_gateways() if g["AmazonSideAsn"] == 65_010)["VpnGatewayId"]
    elsewhere: Any = step_of(sandbox, aws_link(aws={"gateway": foreign_objects})).gateway
    with pytest.raises(ConflictError, match="another VPC"):
        elsewhere.read(Outputs())


# --- customer gateways --------------------------------------------------------------------------------------


def test_a_foreign_customer_gateway_of_the_same_address_is_not_taken(sandbox: AwsSandbox) -> None:
    other = sandbox.hand.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.1", BgpAsn=65_000)
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.customer_gateways[0])
    assert outputs[step.customer_gateways[0]].id != other["CustomerGateway"]["CustomerGatewayId"]


def test_wide_asn(sandbox: AwsSandbox) -> None:
    link = sandbox.link
    link = dataclasses.replace(link, azure=dataclasses.replace(link.azure, asn=4_200_000_100))
    asked: list[Any] = []
    sandbox.aws.ec2.meta.events.register(
        "provide-client-params.ec2.CreateCustomerGateway", lambda params, **_: asked.append(dict(params))
    )
    check_contract(step_of(sandbox, link).customer_gateways[0], from_azure(), wait=sandbox.wait)
    assert "BgpAsn" not in asked[0], "it is signed and ends at 2147483647"


# --- route tables -------------------------------------------------------------------------------------------


def test_tables_of_the_cluster_and_of_the_load_balancers(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = sandbox.read(Outputs(), step.cluster)
    tables = route_tables(sandbox.aws.route_tables(VPC))
    wanted = {table_of(subnet, tables) for subnet in outputs[step.cluster].subnets}
    assert len(wanted) == 2
    # The load balancers' subnets have no table of their own: they use the main one.
    assert step.route_tables.read(outputs).ids == wanted | {main_table(sandbox)}


def test_a_table_of_databases_and_one_of_subnets_for_load_balancers(sandbox_of: MakeSandbox) -> None:
    """A fixed address, and a Service of EKS: their subnets have tables of their own, into which the routes to Azure must go."""
    hosts = (
        Host("db", AddressTarget((IPv4Address("10.20.40.9"),))),
        Host("web", KubernetesTarget("service", "web", "a")),
    )
    sandbox = sandbox_of(aws_link(dns={"hosts": hosts}))
    step, hand = step_of(sandbox), sandbox.hand
    before = step.route_tables.read(sandbox.read(Outputs(), step.cluster)).ids
    made = {}
    for number, tags in (
        (40, {}),
        (41, {"kubernetes.io/role/internal-elb": "1"}),
        (42, {"kubernetes.io/role/internal-elb": "1", "kubernetes.io/cluster/another": "shared"}),
        (43, {}),
    ):
        subnet = hand.create_subnet(VpcId=VPC, CidrBlock=f"10.20.{number}.0/24")["Subnet"]["SubnetId"]
        if tags:
            hand.create_tags(Resources=[subnet], Tags=[{"Key": k, "Value": v} for k, v in tags.items()])
        table = hand.create_route_table(VpcId=VPC)["RouteTable"]["RouteTableId"]
        hand.associate_route_table(RouteTableId=table, SubnetId=subnet)
        made[number] = table
    again = AwsVpn(sandbox.link, sandbox.again(), PUBLIC_IPS)
    found = again.route_tables.read(sandbox.read(Outputs(), again.cluster))
    assert found.ids == before | {made[40], made[41]} == found.needed
    outputs = built(sandbox, again, again.cluster, again.gateway, again.attachment, again.route_tables, again.routes)
    told = route_tables(sandbox.aws.route_tables(VPC, fresh=True))
    assert {made[40], made[41]} <= propagating(told, outputs[again.gateway].id)


def test_exactly_the_listed_tables(sandbox: AwsSandbox) -> None:
    main = main_table(sandbox)
    step = step_of(sandbox, aws_link(aws={"route_tables": (main,)}))
    outputs = built(sandbox, step, step.cluster, step.gateway, step.attachment, step.route_tables, step.routes)
    assert propagating(route_tables(sandbox.aws.route_tables(VPC, fresh=True)), outputs[step.gateway].id) == {main}


def test_a_listed_table_that_is_not_there(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox, aws_link(aws={"route_tables": ("rtb-00000000000000000",)}))
    with pytest.raises(MissingError, match="rtb-00000000000000000"):
        step.route_tables.read(Outputs())


def test_propagation_too_early_is_worth_another_try(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.cluster, step.gateway, step.route_tables)
    with pytest.raises(Exception) as caught:
        step.routes.create(step.routes.spec(outputs))
    assert sandbox.aws.retryable(caught.value)
    assert sandbox.aws.translate(caught.value) is not None


# --- connections --------------------------------------------------------------------------------------------


def test_only_the_differing_tunnel_is_changed(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    connection: Any = step.connections[0]
    first, second = outputs[connection].tunnels
    sandbox.hand.modify_vpn_tunnel_options(
        VpnConnectionId=outputs[connection].id,
        VpnTunnelOutsideIpAddress=str(second.outside_ip),
        TunnelOptions={"Phase1DHGroupNumbers": [{"Value": 14}]},
    )
    sandbox.wait(200)
    found = settle(connection, sandbox.wait)
    calls = sandbox.calls("ModifyVpnTunnelOptions")
    bring_up(connection, outputs, sandbox.wait)
    assert sandbox.calls("ModifyVpnTunnelOptions") == calls + 1
    psks = {t.inside: t.psk for t in sandbox.cloud.facts().tunnels}
    assert psks == {first.inside: first.psk.reveal(), second.inside: second.psk.reveal()}, "keys stay as they are"
    assert found.id == outputs[connection].id


def test_narrowed_ranges_are_seen_and_widened(sandbox: AwsSandbox) -> None:
    """Somebody typed both sides' ranges into the console: what is added to either later would be dropped."""
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    connection: Any = step.connections[0]
    sandbox.hand.modify_vpn_connection_options(
        VpnConnectionId=outputs[connection].id, LocalIpv4NetworkCidr="10.1.0.0/16", RemoteIpv4NetworkCidr="10.20.0.0/16"
    )
    sandbox.wait(200)
    found = settle(connection, sandbox.wait)
    changes = {c.field: (c.old, c.new) for c in diff(found.spec, connection.spec(outputs))}
    assert changes == {"azure_range": ("10.1.0.0/16", "0.0.0.0/0"), "aws_range": ("10.20.0.0/16", "0.0.0.0/0")}
    assert set(changes) <= set(connection.why_it_matters)
    assert not set(changes) & connection.immutable
    bring_up(connection, outputs, sandbox.wait)
    assert settle(connection, sandbox.wait).spec == connection.spec(outputs)


HAND_EDITS: dict[str, dict[str, Any]] = {
    "startup and DPD action": {"StartupAction": "add", "DPDTimeoutAction": "clear"},
    "DPD timeout": {"DPDTimeoutSeconds": 30},
    "lifetimes": {"Phase1LifetimeSeconds": 3_600, "Phase2LifetimeSeconds": 1_800},
    "PFS group": {"Phase2DHGroupNumbers": [{"Value": 14}]},
    "replay window": {"ReplayWindowSize": 64},
    "rekeying": {"RekeyMarginTimeSeconds": 600, "RekeyFuzzPercentage": 0},
    "lifecycle control": {"EnableTunnelLifecycleControl": True},
}


@pytest.mark.parametrize("edit", HAND_EDITS)
def test_each_option_that_was_changed_by_hand_is_named_and_put_back(sandbox: AwsSandbox, edit: str) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    connection: Any = step.connections[0]
    first, _ = outputs[connection].tunnels
    sandbox.hand.modify_vpn_tunnel_options(
        VpnConnectionId=outputs[connection].id,
        VpnTunnelOutsideIpAddress=str(first.outside_ip),
        TunnelOptions=HAND_EDITS[edit],
    )
    sandbox.wait(200)
    (change,) = diff(settle(connection, sandbox.wait).spec, connection.spec(outputs))
    assert change.field == "policies"
    assert "ike_encryption" not in change.old, "what is alike is not shown"
    bring_up(connection, outputs, sandbox.wait)
    assert settle(connection, sandbox.wait).spec == connection.spec(outputs)


def test_another_policy_is_an_update_and_other_ranges_a_replacement(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step, step.gateway, step.customer_gateways[0], step.connections[0])
    other: Any = step_of(sandbox, aws_link(policy=IpsecPolicy(pfs_group=14))).connections[0]
    found = other.find(NO_RECEIPTS)
    assert {c.field for c in diff(found.spec, other.spec(outputs))} == {"policies"}
    assert "policies" not in other.immutable
    tunnels = tuple(
        dataclasses.replace(t, inside=IPv4Network((int(t.inside.network_address) + 64, 30)))
        for t in sandbox.link.tunnels
    )
    moved: Any = step_of(sandbox, aws_link(tunnels=tunnels)).connections[0]
    assert {c.field for c in diff(found.spec, moved.spec(outputs))} == {"insides"} <= moved.immutable


def test_whole_step_up_and_down(sandbox: AwsSandbox) -> None:
    before = sandbox.foreign_objects()
    step = step_of(sandbox)
    everything(sandbox, step)
    facts = sandbox.cloud.facts()
    assert sorted(str(t.inside) for t in facts.tunnels) == sorted(INSIDE_RANGES)
    assert {(str(t.customer_ip), t.inside) for t in facts.tunnels} == {
        (f"20.0.0.{t.vpn + 1}", t.inside) for t in sandbox.link.tunnels
    }
    order = (*step.connections, step.routes, step.attachment, *step.customer_gateways, step.gateway)
    for resource in order:
        found = resource.find(NO_RECEIPTS, fresh=True)  # type: ignore[attr-defined]
        take_down(resource, found, sandbox.wait)  # type: ignore[arg-type]
    assert sandbox.foreign_objects() == before
