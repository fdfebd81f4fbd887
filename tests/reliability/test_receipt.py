"""The proof that a teardown's receipt is the difference, on a transit gateway: what goes, what goes along, and routes of a table."""

from __future__ import annotations

from typing import Any

import pytest
from reliability.ownership import by_id, receipt

TGW = "tgw-1"


def vpn(number: int) -> dict[str, Any]:
    return {"VpnConnectionId": f"vpn-{number}", "TransitGatewayId": TGW, "CustomerGatewayId": f"cgw-{number}"}


def attachment(number: int, kind: str) -> dict[str, Any]:
    return {"TransitGatewayAttachmentId": f"tgw-attach-{number}", "TransitGatewayId": TGW, "ResourceType": kind}


def table(*ranges: str) -> dict[str, Any]:
    routes = [{"DestinationCidrBlock": r, "TransitGatewayId": TGW} for r in ranges]
    return {"RouteTableId": "rtb-1", "PropagatingVgws": [], "Routes": routes}


STANDING = by_id(
    {
        "aws vpn connection": [vpn(1), vpn(2)],
        "aws transit gateway attachment": [attachment(1, "vpn"), attachment(2, "vpc")],
        "aws route table": [table("10.20.0.0/16")],
    }
)
AFTER = by_id({"aws route table": [table()]})
ROWS = [
    {"address": "aws_vpn.connection[0]", "detail": "vpn-1"},
    {"address": "aws_vpn.connection[1]", "detail": "vpn-2"},
    {"address": "aws_vpn.attachment", "detail": "tgw-attach-2"},
    {"address": "aws_vpn.static_routes", "detail": "rtb-1"},
]


def test_two_connections_of_one_gateway_are_two_objects() -> None:
    assert {id_ for kind, id_ in STANDING if kind == "aws vpn connection"} == {"vpn-1", "vpn-2"}


def test_a_receipt_that_is_the_difference() -> None:
    """The attachment of a VPN connection goes along with it."""
    assert receipt(STANDING, AFTER, {"deleted": ROWS[:3], "restored": ROWS[3:]}) == ""


@pytest.mark.parametrize("left_out", range(4))
def test_a_receipt_that_leaves_something_out(left_out: int) -> None:
    rows = [row for number, row in enumerate(ROWS) if number != left_out]
    wrong = receipt(STANDING, AFTER, {"deleted": rows, "restored": []})
    assert ("aws route table was changed" if left_out == 3 else "went and is not named") in wrong


def test_a_receipt_that_names_what_stays() -> None:
    more = {"address": "aws_vpn.gateway", "detail": "vgw-9"}
    assert "neither gone nor changed" in receipt(STANDING, AFTER, {"deleted": [*ROWS, more], "restored": []})
