"""A change of the configuration changes only what it must, in place where the clouds can, and ends healthy."""

from __future__ import annotations

from typing import Any

from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits


def changes(place: Cli) -> dict[str, str]:
    planned = place.cloudlink("plan", "--json")
    assert planned.code == 0, planned.out
    return {c["address"]: c["action"] for c in planned.json["changes"] if c["action"] != "no-op"}


def build(place: Cli) -> None:
    done = place.cloudlink("up", "--no-verify")
    assert done.code == 0, done.out + done.err
    ManualEdits(place).later(600)
    status = place.cloudlink("status", "--json")
    assert status.json["health"] == "healthy", status.out


def ids(place: Cli) -> dict[str, Any]:
    ec2 = place.clouds().aws.ec2
    return {
        "vpn": sorted(
            c["VpnConnectionId"] for c in ec2.describe_vpn_connections()["VpnConnections"] if c["State"] == "available"
        ),
        "vgw": ManualEdits(place).vpn_gateway(),
        "outside": {t["address"]: t["aws"]["outside_ip"] for t in place.cloudlink("status", "--json").json["tunnels"]},
    }


def test_another_policy_goes_to_all_four_tunnels_in_place_one_after_another(linked: Cli) -> None:
    before = ids(linked)
    linked.config.write_text(
        linked.config.read_text() + '\n[vpn.policy]\nike_encryption = "AES256-GCM"\ndh_group = 14\n'
    )
    assert changes(linked) == {
        **{f"aws_vpn.connection[{i}]": "update" for i in range(2)},
        **{f"azure_vpn.connection[{i}]": "update" for i in range(4)},
    }
    linked.control("DELETE", "journal")
    build(linked)
    assert ids(linked) == before, "nothing was made anew"
    calls = linked.control("GET", "journal")["calls"]
    assert sum(c["operation"] == "ModifyVpnTunnelOptions" and c["status"] == 200 for c in calls) == 4
    for connection in ManualEdits(linked).ec2.describe_vpn_connections()["VpnConnections"]:
        for tunnel in connection["Options"]["TunnelOptions"] if connection["State"] == "available" else ():
            assert [v["Value"] for v in tunnel["Phase1EncryptionAlgorithms"]] == ["AES256-GCM-16"]
            assert [v["Value"] for v in tunnel["Phase1DHGroupNumbers"]] == [14]


def test_a_host_comes_and_another_goes(linked: Cli) -> None:
    text = linked.config.read_text()
    linked.replace('name = "postgres"', 'name = "mysql"')
    assert changes(linked) == {"resolver.records": "update"}
    build(linked)
    names = {r["Name"] for r in ManualEdits(linked).records()}
    assert "mysql.prod.corp.example." in names
    assert "postgres.prod.corp.example." not in names
    assert linked.cloudlink("verify-dns", "mysql.prod.corp.example").code == 0
    linked.config.write_text(text)
    build(linked)


def test_a_larger_sku_is_a_change_in_place(linked: Cli) -> None:
    before = ids(linked)
    linked.replace('# sku = "VpnGw1AZ"', 'sku = "VpnGw2AZ"')
    assert changes(linked) == {"azure_vpn.gateway": "update"}
    build(linked)
    gateway = ManualEdits(linked).network.virtual_network_gateways.get("cloudlink-demo", "cloudlink-demo-gateway")
    assert gateway.properties.sku.name == "VpnGw2AZ"
    assert ids(linked) == before


def test_other_endpoint_subnets_move_the_endpoint_and_the_forward_zone(linked: Cli) -> None:
    status = linked.cloudlink("status", "--json").json["endpoint"]
    first, second, gone = (a["subnet"] for a in status["addresses"])
    linked.replace('# endpoint_subnets = "auto"', f'endpoint_subnets = ["{first}", "{second}"]')
    assert changes(linked) == {"resolver.endpoint": "update", "dns_forward.forward": "defer"}
    build(linked)
    now = linked.cloudlink("status", "--json").json
    assert now["endpoint"]["id"] == status["id"], "the endpoint itself stays"
    assert {a["subnet"] for a in now["endpoint"]["addresses"]} == {first, second}
    assert gone not in str(now["endpoint"])
    assert all(a["address"] in now["forward"] for a in now["endpoint"]["addresses"])
    assert linked.cloudlink("verify-dns", "sentry.prod.corp.example").code == 0


def test_another_number_on_azures_side(linked: Cli) -> None:
    """AWS cannot change a customer gateway's number: those and what stands on them are made anew; AWS's gateway, the
    endpoint and the names stay."""
    gateway = ids(linked)["vgw"]
    linked.replace("# asn = 65000", "asn = 65001")
    planned = changes(linked)
    assert planned["azure_vpn.gateway"] == "update"
    assert {a for a, what in planned.items() if what == "replace"} <= {
        *(f"aws_vpn.customer_gateway[{i}]" for i in range(2)),
        *(f"aws_vpn.connection[{i}]" for i in range(2)),
    }
    assert not any(a.startswith(("resolver.", "dns_forward.")) for a in planned)
    build(linked)
    assert ids(linked)["vgw"] == gateway
