"""Agent pools: shown with their cluster, and read and written at an address of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError, flat, unenveloped
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import choice, flag, inner, number
from cloudlink_sandbox.azure.ids import parse
from cloudlink_sandbox.azure.operations import refuse_if_locked
from cloudlink_sandbox.azure.store import Operation, Record, Store
from cloudlink_sandbox.azure.vnets import SUBNET

if TYPE_CHECKING:
    from cloudlink_sandbox.azure.managed_clusters import ManagedClusters

SIZES = ("standard_", "basic_")


class AgentPools:
    """They are kept in their cluster: a write of one is a write of the cluster."""

    def __init__(self, clusters: ManagedClusters) -> None:
        self.clusters = clusters
        self.store = clusters.store
        self.operations = clusters.operations

    def list_children(self, request: Request) -> Answer:
        record = self.clusters.record(request)
        return Answer(200, {"value": [self._show(record, p) for p in self._pools(record)]})

    def get(self, request: Request) -> Answer:
        record = self.clusters.record(request)
        for pool in self._pools(record):
            if pool["name"] == request.where["pool"].lower():
                return Answer(200, self._show(record, pool))
        raise flat(404, "NotFound", f"Could not find agent pool {request.where['pool']} in cluster {record.name}.")

    def put(self, request: Request) -> Answer:
        try:
            record = self._free(request)
            name = request.where["pool"].lower()
            pools = {str(p["name"]): p for p in record.properties["agentPoolProfiles"]}
            given = inner(request.json(), "properties", path="")  # what is left out stays as it is
            pool = accept_pool(self.store, {**pools.get(name, {}), **given, "name": name})
        except ApiError as error:
            raise unenveloped(error) from None
        upgrade(pool, record.properties["currentKubernetesVersion"])
        new = name not in pools
        pools[name] = pool
        check_pools([*pools.values()])
        self.clusters.check_overlap(record.properties["networkProfile"], [pool])
        operation = self._write(request, record, [*pools.values()], "Put")
        shown = next(p for p in self._pools(record) if p["name"] == name)
        return self.operations.accepted(request, operation, 201 if new else 200, self._show(record, shown))

    def delete(self, request: Request) -> Answer:
        record = self._free(request)
        name = request.where["pool"].lower()
        left = [p for p in record.properties["agentPoolProfiles"] if p["name"] != name]
        if len(left) == len(record.properties["agentPoolProfiles"]):
            return Answer(204)
        check_pools(left)
        return self.operations.accepted(request, self._write(request, record, left, "Delete"), 202)

    def _free(self, request: Request) -> Record:
        """Raises ApiError when the cluster is missing or being written."""
        record = self.clusters.record(request)
        try:
            refuse_if_locked(self.store, self.operations, request, record.id, (record.id.key,), retryable=False)
        except ApiError as error:
            raise unenveloped(error) from None
        return record

    def _write(self, request: Request, record: Record, pools: list[Json], verb: str) -> Operation:
        """The cluster with these pools, in force when the operation ends."""
        record.properties = {**record.properties, "agentPoolProfiles": pools}
        return self.operations.start(
            request,
            record,
            name=f"{verb}AgentPoolOperation",
            lasts=self.clusters.lasts[1],
            shows="Updating",
            flips=(record.id.key,),
            applies=(record.id.key,),
            locks=self.clusters.locks(record.id, record.properties),
            steps=self.clusters.steps,
        )

    def _pools(self, record: Record) -> list[Json]:
        pools: list[Json] = self.clusters.show(record)["properties"]["agentPoolProfiles"]
        return pools

    def _show(self, record: Record, pool: Json) -> Json:
        properties = {k: v for k, v in pool.items() if k != "name"}
        return {
            "id": f"{record.id}/agentPools/{pool['name']}",
            "name": pool["name"],
            "type": f"{self.clusters.type}/agentPools",
            "properties": properties,
        }


def accept_pool(store: Store, pool: Json) -> Json:
    """One agent pool as it is kept. Raises ApiError."""
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
        "osDiskSizeGB": number(pool, "osDiskSizeGB", 128, 0, 2048, path="properties.agentPoolProfiles"),
        "osDiskType": choice(pool, "osDiskType", ("Managed", "Ephemeral"), "Managed"),
        "kubeletDiskType": "OS",
        "maxPods": number(pool, "maxPods", 110, 10, 250, path="properties.agentPoolProfiles"),
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
        "upgradeSettings": {"maxSurge": "10%"},
        "enableFIPS": False,
    }
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


def check_pools(pools: list[Json]) -> None:
    """Raises ApiError when no pool could run the cluster's own pods."""
    if not any(p["mode"] == "System" for p in pools):
        raise flat(400, "InvalidParameter", "There has to be at least one system agent pool.", "SystemPoolRequired")


def upgrade(pool: Json, version: str) -> None:
    pool["orchestratorVersion"] = pool["currentOrchestratorVersion"] = version
