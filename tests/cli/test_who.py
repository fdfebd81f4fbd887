"""Who changed something of ours, as ``status`` and ``plan`` name it."""

from __future__ import annotations

import json
from typing import Any

import boto3

from cloudlink import bundle
from tests.support.cli import Cli


def by_hand(place: Cli) -> Any:
    """EC2 as somebody without cloudlink calls it."""
    known = place.clouds().aws.endpoints
    assert known is not None
    return boto3.Session(
        aws_access_key_id=known.aws_access_key,
        aws_secret_access_key=known.aws_secret_key.reveal(),
        region_name=place.link.aws.region,
    ).client("ec2", endpoint_url=known.aws_url, verify=known.ca_file if known.aws_url.startswith("https") else None)


def break_by_hand(place: Cli) -> None:
    ec2 = by_hand(place)
    connection = next(c for c in ec2.describe_vpn_connections()["VpnConnections"] if c["State"] == "available")
    outside = connection["Options"]["TunnelOptions"][0]["OutsideIpAddress"]
    ec2.modify_vpn_tunnel_options(
        VpnConnectionId=connection["VpnConnectionId"],
        VpnTunnelOutsideIpAddress=outside,
        TunnelOptions={"DPDTimeoutAction": "none"},
    )
    azure = place.clouds().azure
    azure.network.virtual_network_gateway_connections.begin_delete(
        place.link.azure.resource_group, azure.name("connection-4"), polling=False
    )
    place.control("POST", "clock", {"advance": 900})


def test_status_and_plan_name_who_did_it(linked: Cli) -> None:
    break_by_hand(linked)
    status = linked.cloudlink("status")
    said = " ".join(status.out.split())
    assert "with Boto3/" in said and "ModifyVpnTunnelOptions" in said and "(CloudTrail)" in said
    assert "Microsoft.Network/connections/delete" in said and "(Activity Log)" in said
    drift = {d["address"]: d["who"] for d in linked.cloudlink("status", "--json").json["drift"]}
    assert drift["azure_vpn.connection[3]"].startswith(linked.clouds().azure.identity().application)
    plan = linked.cloudlink("plan", "--json")
    whos = {c["address"]: c["who"] for c in plan.json["changes"] if c["who"]}
    assert set(whos) == set(drift)
    assert "who" in linked.cloudlink("plan").out


def test_of_a_key_that_differs_the_end_that_was_changed_is_named(linked: Cli) -> None:
    ec2 = by_hand(linked)
    connection = next(c for c in ec2.describe_vpn_connections()["VpnConnections"] if c["State"] == "available")
    ec2.modify_vpn_tunnel_options(
        VpnConnectionId=connection["VpnConnectionId"],
        VpnTunnelOutsideIpAddress=connection["Options"]["TunnelOptions"][0]["OutsideIpAddress"],
        TunnelOptions={"PreSharedKey": "byHandByHandByHand1"},
    )
    linked.control("POST", "clock", {"advance": 900})
    (who,) = [d["who"] for d in linked.cloudlink("status", "--json").json["drift"] if d["who"]]
    assert "ModifyVpnTunnelOptions" in who
    assert "Azure takes over the key that AWS has now" in linked.cloudlink("plan").out


def test_a_bundle_holds_the_events_of_the_last_day(linked: Cli) -> None:
    out = linked.home / "bundle.tar.gz"
    done = linked.cloudlink("gather", "--out", str(out))
    assert done.code == 0, done.out + done.err
    _, files = bundle.unpack(out)
    events = json.loads(files["events.json"])
    assert "ModifyVpnTunnelOptions" in {e["what"] for e in events["aws"]}
    assert "Microsoft.Network/connections/write" in {e["what"] for e in events["azure"]}
    assert events["aws"] == sorted(events["aws"], key=lambda e: e["at"], reverse=True)
    assert all(e["on"] and e["at"].endswith("Z") for e in events["aws"])
    linked.control("POST", "faults", {"kind": "denied", "target": "aws.LookupEvents", "times": None})
    assert linked.cloudlink("gather", "--out", str(out)).code == 0
    told = json.loads(bundle.unpack(out)[1]["events.json"])
    assert "cloudtrail:LookupEvents" in told["aws"]


def test_small_things_that_irritated(linked: Cli) -> None:
    clock = linked.cloudlink("sandbox", "clock", sandbox=False)
    assert "clock shows 20" in clock.out and "UTC" in clock.out
    outside = linked.cloudlink("verify-dns", "www.google.com")
    assert outside.code == 2
    assert "checking" not in outside.out + outside.err, "it is refused before anything is begun"
    assert linked.cloudlink("plan", "--dry-run").code == 0


def test_what_may_not_be_read_is_said_and_is_no_error(linked: Cli) -> None:
    break_by_hand(linked)
    for target in ("aws.LookupEvents", "azure.GET:eventtypes"):
        linked.control("POST", "faults", {"kind": "denied", "target": target, "times": None})
    plan = linked.cloudlink("plan")
    assert plan.code == 0, plan.out + plan.err
    said = " ".join(plan.out.split())
    assert "CloudTrail could not be read" in said and "cloudtrail:LookupEvents" in said
    assert "the Activity Log could not be read" in said
    assert linked.cloudlink("status").code == 8


def test_a_link_that_is_as_it_was_left_asks_nobody(linked: Cli) -> None:
    linked.control("DELETE", "journal")
    assert linked.cloudlink("status").code == 0
    called = {c["operation"] for c in linked.control("GET", "journal")["calls"]}
    assert not called & {"LookupEvents", "GET eventtypes", "FilterLogEvents"}
