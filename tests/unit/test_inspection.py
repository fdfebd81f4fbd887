"""What status says of a link whose parts are still being made."""

from __future__ import annotations

from cloudlink.core.resource import Observed, Ownership, Phase, Timing
from cloudlink.inspection.drift import still_made

USUAL = {"azure_vpn.gateway": Timing(create=1030), "aws_vpn.gateway": Timing(create=5)}


def test_what_is_still_being_made_is_waited_for_first() -> None:
    """After a killed ``up``: one minute was told of the connections, which wait for a gateway of a quarter of an hour."""
    making: Observed[object, object] = Observed("gw", Phase.CREATING, None, None, Ownership.OWNED)
    made: Observed[object, object] = Observed("vgw", Phase.READY, None, None, Ownership.OWNED)
    assert still_made({"azure_vpn.gateway": making, "aws_vpn.gateway": made, "resolver.zone": None}, USUAL) == 1030
    assert still_made({"aws_vpn.gateway": made}, USUAL) == 0
