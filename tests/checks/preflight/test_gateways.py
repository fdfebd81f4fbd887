"""Gateways of AWS that are in the way of ours, and whether the one to adopt fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.preflight.gateways import GatewayFacts, check
from cloudlink.clouds.aws.parse_connections import VpnConnection
from cloudlink.clouds.aws.parse_gateways import Attachment, VpnGateway
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from tests.support.pinned import pinned

from .samples import VPC, first_plan, link, told

OBSTACLE = Severity.OBSTACLE


def findings(facts: GatewayFacts, of: Link | None = None) -> list[Finding]:
    found = pinned(check(facts, of or link(), first_plan()))
    told(found)
    return found


def gateway(id_: str, state: str, vpc: str = VPC, asn: int = 64_900) -> VpnGateway:
    return VpnGateway(id_, asn, (Attachment(vpc, state),))


@pytest.mark.parametrize("state", ["attached", "attaching"])
def test_a_second_gateway_that_is_attached_or_attaching(state: str) -> None:
    (finding,) = findings(GatewayFacts(gateways=(gateway("vgw-1", state),)))
    assert finding.key == "aws.gateway"
    assert f"vgw-1 (ASN 64900) is {state} to {VPC}" in finding.detail
    assert 'aws.gateway = "vgw-1"' in finding.hint


def test_a_second_gateway_with_our_tags_is_not_offered_for_adoption() -> None:
    """Two machines have made one each: which of them goes is told once, and it is not by adopting one."""
    assert findings(GatewayFacts(gateways=(replace(gateway("vgw-1", "attached"), link="demo"),))) == []
    assert findings(GatewayFacts(gateways=(replace(gateway("vgw-1", "attached"), link="other"),)))


@pytest.mark.parametrize("own", ["create", "vgw-2"])
def test_a_gateway_that_is_being_taken_off_is_waited_for(own: str) -> None:
    """AWS refuses another one until it is off, with the words for one that stays; adopting it would have been the wrong advice."""
    facts = GatewayFacts(gateways=(gateway("vgw-1", "detaching"), gateway("vgw-2", "detached")))
    (finding,) = findings(facts, link(aws={"gateway": own}))
    assert finding.summary == "Another gateway is being taken off the VPC"
    assert f"vgw-1 is detaching from {VPC}" in finding.detail and "--vpn-gateway-ids vgw-1" in finding.hint
    if own != "create":
        mine = GatewayFacts(gateways=(gateway("vgw-2", "detaching"),))
        assert findings(mine, link(aws={"gateway": own})) == []


@pytest.mark.parametrize(("state", "vpc"), [("detached", VPC), ("detaching", "vpc-2"), ("attached", "vpc-2")])
def test_a_gateway_that_leaves_or_is_elsewhere_is_no_matter(state: str, vpc: str) -> None:
    assert findings(GatewayFacts(gateways=(gateway("vgw-1", state, vpc),))) == []


@pytest.mark.parametrize(
    ("gateways", "words"),
    [
        ((), "There is no vgw-1"),
        ((gateway("vgw-1", "attached", "vpc-2"),), "is attached to vpc-2"),
        ((gateway("vgw-1", "detached"), gateway("vgw-2", "attaching")), "vgw-2 (ASN 64900) is attaching"),
        ((gateway("vgw-1", "attached", asn=65_515),), "ASN 65515"),
        ((gateway("vgw-1", "attached", asn=65_000),), "ASN 65000 too"),
    ],
)
def test_an_adopted_gateway_that_does_not_fit(gateways: tuple[VpnGateway, ...], words: str) -> None:
    (finding,) = findings(GatewayFacts(gateways=gateways), link(aws={"gateway": "vgw-1"}))
    assert finding.severity is OBSTACLE
    assert words in finding.detail


def test_inside_ranges_of_others_on_an_adopted_gateway() -> None:
    connections = (
        VpnConnection("vpn-1", "vgw-1", ("169.254.22.0/30",), ""),
        VpnConnection("vpn-2", "vgw-1", ("169.254.21.0/30",), "demo"),
        VpnConnection("vpn-3", "vgw-2", ("169.254.21.4/30",), ""),
    )
    facts = GatewayFacts(gateways=(gateway("vgw-1", "attached"),), connections=connections)
    (finding,) = findings(facts, link(aws={"gateway": "vgw-1"}))
    assert (finding.key, finding.detail) == ("vpn.inside_pool", "Another VPN connection of vgw-1 uses 169.254.22.0/30.")


def test_where_no_virtual_private_gateway_is_planned_others_are_no_matter() -> None:
    assert list(check(GatewayFacts(gateways=(gateway("vgw-1", "attached"),)), link(), Plan(()))) == []
