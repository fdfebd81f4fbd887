"""AKS clusters: created, read, deleted; credentials as kubeconfigs. Errors of this provider have no envelope."""

from __future__ import annotations

import base64
import copy
import uuid
import zlib
from collections.abc import Callable
from ipaddress import IPv4Network

import yaml

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError, flat, unenveloped
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.facts import AksEndpoint, cluster_facts
from cloudlink_sandbox.azure.fields import choice, flag, inner, objects
from cloudlink_sandbox.azure.ids import ResourceId, parse
from cloudlink_sandbox.azure.locations import location_of
from cloudlink_sandbox.azure.nothing_dropped import without_secrets
from cloudlink_sandbox.azure.operations import AKS, Operations, refuse_if_locked
from cloudlink_sandbox.azure.pool_profiles import accept_pool, check_pools, most_pods, refuse_unknown, upgrade
from cloudlink_sandbox.azure.resource_provider import ResourceProvider, tags_of
from cloudlink_sandbox.azure.store import Record, Store

CLUSTER = "Microsoft.ContainerService/managedClusters"
AAD_SERVER_APP = "6dae42f8-4368-4678-94ff-3960e28e3630"  # AKS's own Entra application, the same in every tenant
# https://learn.microsoft.com/azure/aks/supported-kubernetes-versions and https://github.com/Azure/AKS/blob/master/CHANGELOG.md:
# 1.35 since March, 1.36 since June, 1.37 since October 2026. Assumption: the patches from 1.35 on.
VERSIONS = {
    "1.31": "1.31.13",
    "1.32": "1.32.9",
    "1.33": "1.33.5",
    "1.34": "1.34.1",
    "1.35": "1.35.2",
    "1.36": "1.36.1",
    "1.37": "1.37.0",
}
DEFAULT_VERSION = "1.35"  # Assumption: the default lags the newest with long support, 1.36, by one
LOCAL_DNS_SINCE = "2026-08-01"  # Assumption: the first version that shows it; older ones leave it out
# Kept and shown as they were given; they have no part in what the sandbox does.
AS_GIVEN = (
    "linuxProfile",
    "windowsProfile",
    "servicePrincipalProfile",
    "autoScalerProfile",
    "nodeProvisioningProfile",
    "nodeResourceGroupProfile",
    "bootstrapProfile",
)
# What is read or shown here; any other field is refused.
KNOWN = frozenset(
    (
        *AS_GIVEN,
        "powerState",
        "provisioningState",
        "kubernetesVersion",
        "currentKubernetesVersion",
        "dnsPrefix",
        "fqdn",
        "privateFQDN",
        "azurePortalFQDN",
        "agentPoolProfiles",
        "nodeResourceGroup",
        "enableRBAC",
        "supportPlan",
        "networkProfile",
        "maxAgentPools",
        "autoUpgradeProfile",
        "disableLocalAccounts",
        "securityProfile",
        "storageProfile",
        "oidcIssuerProfile",
        "workloadAutoScalerProfile",
        "resourceUID",
        "identityProfile",
        "aadProfile",
        "apiServerAccessProfile",
        "httpProxyConfig",
    )
)


