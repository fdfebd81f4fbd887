"""What is said of an AKS cluster before anything is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight.aks import AksFacts, check, is_arm
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.config import load
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Toleration
from tests.support.pinned import pinned

LINK = load(Path(__file__).parents[3] / "config.example.toml", sandbox=True)
NAMES = Plan((Change("dns_forward.forward", "CoreDNS", Action.CREATE),))
NODES = "/subscriptions/s/resourceGroups/test/providers/Microsoft.Network/virtualNetworks/test-vnet/subnets/aks"
POOL: dict[str, Any] = {
    "name": "nodes",
    "mode": "System",
    "osType": "Linux",
    "count": 3,
    "vmSize": "Standard_D4ds_v5",
    "vnetSubnetID": NODES,
}


def said(**properties: Any) -> dict[str, Any]:
    """A cluster as AKS answers it, with which nothing is wrong. pool, sku: changes of these parts."""
    pool, sku, pools = (properties.pop(k, None) for k in ("pool", "sku", "pools"))
    held = {
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "networkProfile": {"networkPlugin": "azure", "networkPluginMode": "overlay", "podCidr": "10.244.0.0/16"},
        "agentPoolProfiles": pools if pools is not None else [{**POOL, **(pool or {})}],
        **properties,
    }
    return {"id": "/x/test", "name": "test", "sku": {"name": sku or "Base"}, "properties": held}


def found(plan: Plan = NAMES, reached: bool | None = True, why: str = "", **properties: Any) -> list[Finding]:
    return pinned(check(AksFacts(aks_cluster(said(**properties)), reached, why), LINK, plan))


def test_nothing_is_said_of_a_cluster_that_is_well() -> None:
    assert found() == []
    assert list(check(AksFacts(), LINK, NAMES)) == []


CASES: dict[str, tuple[dict[str, Any], Severity, str, str]] = {
    # a stopped cluster stays Succeeded
    "stopped": ({"powerState": {"code": "Stopped"}}, Severity.OBSTACLE, "is stopped", "az aks start"),
    "failed, and answers": ({"provisioningState": "Failed"}, Severity.WARNING, "failed state", "az aks update"),
    "failed, and does not answer": (
        {"provisioningState": "Failed", "reached": False},
        Severity.OBSTACLE,
        "failed state",
        "az aks update",
    ),
    "being made": ({"provisioningState": "Creating"}, Severity.OBSTACLE, "not ready", "az aks wait"),
    "being upgraded": ({"provisioningState": "Upgrading"}, Severity.WARNING, "under way", "az aks show"),
    "private, not tried": (
        {"apiServerAccessProfile": {"enablePrivateCluster": True}, "privateFQDN": "x.privatelink", "reached": None},
        Severity.WARNING,
        "private",
        "reaches the VNet",
    ),
    "private, and does not answer": (
        {"apiServerAccessProfile": {"enablePrivateCluster": True}, "reached": False, "why": "name error"},
        Severity.OBSTACLE,
        "private",
        "reaches the VNet",
    ),
    "private, and answers": (
        {"apiServerAccessProfile": {"enablePrivateCluster": True}},
        Severity.WARNING,
        "private",
        "reaches the VNet",
    ),
    "authorised ranges with us": (
        {"apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]}},
        Severity.WARNING,
        "certain addresses",
        "--api-server-authorized-ip-ranges 203.0.113.0/24,ADDRESS/32",
    ),
    "no public access": (
        {"publicNetworkAccess": "Disabled", "reached": None},
        Severity.WARNING,
        "private",
        "reaches the VNet",
    ),
    "authorised ranges, not tried": (
        {"apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]}, "reached": None},
        Severity.WARNING,
        "certain addresses",
        "203.0.113.0/24,ADDRESS/32",
    ),
    "authorised ranges without us": (
        {"apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]}, "reached": False, "why": "timed out"},
        Severity.OBSTACLE,
        "certain addresses",
        "ADDRESS/32",
    ),
    "open, and does not answer": ({"reached": False}, Severity.OBSTACLE, "does not answer", "proxy"),
    "only a tainted pool": (
        {"pool": {"nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"]}},
        Severity.WARNING,
        "tainted",
        "tolerations",
    ),
    "only Windows": ({"pool": {"osType": "Windows"}}, Severity.WARNING, "Linux", "Linux"),
    "only arm64": ({"pool": {"vmSize": "Standard_D4ps_v5"}}, Severity.WARNING, "arm64", "probe.image"),
    "no node": ({"pool": {"count": 0}}, Severity.WARNING, "no node", "enlarge"),
    "a proxy in every pod": (
        {"httpProxyConfig": {"httpProxy": "http://p:3128", "httpsProxy": "http://p:3128", "noProxy": ["10.0.0.0/8"]}},
        Severity.WARNING,
        "HTTP through a proxy",
        f"Add .{LINK.dns.zone} to noProxy",
    ),
    "own network plugin": (
        {"networkProfile": {"networkPlugin": "none"}},
        Severity.WARNING,
        "range of the cluster's pods",
        "masquerade",
    ),
    "Automatic": ({"sku": "Automatic"}, Severity.WARNING, "AKS Automatic", "probe.namespace"),
    "hosted pools that are not listed": (
        {"pools": [], "hostedSystemProfile": {"enabled": True}},
        Severity.WARNING,
        "does not list",
        "azure.vnet",
    ),
    "VNet of AKS's own": ({"pool": {"vnetSubnetID": None}}, Severity.OBSTACLE, "AKS manages", "VNet of your own"),
    "LocalDNS": ({"pool": {"localDNSProfile": {"state": "Enabled"}}}, Severity.WARNING, "LocalDNS", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_each_situation_has_a_word(case: str) -> None:
    properties, severity, summary, hint = CASES[case]
    (one,) = found(**properties)
    assert (one.severity, one.topic) == (severity, "aks")
    assert summary in one.summary
    assert hint in one.hint
    assert one.detail


def test_a_state_is_no_obstacle_where_nothing_is_written_to_the_cluster() -> None:
    tunnels = Plan((Change("azure_vpn.gateway", "gateway", Action.CREATE),))
    for properties in ({"powerState": {"code": "Stopped"}}, {"provisioningState": "Creating"}):
        assert [f.severity for f in found(tunnels, **properties)] == [Severity.WARNING]


def test_a_cluster_that_could_not_be_read_is_an_obstacle_whatever_is_written() -> None:
    for properties in ({"powerState": {"code": "Stopped"}}, {"provisioningState": "Failed"}, {}):
        (one,) = found(Plan(()), reached=False, **properties)
        assert one.severity is Severity.OBSTACLE


def test_the_command_keeps_every_address_that_is_let_in() -> None:
    ranges = [f"203.0.113.{i}/32" for i in range(20)]
    (one,) = found(apiServerAccessProfile={"authorizedIPRanges": ranges})
    assert f"{','.join(ranges)},ADDRESS/32" in one.hint
    assert "It answers now" in one.detail


def test_of_a_stopped_cluster_only_that_is_said() -> None:
    stopped = {"powerState": {"code": "Stopped"}, "apiServerAccessProfile": {"enablePrivateCluster": True}}
    (one,) = found(reached=False, **stopped)
    assert one.hint == (f"az aks start --subscription {LINK.azure.subscription} --resource-group test --name test")


def test_the_command_names_the_clusters_own_subscription() -> None:
    other = replace(LINK, azure=replace(LINK.azure, aks_in="99999999-0000-0000-0000-000000000000"))
    (one,) = check(AksFacts(aks_cluster(said(powerState={"code": "Stopped"}))), other, NAMES)
    assert "--subscription 99999999-" in one.hint


@pytest.mark.parametrize(
    ("toleration", "taken"),
    [
        (Toleration("CriticalAddonsOnly", None, ""), True),
        (Toleration("CriticalAddonsOnly", "true", "NoSchedule"), True),
        (Toleration("", None, ""), True),
        (Toleration("CriticalAddonsOnly", "false", ""), False),
        (Toleration("CriticalAddonsOnly", None, "NoExecute"), False),
        (Toleration("other", None, ""), False),
    ],
)
def test_a_taint_that_the_probe_tolerates_is_none(toleration: Toleration, taken: bool) -> None:
    link = replace(LINK, probe=replace(LINK.probe, tolerations=(toleration,)))
    tainted = said(pool={"nodeTaints": ["CriticalAddonsOnly=true:NoSchedule"]})
    assert (list(check(AksFacts(aks_cluster(tainted), True), link, NAMES)) == []) is taken


def test_one_pool_that_takes_the_pod_is_enough() -> None:
    tainted = {**POOL, "name": "a", "nodeTaints": ["x=y:NoExecute"]}
    assert found(pools=[tainted, POOL]) == []
    assert found(pools=[{**POOL, "nodeTaints": ["x=y:PreferNoSchedule"]}]) == []
    assert found(pools=[{**POOL, "name": "win", "osType": "Windows"}, POOL]) == []
    # nodes come when a pod waits for one
    assert found(pool={"nodeTaints": ["x=y:NoSchedule"]}, nodeProvisioningProfile={"mode": "Auto"}) == []
    assert found(pool={"count": 0, "enableAutoScaling": True}) == []


@pytest.mark.parametrize(
    ("size", "arm"),
    [
        ("Standard_D4ps_v5", True),
        ("Standard_B2pts_v2", True),
        ("Standard_D16pls_v6", True),
        ("Standard_E4-2ps_v5", True),
        ("Standard_D4ds_v5", False),
        ("Standard_NP10s", False),
        ("Standard_DS2_v2", False),
        ("Standard_HB120-96rs_v3", False),
        ("", False),
    ],
)
def test_processors_by_the_letters_of_a_size(size: str, arm: bool) -> None:
    assert is_arm(size) is arm


@pytest.mark.parametrize("broken", [{}, {"properties": None}, {"properties": {"agentPoolProfiles": None}, "sku": None}])
def test_half_an_answer_is_no_crash(broken: dict[str, Any]) -> None:
    list(check(AksFacts(aks_cluster(broken)), LINK, NAMES))


@pytest.mark.parametrize(
    "config",
    [
        {"httpProxy": "http://p:3128", "noProxy": [LINK.dns.zone]},
        {"httpProxy": "http://p:3128", "noProxy": [f".{LINK.dns.zone.partition('.')[2]}"]},
        {"httpProxy": "http://p:3128", "noProxy": ["10.0.0.0/8", LINK.dns.zone.upper()]},
        {"httpProxy": "http://p:3128", "noProxy": ["*"]},
        {"httpProxy": "http://p:3128", "enabled": False},
        {"noProxy": ["x"]},
    ],
)
def test_a_proxy_that_the_names_do_not_go_to(config: dict[str, Any]) -> None:
    assert found(httpProxyConfig=config) == []


def test_a_star_in_no_proxy_is_not_understood_by_every_program() -> None:
    """Go's programs do; requests, which Python's SDKs use, and curl go through the proxy all the same."""
    (finding,) = found(httpProxyConfig={"httpProxy": "http://p:3128", "noProxy": [f"*.{LINK.dns.zone}"]})
    assert f"It names *.{LINK.dns.zone}, which some programs understand; Python's and curl do not." in finding.detail
    assert finding.hint.startswith(f"Add .{LINK.dns.zone} to noProxy")


def test_a_stopped_cluster_where_the_vnet_forwards_keeps_from_the_proof_alone() -> None:
    by_vnet = replace(LINK, dns=replace(LINK.dns, forward="vnet"))
    stopped = AksFacts(aks_cluster(said(powerState={"code": "Stopped"})))
    (one,) = check(stopped, by_vnet, NAMES)
    assert one.severity is Severity.WARNING and "CoreDNS" not in one.detail
    assert "--no-verify" in one.hint
    (one,) = check(stopped, replace(by_vnet, transport="existing"), NAMES)
    assert one.severity is Severity.OBSTACLE and "--no-verify" not in one.hint
