"""The regions of AWS that an account has, and with AllRegions those that it has not enabled."""

from __future__ import annotations

from moto.core.responses import ActionResult

from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.filters import Words, chosen

_FILTERS: dict[str, Words[dict[str, str]]] = {
    "region-name": lambda region: [region["RegionName"]],
    "endpoint": lambda region: [region["Endpoint"]],
    "opt-in-status": lambda region: [region["OptInStatus"]],
}


def describe_regions(call: Ec2Base) -> ActionResult:
    """A region that is not enabled is named only where AllRegions asks for it.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
    """
    known = [
        {"RegionName": r.name, "Endpoint": r.endpoint, "OptInStatus": r.opt_in_status}
        for r in call.store.describe_regions(call.given("RegionNames", []))
    ]
    shown = [r for r in known if call.given("AllRegions") or r["OptInStatus"] != "not-opted-in"]
    return ActionResult({"Regions": chosen(shown, call.filters(), _FILTERS, lambda _: {})})
