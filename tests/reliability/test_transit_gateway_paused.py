"""``pause`` and ``resume`` through a transit gateway, made or adopted: what goes, what stays, and a run that is killed among it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from reliability.call_interceptor import CrashPoint
from reliability.harness import Harness

from cloudlink.connect import Clouds, connect
from cloudlink.sandbox_client import endpoints_of
from cloudlink.steps.least_permissions import least
from tests.steps.test_transit_gateway import CONFIG, GATEWAY
from tests.support.clocks import SandboxTime

pytestmark = [pytest.mark.slow, pytest.mark.long]
OPERATIONS = ("TransitGateway", "CreateRoute", "DeleteRoute", "VpnConnection", "configmaps")
OTHERS = "172.28.0.0/16"


@pytest.fixture(scope="module", params=[GATEWAY, "create-transit"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    with Harness(text=CONFIG.format(gateway=request.param, asn=64_512)) as made:
        done = made.run("up", "--no-verify")
        assert done.code == 0, str(done)
        made.settle()
        made.keep("built")
        done = made.run("pause")
        assert done.code == 0, str(done)
        made.settle()
        made.keep("paused")
        yield made


def clouds_of(harness: Harness) -> Clouds:
    clock = SandboxTime(harness.sandbox.context.clock)
    return connect(harness.link, clock, endpoints_of(harness.sandbox.address()))


def ec2_of(harness: Harness) -> Any:
    return clouds_of(harness).aws.ec2


def live(harness: Harness) -> dict[str, list[str]]:
    """The transit gateways and what is attached to them, and the VPC's routes to them; without ids that AWS gives anew."""
    ec2 = ec2_of(harness)

    def there(items: list[Any], key: str) -> list[str]:
        return sorted(str(i[key]) for i in items if i["State"] not in ("deleted", "deleting"))

    ours = there(ec2.describe_transit_gateways()["TransitGateways"], "TransitGatewayId")
    kinds = [
        f"{a['ResourceType']} {(a.get('Association') or {}).get('State')}"
        for a in ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        if a["State"] == "available" and (a["ResourceType"] == "vpn" or a["ResourceId"] == harness.link.aws.vpc_id)
    ]
    routes = [
        f"{t['RouteTableId']} {r['DestinationCidrBlock']} {r['State']}"
        for t in ec2.describe_route_tables()["RouteTables"]
        for r in t["Routes"]
        if r.get("TransitGatewayId")
    ]
    return {"gateways": ours, "kinds": sorted(kinds), "routes": sorted(routes)}


def test_a_night(harness: Harness) -> None:
    """The attachment goes with the connections, for it is billed as they are; the gateway, which costs nothing, stays."""
    harness.back_to("built")
    built = live(harness)
    assert len(built["kinds"]) == 3 and built["routes"]
    harness.back_to("paused")
    assert live(harness) == {"gateways": built["gateways"], "kinds": [], "routes": []}
    status = harness.run("status")
    assert status.code == 8 and "PAUSED" in status.out, str(status)
    refused = harness.run("up", "--no-verify")
    assert refused.code == 3 and "The link is paused" in refused.err
    again = harness.run("pause")
    assert again.code == 0, str(again)
    done = harness.run("resume", "--no-verify")
    assert done.code == 0, str(done)
    harness.settle()
    assert live(harness) == built
    assert harness.run("status").code == 0
    assert harness.run("verify-dns").code == 0


@pytest.mark.parametrize(("command", "world"), [("pause", "built"), ("resume", "paused")])
def test_the_least_permissions_of_both_are_enough(harness: Harness, command: str, world: str) -> None:
    harness.back_to(world)
    assert harness.run(command, *(("--no-verify",) if command == "resume" else ())).code == 0
    called = {c["operation"] for c in harness.journal() if c["cloud"] == "aws"}
    asked = {f"ec2:{name}" for name in called if "TransitGateway" in name or name in ("CreateRoute", "DeleteRoute")}
    allowed = {p.action for p in least(harness.link, clouds_of(harness).topology.nodes(), (command,), checks=True)}
    assert asked <= allowed


def test_an_attachment_that_others_need_stays_and_the_plan_says_so(harness: Harness) -> None:
    harness.back_to("built")
    before = live(harness)
    ec2 = ec2_of(harness)
    (gateway,) = before["gateways"]
    table = before["routes"][0].split()[0]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=OTHERS, TransitGatewayId=gateway)
    done = harness.run("pause")
    assert done.code == 0, str(done)
    assert f"routes of others lead through it ({OTHERS} in {table})" in " ".join((done.out + done.err).split())
    harness.settle()
    meanwhile = live(harness)
    assert [k.split()[0] for k in meanwhile["kinds"]] == ["vpc"]
    assert f"{table} {OTHERS} active" in meanwhile["routes"]
    assert harness.run("status").code == 8
    assert "has not ended" not in harness.run("status").out
    done = harness.run("resume", "--no-verify")
    assert done.code == 0, str(done)
    harness.settle()
    after = live(harness)
    assert {**after, "routes": [r for r in after["routes"] if OTHERS not in r]} == before


@pytest.mark.parametrize(("command", "world"), [("pause", "built"), ("resume", "paused")])
def test_killed_at_each_write_and_run_again(harness: Harness, command: str, world: str) -> None:
    arguments = (command, "--no-verify") if command == "resume" else (command,)
    harness.back_to(world)
    assert harness.run(*arguments).code == 0
    writes = harness.writing_calls(*OPERATIONS)
    assert len(writes) >= 4
    harness.settle()
    wanted = live(harness)
    for number in writes:
        harness.back_to(world)
        harness.run(*arguments, kill=CrashPoint(number, 0, "after"))
        harness.settle()
        again = harness.run(*arguments)
        assert again.code == 0, f"call {number}: {again}"
        harness.settle()
        assert live(harness) == wanted, number