class ManagedClusters(ResourceProvider):
    namespace = AKS
    kinds = ("managedClusters",)
    word = "ManagedCluster"
    lasts = ("azure.aks.create", "azure.vng.update", "azure.aks.delete")
    etag_header = False
    retryable = False

    def __init__(self, store: Store, operations: Operations, endpoint: Callable[[], AksEndpoint], tenant: str) -> None:
        super().__init__(store, operations)
        self.endpoint = endpoint
        self.tenant = tenant

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        given = inner(body, "properties", path="")
        network = inner(given, "networkProfile")
        pods = most_pods(str(network.get("networkPlugin") or "kubenet"), bool(network.get("networkPluginMode")))
        pools = [accept_pool(self.store, p, pods) for p in objects(given, "agentPoolProfiles")]
        if not pools:
            raise flat(400, "InvalidParameter", "The value of parameter agentPoolProfiles is invalid: it is required.")
        check_pools(pools)
        refuse_unknown(given, KNOWN, "AKS clusters", str(id_))
        access = self._access(inner(given, "apiServerAccessProfile"), str(id_), old)
        wanted = str(given.get("kubernetesVersion") or "")
        version, patch = self._version(wanted, old)
        network = self._network(network, bool(pools[0].get("vnetSubnetID")))
        self.check_overlap(network, pools)
        if old is not None:
            _refuse_change(old.properties["networkProfile"], network)
        dns = str(given.get("dnsPrefix") or f"{id_.name}-dns")[:54]
        location = str(body.get("location", "")).replace(" ", "").lower()
        mark = f"{zlib.crc32(id_.key.encode()):08x}"
        for pool in pools:
            upgrade(pool, patch)
        aad = inner(given, "aadProfile")
        kept: Json = {
            "powerState": dict(old.properties["powerState"]) if old else {"code": "Running"},
            "kubernetesVersion": version,
            "currentKubernetesVersion": patch,
            "dnsPrefix": dns,
            "fqdn": f"{dns}-{mark}.hcp.{location}.azmk8s.io",
            "azurePortalFQDN": f"{dns}-{mark}.portal.hcp.{location}.azmk8s.io",
            "agentPoolProfiles": pools,
            "nodeResourceGroup": str(given.get("nodeResourceGroup") or f"MC_{id_.group}_{id_.name}_{location}"),
            "enableRBAC": flag(given, "enableRBAC", True),
            "supportPlan": "KubernetesOfficial",
            "networkProfile": network,
            "maxAgentPools": 100,
            "autoUpgradeProfile": {"nodeOSUpgradeChannel": "NodeImage"},
            "disableLocalAccounts": flag(given, "disableLocalAccounts", False),
            "securityProfile": {},
            "storageProfile": {
                "diskCSIDriver": {"enabled": True},
                "fileCSIDriver": {"enabled": True},
                "snapshotController": {"enabled": True},
            },
            "oidcIssuerProfile": {"enabled": False},
            "workloadAutoScalerProfile": {},
            "resourceUID": old.properties["resourceUID"] if old else uuid.uuid4().hex[:24],
        }
        if access:
            kept["apiServerAccessProfile"] = access
        if access.get("enablePrivateCluster"):
            kept["privateFQDN"] = (
                f"{dns}-{mark}.{uuid.uuid5(uuid.NAMESPACE_URL, id_.key)}.privatelink.{location}.azmk8s.io"
            )
            if access.get("enablePrivateClusterPublicFQDN") is False:
                kept.pop("fqdn")
        kept.update({f: without_secrets(given[f]) for f in AS_GIVEN if given.get(f) not in (None, [], {})})
        if inner(body, "identity", path="").get("type", "None") != "None":  # else a service principal's
            kept["identityProfile"] = {"kubeletidentity": _kubelet_identity(id_, kept["nodeResourceGroup"])}
        if proxy := _proxy(inner(given, "httpProxyConfig"), network, str(id_)):
            kept["httpProxyConfig"] = proxy
        if aad:
            kept["aadProfile"] = {
                "managed": flag(aad, "managed", True),
                "enableAzureRBAC": flag(aad, "enableAzureRBAC", False),
                "tenantID": aad.get("tenantID") or "",
                "adminGroupObjectIDs": aad.get("adminGroupObjectIDs"),
            }
        if kept["disableLocalAccounts"] and not aad:
            raise flat(
                400, "BadRequest", "Local accounts can only be disabled on clusters with Microsoft Entra integration."
            )
        return kept

    def _access(self, given: Json, id_: str, old: Record | None) -> Json:
        """Who reaches the API server. https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges"""
        known = ("authorizedIPRanges", "enablePrivateCluster", "enablePrivateClusterPublicFQDN", "privateDNSZone")
        refuse_unknown(given, (*known, "disableRunCommand"), "apiServerAccessProfile", id_)
        kept: Json = {field: given[field] for field in (*known, "disableRunCommand") if given.get(field) is not None}
        ranges = kept.get("authorizedIPRanges") or []
        for text in ranges:
            try:
                IPv4Network(str(text), strict=False)
            except ValueError:
                raise flat(
                    400,
                    "InvalidParameter",
                    f"The value of parameter apiServerAccessProfile.authorizedIPRanges is invalid: '{text}'.",
                ) from None
        private = bool(kept.get("enablePrivateCluster"))
        if private and ranges:
            raise flat(400, "BadRequest", "Authorized IP ranges cannot be used with private clusters.")
        before = old.properties.get("apiServerAccessProfile", {}) if old else {}
        if old is not None and private != bool(before.get("enablePrivateCluster")):
            raise flat(
                400,
                "PropertyChangeNotAllowed",
                "Changing property 'apiServerAccessProfile.enablePrivateCluster' is not allowed.",
            )
        if private:
            kept.setdefault("privateDNSZone", "system")
            kept.setdefault("enablePrivateClusterPublicFQDN", True)
        return kept

    def _version(self, wanted: str, old: Record | None) -> tuple[str, str]:
        if not wanted:
            kept = (old.properties["kubernetesVersion"], old.properties["currentKubernetesVersion"]) if old else None
            return kept or (DEFAULT_VERSION, VERSIONS[DEFAULT_VERSION])
        minor = ".".join(wanted.split(".")[:2])
        if minor not in VERSIONS or (wanted != minor and not wanted.replace(".", "").isdigit()):
            raise flat(
                400,
                "K8sVersionNotSupported",
                f"Managed cluster is on version {wanted} which is not supported in this region. Please use `az aks "
                f"get-versions` to get the supported version list. Supported: {', '.join(VERSIONS)}.",
            )
        return wanted, wanted if wanted != minor else VERSIONS[minor]

    def _network(self, given: Json, byo_subnet: bool) -> Json:
        plugin = choice(given, "networkPlugin", ("azure", "kubenet", "none"), "kubenet")
        mode = given.get("networkPluginMode")
        if mode is not None:
            choice(given, "networkPluginMode", ("overlay",))
        overlay = mode is not None or plugin == "kubenet"
        service = self._cidr(given, "serviceCidr", "10.0.0.0/16")
        network: Json = {"networkPlugin": plugin}
        if mode is not None:
            network["networkPluginMode"] = "overlay"
        policy = choice(given, "networkPolicy", ("none", "calico", "azure", "cilium"), "none")
        plane = choice(given, "networkDataplane", ("azure", "cilium"), "azure")
        # Recorded: with kubenet they are shown where they were given, with Azure's plugin always
        for name, value in (("networkPolicy", policy), ("networkDataplane", plane)):
            if plugin != "kubenet" or given.get(name):
                network[name] = value
        network["loadBalancerSku"] = choice(given, "loadBalancerSku", ("standard",), "standard")
        network["loadBalancerProfile"] = {"managedOutboundIPs": {"count": 1}, "backendPoolType": "nodeIPConfiguration"}
        if overlay:
            network["podCidr"] = self._cidr(given, "podCidr", "10.244.0.0/16")
        elif given.get("podCidr"):
            raise flat(400, "InvalidParameter", "podCidr cannot be set with the azure network plugin without overlay.")
        dns = str(given.get("dnsServiceIP") or IPv4Network(service).network_address + 10)
        network.update({"serviceCidr": service, "dnsServiceIP": dns})
        outbound = ("loadBalancer", "userDefinedRouting", "managedNATGateway", "userAssignedNATGateway", "none")
        network["outboundType"] = choice(given, "outboundType", outbound, "loadBalancer")
        if network["outboundType"] == "userDefinedRouting" and not byo_subnet:
            raise flat(400, "BadRequest", "userDefinedRouting needs a subnet of your own.")
        if overlay:
            network["podCidrs"] = [network["podCidr"]]
        network["serviceCidrs"] = [service]
        network["ipFamilies"] = ["IPv4"]
        return network

    def _cidr(self, given: Json, name: str, default: str) -> str:
        text = str(given.get(name) or default)
        try:
            return str(IPv4Network(text))
        except ValueError:
            raise flat(
                400, "InvalidParameter", f"The value of parameter networkProfile.{name} is invalid: '{text}'."
            ) from None

    def check_overlap(self, network: Json, pools: list[Json]) -> None:
        service = IPv4Network(network["serviceCidr"])
        taken = [("podCidr", IPv4Network(network["podCidr"]))] if "podCidr" in network else []
        for pool in pools:
            subnet = self.store.find(parse(pool["vnetSubnetID"])) if "vnetSubnetID" in pool else None
            if subnet is not None and (text := subnet.properties.get("addressPrefix")):
                taken.append((f"subnet {subnet.name}", IPv4Network(text)))
        for what, other in taken:
            if service.overlaps(other):
                raise flat(
                    400,
                    "ServiceCidrOverlapExistingSubnetsCidr",
                    f"The specified service CIDR {service} is conflicted with an existing CIDR {other} ({what}).",
                )

    def top(self, body: Json, old: Record | None) -> Json:
        identity = inner(body, "identity", path="")
        top: Json = {}
        if identity:
            kind = choice(identity, "type", ("SystemAssigned", "UserAssigned", "None"), path="identity")
            top["identity"] = {"type": kind}
            if kind == "SystemAssigned":
                kept = (old.top.get("identity", {}).get("principalId") if old else None) or str(uuid.uuid4())
                top["identity"].update(principalId=kept, tenantId=self.tenant)
        top["sku"] = {
            "name": choice(inner(body, "sku", path=""), "name", ("Base", "Automatic"), "Base", path="sku"),
            "tier": choice(inner(body, "sku", path=""), "tier", ("Free", "Standard", "Premium"), "Free", path="sku"),
        }
        return top

    def show(self, record: Record, *, listed: bool = False) -> Json:
        shown = super().show(record, listed=listed)
        shown.pop("etag")
        shown["type"] = "Microsoft.ContainerService/ManagedClusters"  # as the provider spells it
        return shown

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        shown = copy.deepcopy(super().shape(record, state, listed=listed))
        shown.pop("resourceGuid")
        for pool in shown["agentPoolProfiles"]:
            pool["provisioningState"] = state
        network = shown["networkProfile"]
        if record.effective is not None and network["outboundType"] == "loadBalancer":
            # the address of the load balancer through which pods reach the internet, which is in the nodes' group
            number = uuid.uuid5(uuid.NAMESPACE_URL, f"{record.id.key}/outbound")
            place = f"/subscriptions/{record.id.subscription}/resourceGroups/{shown['nodeResourceGroup']}"
            network["loadBalancerProfile"]["effectiveOutboundIPs"] = [
                {"id": f"{place}/providers/Microsoft.Network/publicIPAddresses/{number}"}
            ]
        return shown

    def first_answer(self, shown: Json) -> Json:
        """Recorded: the answer to the PUT alone shows labels of pools that have none."""
        for pool in shown["properties"]["agentPoolProfiles"]:
            pool.setdefault("nodeLabels", {})
        return shown

    def write_state(self, record: Record, *, created: bool) -> str:
        del record
        return "Creating" if created else "Updating"

    def put(self, request: Request) -> Answer:
        try:
            return super().put(request)
        except ApiError as error:
            raise unenveloped(error) from None

    def delete(self, request: Request) -> Answer:
        try:
            return super().delete(request)
        except ApiError as error:
            raise unenveloped(error) from None

    def patch(self, request: Request) -> Answer:
        record = self.record(request)
        refuse_if_locked(self.store, self.operations, request, record.id, (record.id.key,), retryable=False)
        record.tags = tags_of(request.json())
        return Answer(200, self.show(record))

    def get(self, request: Request) -> Answer:
        answer = super().get(request)
        if request.api_version < LOCAL_DNS_SINCE:  # a version from before a field leaves it out
            shown = answer.body["properties"]
            pools = [{k: v for k, v in p.items() if k != "localDNSProfile"} for p in shown["agentPoolProfiles"]]
            answer.body["properties"] = {**shown, "agentPoolProfiles": pools}
        return answer

    # Power: what is stopped stays Succeeded. https://learn.microsoft.com/azure/aks/start-stop-cluster

    def stop(self, request: Request) -> Answer:
        return self._power(request, "Stopped", "Stop", "Stopping")

    def start(self, request: Request) -> Answer:
        return self._power(request, "Running", "Start", "Starting")

    def _power(self, request: Request, code: str, verb: str, shows: str) -> Answer:
        try:
            record = self.record(request)
            refuse_if_locked(self.store, self.operations, request, record.id, (record.id.key,), retryable=False)
        except ApiError as error:
            raise unenveloped(error) from None
        pools = [{**p, "powerState": {"code": code}} for p in record.properties["agentPoolProfiles"]]
        record.properties = {**record.properties, "powerState": {"code": code}, "agentPoolProfiles": pools}
        operation = self.operations.start(
            request,
            record,
            name=f"{verb}ManagedClusterOperation",
            lasts=self.lasts[1],
            shows=shows,
            flips=(record.id.key,),
            applies=(record.id.key,),
            locks=(record.id.key,),
            steps=self.steps,
            empties=True,
        )
        return self.operations.accepted(request, operation, 202)

    # Versions of Kubernetes

    def versions(self, request: Request) -> Answer:
        """What can be had in a location."""
        self.store.check_subscription(request.where["subscription"])
        location_of(request.where["location"], CLUSTER)
        offered = [
            {
                "version": minor,
                "isDefault": minor == DEFAULT_VERSION,
                "isPreview": False,
                "capabilities": {"supportPlan": ["KubernetesOfficial"]},
                "patchVersions": {patch: {"upgrades": _newer(patch)}},
            }
            for minor, patch in VERSIONS.items()
        ]
        return Answer(200, {"values": offered})

    def upgrades(self, request: Request) -> Answer:
        """What the cluster and its pools could be upgraded to."""
        record = self.record(request)
        now = record.properties["currentKubernetesVersion"]
        newer = [{"kubernetesVersion": v, "isPreview": False} for v in _newer(now)]
        profile = {"kubernetesVersion": now, "osType": "Linux", **({"upgrades": newer} if newer else {})}
        pools = [{**profile, "name": p["name"]} for p in record.properties["agentPoolProfiles"]]
        answer: Json = {
            "id": f"{record.id}/upgradeprofiles/default",
            "name": "default",
            "type": f"{CLUSTER}/upgradeprofiles",
            "properties": {"controlPlaneProfile": profile, "agentPoolProfiles": pools},
        }
        return Answer(200, answer)

    # Credentials

    def user_credential(self, request: Request) -> Answer:
        record = self._running(request)
        form = request.query.get("format", "azure")
        config = (
            self._entra_config(record, form) if record.properties.get("aadProfile") else self._config(record, "User")
        )
        return _kubeconfigs("clusterUser", config)

    def admin_credential(self, request: Request) -> Answer:
        record = self._running(request)
        if record.properties["disableLocalAccounts"]:
            raise flat(
                400,
                "BadRequest",
                "Getting static credential is not allowed because this cluster is set to disable local accounts.",
            )
        return _kubeconfigs("clusterAdmin", self._config(record, "Admin"))

    def _running(self, request: Request) -> Record:
        record = self.record(request)
        if record.effective is None:
            raise flat(
                404, "NotFound", f"Could not find credentials of managed cluster {record.name}: it is being made."
            )
        return record

    def _config(self, record: Record, role: str) -> Json:
        url, authority, token = self.endpoint()(cluster_facts(self.store, record))
        user = f"cluster{role}_{record.id.group}_{record.name}"
        # both name cluster and context alike: it is az that adds "-admin" when it merges the second into a file
        return _kubeconfig(record.name, url, authority, user, {"token": token})

    def _entra_config(self, record: Record, form: str) -> Json:
        """``format=exec`` gives what kubelogin understands; so does no format since Kubernetes 1.24."""
        if form not in ("azure", "exec"):
            raise flat(400, "BadRequest", f"The format {form} is not valid.")
        url, authority, _ = self.endpoint()(cluster_facts(self.store, record))
        arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", AAD_SERVER_APP]
        arguments += ["--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a"]
        arguments += ["--tenant-id", record.properties["aadProfile"]["tenantID"], "--login", "devicecode"]
        user = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": "kubelogin",
                "args": arguments,
                "env": None,
                "provideClusterInfo": False,
                "installHint": "kubelogin is not installed; see https://aka.ms/aks/kubelogin",
            }
        }
        return _kubeconfig(record.name, url, authority, f"clusterUser_{record.id.group}_{record.name}", user)

    def missing(self, id_: ResourceId) -> ApiError:
        return errors.resource_not_found(CLUSTER, id_.name, id_.group)


