"""docs/clients.md from top to bottom: a link made by az, aws and kubectl alone, broken, mended and taken away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients import install
from tests.clients.shell import Bash, Clients, blocks

INSIDE = ["169.254.21.0/30", "169.254.21.4/30", "169.254.22.0/30", "169.254.22.4/30"]
BUILD = [
    "Azure: subnet, addresses, gateway",
    "AWS: gateway, customer gateways, VPN connections",
    "Azure again: one local gateway and one connection for each tunnel",
]


def do(page: Bash, heading: str) -> str:
    return "".join(page.run(block) for block in blocks(heading))


def aws_side(clients: Clients) -> dict[str, str]:
    """Inside network -> UP or DOWN, as AWS says."""
    said: dict[str, str] = {}
    for connection in clients.aws("ec2 describe-vpn-connections")["VpnConnections"]:
        if connection["State"] == "available":
            status = {t["OutsideIpAddress"]: t["Status"] for t in connection["VgwTelemetry"]}
            said |= {
                t["TunnelInsideCidr"]: status[t["OutsideIpAddress"]] for t in connection["Options"]["TunnelOptions"]
            }
    return said


def azure_side(clients: Clients) -> list[str]:
    """Of tunnel-0 to tunnel-3. Lists leave the status out, so each is read."""

    def status(number: int) -> Any:
        return lambda: clients.az(f"network vpn-connection show -g by-hand -n tunnel-{number} --query connectionStatus")

    return clients.together(*(status(n) for n in range(4)))


def sessions(clients: Clients) -> set[tuple[str, str]]:
    """(local address, neighbour) of Azure's BGP sessions that stand, those between its instances left out."""
    peers = clients.az("network vnet-gateway list-bgp-peer-status -g by-hand -n gateway")["value"]
    return {(p["localAddress"], p["neighbor"]) for p in peers if p["state"] == "Connected" and p["asn"] == 64512}


@pytest.mark.program("az, aws and kubectl alone build the link, break it, mend it and take it away")
@pytest.mark.own("A key changed on one side takes that tunnel down on both")
def test_the_page_from_top_to_bottom(page: Bash, clients: Clients) -> None:
    install.need(*install.PROGRAMS)
    for heading in BUILD:
        do(page, heading)

    seen = do(page, "See four tunnels up")
    assert seen.count('"Connected"') == 4
    assert aws_side(clients) == dict.fromkeys(INSIDE, "UP")
    assert sorted(i for i, t in clients.tunnels().items() if t["bgp"]) == INSIDE
    assert sessions(clients) == {
        ("169.254.21.2", "169.254.21.1"),
        ("169.254.22.2", "169.254.22.1"),
        ("169.254.21.6", "169.254.21.5"),
        ("169.254.22.6", "169.254.22.5"),
    }
    reads_of_a_standing_link(clients)

    names = do(page, "Names: resolver endpoint, zone, CoreDNS")
    assert names.count("10.10.8.15\n") == 2  # over UDP and over TCP

    do(page, "Break one")
    assert {i for i, s in aws_side(clients).items() if s == "DOWN"} == {"169.254.22.0/30"}
    assert [s == "Connected" for s in azure_side(clients)] == [True, False, True, True]
    assert ("169.254.22.2", "169.254.22.1") not in sessions(clients)
    assert len(sessions(clients)) == 3
    broken = clients.tunnels()["169.254.22.0/30"]
    assert not broken["ipsec"]
    assert "key" in broken["why"].lower()

    do(page, "Mend it")
    assert aws_side(clients) == dict.fromkeys(INSIDE, "UP")
    assert azure_side(clients) == ["Connected"] * 4
    assert len(sessions(clients)) == 4

    refusals_while_it_stands(clients)
    changes_of_a_standing_link(clients)

    do(page, "Take it away")
    assert aws_side(clients) == {}
    assert clients.run("az", "group", "exists", "--name", "by-hand").out.strip() == "false"
    assert not clients.tunnels()


