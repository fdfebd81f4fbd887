"""Agent pools: shown with their cluster, and read and written at an address of their own."""

from __future__ import annotations

from cloudlink_sandbox.azure.errors import ApiError, flat, unenveloped
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import inner
from cloudlink_sandbox.azure.managed_clusters import ManagedClusters
from cloudlink_sandbox.azure.operations import refuse_if_locked
from cloudlink_sandbox.azure.pool_profiles import accept_pool, check_pools, most_pods, upgrade
from cloudlink_sandbox.azure.store import Operation, Record


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
            network = record.properties["networkProfile"]
            pods = most_pods(network["networkPlugin"], "networkPluginMode" in network)
            pool = accept_pool(self.store, {**pools.get(name, {}), **given, "name": name}, pods)
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