def _proxy(given: Json, network: Json, id_: str) -> Json:
    """The proxy of nodes and pods, and what goes round it. Raises ApiError.

    Assumption: what AKS adds to noProxy by itself, and what it says of an address that is none.
    https://learn.microsoft.com/azure/aks/http-proxy
    """
    known = ("httpProxy", "httpsProxy", "noProxy", "trustedCa", "enabled")
    refuse_unknown(given, (*known, "effectiveNoProxy"), "httpProxyConfig", id_)
    kept: Json = {name: given[name] for name in known if given.get(name) not in (None, "", [])}
    for name in ("httpProxy", "httpsProxy"):
        if name in kept and not str(kept[name]).startswith(("http://", "https://")):
            raise flat(
                400, "InvalidParameter", f"The value of parameter httpProxyConfig.{name} is invalid: '{kept[name]}'."
            )
    if kept:
        usual = [
            "localhost",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            ".svc",
            ".svc.cluster.local",
            "konnectivity",
        ]
        ranges = [network["serviceCidr"], *([network["podCidr"]] if "podCidr" in network else [])]
        kept["effectiveNoProxy"] = [*kept.get("noProxy", []), *usual, *ranges]
    return kept


def _newer(version: str) -> list[str]:
    """One minor version at a time: AKS skips none."""
    minor = int(version.split(".")[1])
    return [patch for name, patch in VERSIONS.items() if int(name.split(".")[1]) == minor + 1]