def reads_of_a_standing_link(clients: Clients) -> None:
    learned = clients.az("network vnet-gateway list-learned-routes -g by-hand -n gateway")["value"]
    assert {r["nextHop"] for r in learned if r["network"] == "10.10.0.0/16" and r["origin"] == "EBgp"} == {
        "169.254.21.1",
        "169.254.22.1",
        "169.254.21.5",
        "169.254.22.5",
    }
    told = clients.az("network vnet-gateway list-advertised-routes -g by-hand -n gateway --peer 169.254.21.5")["value"]
    assert {(r["network"], r["asPath"]) for r in told} == {("10.20.0.0/16", "65000"), ("169.254.21.5/32", "65000")}
    tables = clients.aws(
        "ec2 describe-route-tables", "--filters", "Name=route.destination-cidr-block,Values=10.20.0.0/16"
    )
    origins = {
        r["Origin"] for t in tables["RouteTables"] for r in t["Routes"] if r.get("GatewayId", "").startswith("vgw")
    }
    assert origins == {"EnableVgwRoutePropagation"}


def refusals_while_it_stands(clients: Clients) -> None:
    used = clients.together(
        lambda: clients.refused("az network local-gateway delete -g by-hand -n tunnel-0"),
        lambda: clients.refused("az network public-ip delete -g by-hand -n gateway-0"),
        lambda: clients.refused("az network vnet-gateway delete -g by-hand -n gateway"),
        lambda: clients.refused("az network vnet subnet delete -g test --vnet-name test-vnet -n GatewaySubnet"),
    )
    codes = ["LocalNetworkGatewayCannotBeDeleted", "PublicIPAddressCannotBeDeleted"]
    codes += ["VirtualNetworkGatewayCannotBeDeleted", "InUseSubnetCannotBeDeleted"]
    for code, said in zip(codes, used, strict=True):
        assert code in said
    connection = next(
        c for c in clients.aws("ec2 describe-vpn-connections")["VpnConnections"] if c["State"] == "available"
    )
    gateway, customer = connection["VpnGatewayId"], connection["CustomerGatewayId"]
    assert "IncorrectState" in clients.refused(f"aws ec2 delete-customer-gateway --customer-gateway-id {customer}")
    assert "IncorrectState" in clients.refused(f"aws ec2 delete-vpn-gateway --vpn-gateway-id {gateway}")


def changes_of_a_standing_link(clients: Clients) -> None:
    """An IPsec policy that AWS would take, one that it would not, resets, and new options of a tunnel from AWS."""
    suite = "--dh-group DHGroup14 --ike-encryption AES256 --ike-integrity SHA256 --pfs-group PFS2048 "
    suite += "--sa-lifetime 3600 --sa-max-size 102400000 --ipsec-encryption AES256 --ipsec-integrity"
    policy = "network vpn-connection ipsec-policy"
    clients.az(f"{policy} add -g by-hand --connection-name tunnel-0 {suite} SHA256")
    clients.advance("10m")
    assert aws_side(clients)["169.254.21.0/30"] == "UP"
    assert clients.az(f"{policy} list -g by-hand --connection-name tunnel-0")[0]["dhGroup"] == "DHGroup14"
    clients.az(f"{policy} clear -g by-hand --connection-name tunnel-0")

    connections = clients.aws("ec2 describe-vpn-connections")["VpnConnections"]
    tunnel, owner = next(
        (t["OutsideIpAddress"], c["VpnConnectionId"])
        for c in connections
        for t in c["Options"].get("TunnelOptions", ())
        if t["TunnelInsideCidr"] == "169.254.21.0/30" and c["State"] == "available"
    )
    modify = f"ec2 modify-vpn-tunnel-options --vpn-connection-id {owner} --vpn-tunnel-outside-ip-address {tunnel}"
    clients.aws(modify, "--tunnel-options", '{"PreSharedKey": "from.aws.now"}')
    clients.advance("20m")
    clients.ok("aws", "ec2", "wait", "vpn-connection-available", "--vpn-connection-ids", owner)
    assert aws_side(clients)["169.254.21.0/30"] == "DOWN"
    clients.az("network vpn-connection shared-key update -g by-hand --connection-name tunnel-0 --value from.aws.now")
    clients.advance("10m")
    assert aws_side(clients) == dict.fromkeys(INSIDE, "UP")

    clients.az("network vnet-gateway reset -g by-hand -n gateway")
    clients.az("network vpn-connection shared-key reset -g by-hand --connection-name tunnel-3 --key-length 40")
    key = clients.az("network vpn-connection shared-key show -g by-hand --connection-name tunnel-3")["value"]
    assert len(key) == 40
