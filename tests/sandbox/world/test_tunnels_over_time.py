"""What becomes of a tunnel while nobody changes anything: keys that run out, faults that come and go."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.world import Tunnel
from tests.sandbox.kube.small_world import SmallWorld

OUTSIDE = "52.0.0.1"
NEGOTIATION, BGP = 8, 20  # sandbox seconds, as the durations have them


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path)


def tunnel(world: SmallWorld) -> Tunnel:
    (found,) = world.context.world().tunnels
    return found


def change(world: SmallWorld, *, aws: dict[str, Any] | None = None, azure: dict[str, Any] | None = None) -> None:
    """Other fields of the one tunnel and its connection, changed at this moment."""
    now = world.context.clock.now()
    world.aws = replace(world.aws, tunnels=(replace(world.aws.tunnels[0], changed_at=now, **(aws or {})),))
    connection = replace(world.azure.connections[0], changed_at=now, **(azure or {}))
    world.azure = replace(world.azure, connections=(connection,))


def without_common_pfs(world: SmallWorld, **more: Any) -> None:
    ours = replace(world.aws.tunnels[0].proposals, pfs_groups=frozenset({14}))
    change(world, aws={"proposals": ours, "sa_seconds": 3600.0}, azure=more)


@pytest.mark.documentation(
    "Without a PFS group in common an IKEv2 tunnel comes up and drops whenever its keys are renewed"
)
@pytest.mark.belief("After keys that could not be renewed both sides begin from the start")
def test_without_a_common_pfs_group_a_tunnel_drops_whenever_its_keys_run_out(world: SmallWorld) -> None:
    without_common_pfs(world)
    world.context.clock.advance(NEGOTIATION + BGP + 1)
    for hour in range(3):
        up = tunnel(world)
        assert up.bgp, hour
        world.context.clock.advance(3600 - BGP)
        down = tunnel(world)
        assert (down.ipsec, down.why) == (False, "no PFS group in common: the keys could not be renewed")
        assert down.down_since == up.ipsec_since + 3600
        assert world.context.world().aws_telemetry("vpn-1", OUTSIDE).since == down.down_since
        world.context.clock.advance(NEGOTIATION + BGP)


@pytest.mark.specification("IKEv1 needs the PFS group for the first keys already")
def test_ikev1_needs_the_group_for_the_first_keys(world: SmallWorld) -> None:
    old = {"ike_versions": frozenset({1})}
    without_common_pfs(world, proposals=replace(world.azure.connections[0].proposals, **old))
    change(world, aws={"proposals": replace(world.aws.tunnels[0].proposals, **old)})
    world.context.clock.advance(600)
    assert tunnel(world).why == "no PFS group in common"


@pytest.mark.documentation(
    "The side with the shorter lifetime asks for new keys: without a policy Azure accepts groups, but asks for none"
)
@pytest.mark.parametrize("opens", [True, False])
def test_azure_accepts_groups_that_it_does_not_propose(world: SmallWorld, opens: bool) -> None:
    change(world, aws={"initiates": opens}, azure={"own_pfs": frozenset({0})})
    world.context.clock.advance(NEGOTIATION + 3600)
    assert tunnel(world).ipsec
    change(world, azure={"own_pfs": frozenset({0}), "sa_seconds": 1800.0})
    world.context.clock.advance(NEGOTIATION + 1800)
    assert tunnel(world).why.startswith("no PFS group in common")


@pytest.mark.documentation(
    "AWS opens a lost tunnel again only with DPDTimeoutAction restart; Azure does unless it only responds"
)
@pytest.mark.parametrize(
    ("reopens", "azure_opens", "azure_answers", "returns"),
    [
        (True, False, True, True),
        (False, True, True, True),
        (False, False, True, False),
        (True, True, False, True),
    ],
)
def test_who_opens_a_tunnel_again(
    world: SmallWorld, reopens: bool, azure_opens: bool, azure_answers: bool, returns: bool
) -> None:
    change(world, aws={"reopens": reopens}, azure={"initiates": azure_opens, "responds": azure_answers})
    world.context.clock.advance(600)
    assert tunnel(world).bgp
    world.context.faults.add(Fault("tunnel-down", OUTSIDE, times=None, duration=60))
    began = world.context.clock.now()
    assert world.context.world().aws_telemetry("vpn-1", OUTSIDE).since == began
    world.context.clock.advance(61)
    assert not tunnel(world).bgp
    world.context.clock.advance(NEGOTIATION + BGP)
    back = tunnel(world)
    assert back.bgp is returns
    if returns:
        assert back.ipsec_since == began + 60 + NEGOTIATION
    else:
        assert back.why == "the tunnel was lost and neither side opens it again"
        change(world)  # a change on AWS's side replaces the endpoint, which opens the tunnel anew
        world.context.clock.advance(60)
        assert tunnel(world).bgp


@pytest.mark.own("An instance that comes back negotiates anew")
def test_an_instance_that_comes_back_negotiates_anew(world: SmallWorld) -> None:
    fault = world.context.faults.add(Fault("instance-down", "20.0.0.1", times=None))
    gateway = world.azure.gateways["/gw-1"]
    broken = replace(gateway, instances=(replace(gateway.instances[0], working=False),))
    whole, world.azure = world.azure, replace(world.azure, gateways={"/gw-1": broken})
    assert tunnel(world).why == "the Azure instance is down (fault)"
    world.context.clock.advance(300)
    world.context.faults.remove(fault.id)
    world.azure = whole
    assert tunnel(world).why == "IKE is being negotiated"
    world.context.clock.advance(NEGOTIATION + BGP)
    assert tunnel(world).bgp


@pytest.mark.documentation("With ranges on one side alone the traffic selectors differ, and the tunnel is down")
def test_traffic_selectors_of_one_side_alone(world: SmallWorld) -> None:
    change(world, aws={"any_traffic": False})
    world.context.clock.advance(600)
    assert tunnel(world).why.startswith("the traffic selectors differ: AWS's connection is limited")
    change(world, aws={"any_traffic": True}, azure={"any_traffic": False})
    world.context.clock.advance(600)
    assert tunnel(world).why.startswith("the traffic selectors differ: Azure's connection is policy-based")


@pytest.mark.documentation("More than 100 prefixes announced to a virtual private gateway end the BGP session")
def test_too_many_prefixes_end_the_session(world: SmallWorld) -> None:
    vnet = world.azure.vnets["/vnet-1"]
    for count, up in ((100, True), (101, False)):
        prefixes = tuple(vnet.prefixes) * count
        world.azure = replace(world.azure, vnets={"/vnet-1": replace(vnet, advertised=prefixes)})
        assert tunnel(world).bgp is up
    assert tunnel(world).why == "Azure announces 101 prefixes, AWS takes no more than 100"
    assert world.context.world().aws_telemetry("vpn-1", IPv4Address(OUTSIDE)).message == "IPSEC IS UP"