def _refuse_change(before: Json, after: Json) -> None:
    """What a cluster keeps for its life. Raises ApiError."""
    for field in ("networkPlugin", "podCidr", "serviceCidr", "dnsServiceIP"):
        if field in before and before[field] != after.get(field):
            raise flat(400, "PropertyChangeNotAllowed", f"Changing property 'networkProfile.{field}' is not allowed.")


def _kubelet_identity(id_: ResourceId, nodes: str) -> Json:
    """The managed identity that AKS makes for the nodes, in their resource group."""
    name = f"{id_.name}-agentpool"
    place = f"/subscriptions/{id_.subscription}/resourcegroups/{nodes}/providers/Microsoft.ManagedIdentity"
    return {
        "resourceId": f"{place}/userAssignedIdentities/{name}",
        "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{id_.key}/client")),
        "objectId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{id_.key}/object")),
    }


def _kubeconfig(cluster: str, url: str, authority: str, user: str, credential: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {
                "name": cluster,
                "cluster": {
                    "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
                    "server": url,
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
        "users": [{"name": user, "user": credential}],
    }


def _kubeconfigs(name: str, config: Json) -> Answer:
    value = base64.b64encode(yaml.safe_dump(config, sort_keys=False).encode()).decode()
    return Answer(200, {"kubeconfigs": [{"name": name, "value": value}]})
