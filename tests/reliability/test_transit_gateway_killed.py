"""Through somebody's transit gateway: ``up`` and ``teardown`` killed at each write that concerns it, and run again; the gateway,
its tables and what others have on it are as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from reliability.call_interceptor import CrashPoint
from reliability.harness import Harness

from cloudlink.connect import connect
from cloudlink.sandbox_client import endpoints_of
from tests.steps.test_transit_gateway import CONFIG, GATEWAY
from tests.support.clocks import SandboxTime

pytestmark = [pytest.mark.slow, pytest.mark.long]
OPERATIONS = ("TransitGateway", "CreateRoute", "DeleteRoute", "VpnConnection")


@pytest.fixture(scope="module", params=["", "\nlimit_routes = true"], ids=["shared table", "table of its own"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    text = CONFIG.format(gateway=GATEWAY, asn=64_512).replace("asn = 64512", f"asn = 64512{request.param}")
    with Harness(text=text) as made:
        made.keep("empty")
        done = made.run("up", "--no-verify")
        assert done.code == 0, str(done)
        made.settle()
        made.keep("built")
        yield made


def live(harness: Harness) -> dict[str, list[str]]:
    """What exists of the gateway, its tables and attachments, and which of the VPC's tables lead to it."""
    ec2 = connect(
        harness.link, SandboxTime(harness.sandbox.context.clock), endpoints_of(harness.sandbox.address())
    ).aws.ec2

    def there(items: list[Any], *keys: str) -> list[str]:
        return sorted(" ".join(str(i[k]) for k in keys) for i in items if i["State"] != "deleted")

    tables = ec2.describe_route_tables()["RouteTables"]
    return {
        "gateways": there(ec2.describe_transit_gateways()["TransitGateways"], "TransitGatewayId", "State"),
        "kinds": there(ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"], "ResourceType"),
        "tables": there(
            ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"],
            "TransitGatewayId",
            "DefaultAssociationRouteTable",
            "State",
        ),
        "routes": sorted(
            f"{t['RouteTableId']} {r['DestinationCidrBlock']}"
            for t in tables
            for r in t["Routes"]
            if r.get("TransitGatewayId") == GATEWAY
        ),
    }


@pytest.mark.parametrize(("command", "world"), [("up", "empty"), ("teardown", "built")])
def test_killed_at_each_write_and_run_again(harness: Harness, command: str, world: str) -> None:
    arguments = (command, "--no-verify") if command == "up" else (command,)
    harness.back_to(world)
    assert harness.run(*arguments).code == 0
    writes = harness.writing_calls(*OPERATIONS)
    assert len(writes) >= 4
    harness.settle()
    wanted = live(harness)
    assert wanted["kinds"] == (["vpc", "vpc", "vpn", "vpn"] if command == "up" else ["vpc"])
    for number in writes:
        harness.back_to(world)
        harness.run(*arguments, kill=CrashPoint(number, 0, "after"))
        harness.settle()
        again = harness.run(*arguments)
        assert again.code == 0, f"call {number}: {again}"
        harness.settle()
        assert live(harness) == wanted, f"call {number}"
        done = harness.writes()
        assert harness.run(*arguments).code == 0
        assert harness.writes() == done, f"call {number}: something was left to do"
