"""``rotate-keys`` as a user runs it."""

from __future__ import annotations

import re

from tests.support.cli import Cli


def keys(place: Cli) -> list[str]:
    found = place.clouds().aws.vpn_connections(fresh=True)
    return [
        t["PreSharedKey"].reveal() for c in found if c["State"] == "available" for t in c["Options"]["TunnelOptions"]
    ]


def test_one_key_and_where_none_is_left(linked: Cli) -> None:
    before = keys(linked)
    done = linked.cloudlink("rotate-keys", "--tunnel", "2", "--json")
    assert done.code == 0, done.out + done.err
    assert [t["rotated"] for t in done.json["tunnels"]] == [False, True, False, False]
    assert done.json["tunnels"][1]["key_changed"].endswith("Z")
    after = keys(linked)
    assert len(set(before) & set(after)) == 3
    kept = "".join(
        p.read_text(errors="replace") for p in linked.home.iterdir() if ".state.json" in p.name or p.suffix == ".log"
    )
    assert "tunnel[1] update done" in kept
    assert not [k for k in (*before, *after) if k in kept + done.out + done.err]


def test_what_is_young_stays(linked: Cli) -> None:
    done = linked.cloudlink("rotate-keys", "--tunnel", "2", "--older-than", "90d")
    assert done.code == 0, done.out + done.err
    assert "No key is due; nothing was changed." in done.out


def test_not_with_a_tunnel_down(linked: Cli) -> None:
    outside = linked.clouds().aws.ec2.describe_vpn_connections()["VpnConnections"][0]["VgwTelemetry"][0][
        "OutsideIpAddress"
    ]
    linked.control("POST", "faults", {"kind": "tunnel-down", "target": outside, "times": None})
    done = linked.cloudlink("rotate-keys")
    assert done.code == 8
    assert "A rotation needs four of four tunnels" in done.err
    assert "cloudlink status --sandbox" in done.err


def test_what_it_does_not_take(linked: Cli) -> None:
    assert linked.cloudlink("rotate-keys", "--tunnel", "5").code == 2
    assert linked.cloudlink("rotate-keys", "--older-than", "ninety days").code == 2
    help_ = linked.cloudlink("rotate-keys", "--help", sandbox=False).out
    assert "cloudlink rotate-keys --older-than 90d --yes" in help_


def test_it_says_beforehand_what_it_costs(linked: Cli) -> None:
    done = linked.cloudlink("rotate-keys", "--tunnel", "3")
    assert done.code == 0, done.out + done.err
    # another file may have changed the keys of this link before
    assert re.search(
        r"tunnel 3 (age unknown|at least \S+ old|changed \S+ ago) gets a new key", " ".join(done.out.split())
    )
    assert "AWS announces each replacement by a mail" in " ".join(done.out.split())
    assert "1 key changed" in done.out
