"""The versions of Kubernetes that EKS offers, by the sandbox's clock."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import Account, refused


def listed(account: Account, **asked: Any) -> dict[str, str]:
    found = account.client("eks").describe_cluster_versions(**asked)["clusterVersions"]
    return {v["clusterVersion"]: v["versionStatus"] for v in found}


@pytest.mark.documentation(
    "EKS tells its versions with their support: 14 months of the standard one, 12 more of the extended one"
)
@pytest.mark.belief("The days of 1.36")
def test_versions(seeded: Account) -> None:
    # the clock stands in January 2027
    kept = {"1.36": "STANDARD_SUPPORT", "1.35": "STANDARD_SUPPORT"}
    assert listed(seeded) == kept | dict.fromkeys(("1.34", "1.33", "1.32"), "EXTENDED_SUPPORT")
    assert listed(seeded, versionStatus="STANDARD_SUPPORT") == kept
    assert listed(seeded, defaultOnly=True) == {"1.35": "STANDARD_SUPPORT"}
    assert listed(seeded, clusterVersions=["1.34"]) == {"1.34": "EXTENDED_SUPPORT"}
    seeded.later(100 * 86_400)
    assert "1.32" not in listed(seeded)
    assert listed(seeded, includeAll=True)["1.32"] == "UNSUPPORTED"
    refused("InvalidParameterException", 400, seeded.client("eks").describe_cluster_versions, clusterVersions=["1.2"])
