"""Agent pools as a cluster's profile has them: what is accepted, and what a cluster needs."""

from __future__ import annotations

import re
from collections.abc import Container

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import flat
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.fields import choice, flag, inner, number
from cloudlink_sandbox.azure.ids import parse
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.azure.vnets import SUBNET

SIZES = ("standard_", "basic_")
TAINT = re.compile(r"[\w./-]+(=[\w.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)")
# Shown by a read, and sent back by clients that write what they read.
READ_ONLY = frozenset(
    ("provisioningState", "powerState", "nodeImageVersion", "orchestratorVersion", "currentOrchestratorVersion", "eTag")
)
# Kept and shown as they were given.
AS_GIVEN = (
    "nodeTaints",
    "nodeLabels",
    "tags",
    "minCount",
    "maxCount",
    "scaleDownMode",
    "availabilityZones",
    "nodePublicIPPrefixID",
    "securityProfile",
    "workloadRuntime",
    "localDNSProfile",
)
SPOT = ("scaleSetPriority", "scaleSetEvictionPolicy", "spotMaxPrice")  # the latter two mean nothing to regular pools
LOCAL_DNS = ("Preferred", "Required", "Disabled")


def most_pods(plugin: str, overlay: bool) -> int:
    """The pods of a node where nobody says how many.

    https://learn.microsoft.com/azure/aks/quotas-skus-regions
    """
    return 250 if overlay else {"azure": 30, "none": 250}.get(plugin.lower(), 110)


def accept_pool(store: Store, pool: Json, pods: int) -> Json:
    """One agent pool as it is kept. pods: of a node, where the pool does not say how many. Raises ApiError."""
    if not pool.get("name"):
        raise flat(400, "InvalidParameter", "The value of parameter agentPoolProfiles.name is invalid.")
    name = str(pool["name"])
    if not (name.isalnum() and name.islower() and len(name) <= 12 and name[0].isalpha()):
        raise flat(400, "InvalidParameter", f"The value of parameter agentPoolProfiles.name is invalid: '{name}'.")
    size = str(pool.get("vmSize") or "Standard_D4ds_v5")
    if not size.lower().startswith(SIZES):
        raise flat(
            400, "BadRequest", f"The VM size of {size} is not allowed in your subscription.", "VMSizeNotSupported"
        )
    kept: Json = {
        "name": name,
        "count": number(pool, "count", 1, 1, 1000, path="properties.agentPoolProfiles"),
        "vmSize": size,
        # 0 stands for the size that goes with the machine
        "osDiskSizeGB": number(pool, "osDiskSizeGB", 128, 0, 2048, path="properties.agentPoolProfiles") or 128,
        "osDiskType": choice(pool, "osDiskType", ("Managed", "Ephemeral"), "Managed"),
        "kubeletDiskType": "OS",
        "maxPods": number(pool, "maxPods", pods, 10, 250, path="properties.agentPoolProfiles"),
        "type": choice(pool, "type", ("VirtualMachineScaleSets", "AvailabilitySet"), "VirtualMachineScaleSets"),
        "enableAutoScaling": flag(pool, "enableAutoScaling", False),
        "provisioningState": "Creating",
        "powerState": {"code": "Running"},
        "enableNodePublicIP": flag(pool, "enableNodePublicIP", False),
        "mode": choice(pool, "mode", ("System", "User"), "User"),
        "enableEncryptionAtHost": flag(pool, "enableEncryptionAtHost", False),
        "enableUltraSSD": flag(pool, "enableUltraSSD", False),
        "osType": choice(pool, "osType", ("Linux", "Windows"), "Linux"),
        "osSKU": choice(pool, "osSKU", ("Ubuntu", "AzureLinux", "Ubuntu2204", "Ubuntu2404"), "Ubuntu"),
        "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202510.03.0",
        "upgradeSettings": {"maxSurge": "10%", **inner(pool, "upgradeSettings")},
        "enableFIPS": False,
    }
    choice(pool, "scaleSetPriority", ("Regular",), "Regular")  # spot pools are not modelled
    refuse_unknown(pool, {*kept, *READ_ONLY, *AS_GIVEN, "podSubnetID", "vnetSubnetID", *SPOT}, "agent pools", name)
    kept.update({field: pool[field] for field in AS_GIVEN if pool.get(field) not in (None, [], {})})
    for taint in kept.get("nodeTaints", ()):
        if not TAINT.fullmatch(str(taint)):
            raise flat(
                400, "InvalidParameter", f"The value of parameter agentPoolProfiles.nodeTaints is invalid: '{taint}'."
            )
    if local := kept.get("localDNSProfile"):
        choice(local, "mode", LOCAL_DNS, path="localDNSProfile")
        local["state"] = "Enabled" if local["mode"] == "Required" else "Disabled"
    if pool.get("podSubnetID"):
        raise errors.not_modelled("pods in a subnet of their own", name)
    if subnet := pool.get("vnetSubnetID"):
        found = store.find(parse(subnet))
        if found is None or not found.is_type(SUBNET):
            wanted = parse(subnet)
            raise flat(
                500 if store.find(wanted.parent()) is None else 400,
                "GetVnetError" if store.find(wanted.parent()) is None else "SubnetNotFound",
                f"Get virtual network failed. Subscription: {wanted.subscription}; resource group: {wanted.group}; "
                f"virtual network name: {wanted.names[0]}; subnet name: {wanted.name}",
            )
        kept["vnetSubnetID"] = str(found.id)
    return kept


def refuse_unknown(given: Json, known: Container[str], what: str, name: str) -> None:
    """Raises ApiError for a field that would have no effect here: it is never dropped in silence."""
    for field, value in given.items():
        if field not in known and value not in (None, False, "", [], {}):
            raise errors.not_modelled(f"{field} of {what}", name)


def check_pools(pools: list[Json]) -> None:
    """Raises ApiError when no pool could run the cluster's own pods."""
    if not any(p["mode"] == "System" for p in pools):
        raise flat(400, "InvalidParameter", "There has to be at least one system agent pool.", "SystemPoolRequired")


def upgrade(pool: Json, version: str) -> None:
    pool["orchestratorVersion"] = pool["currentOrchestratorVersion"] = version
