"""Public IP addresses. A Standard static address is known as soon as its PUT has been answered and settled."""

from __future__ import annotations

import zlib
from ipaddress import IPv4Address

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.fields import array, choice, inner, number
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.locations import LOCATIONS, zones_of
from cloudlink_sandbox.azure.operations import SHORT
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Record
from cloudlink_sandbox.azure.vnets import GATEWAY

PUBLIC_IP = "Microsoft.Network/publicIPAddresses"
LIMIT = 10  # Standard addresses per subscription and region, as new subscriptions have it


class PublicIps(ResourceProvider):
    kinds = ("publicIPAddresses",)
    word = "PublicIpAddress"
    since = {"ipTags": "2018-01-01", "ddosSettings": "2020-01-01"}  # noqa: RUF012 - never changed
    lasts = ("azure.publicip", "azure.publicip", "azure.delete")
    steps = SHORT
    as_given = (
        "ddosSettings",
        "publicIPPrefix",
        "natGateway",
        "linkedPublicIPAddress",
        "deleteOption",
        "migrationPhase",
    )

    def top(self, body: Json, old: Record | None) -> Json:
        sku = inner(body, "sku", path="")
        name = choice(sku, "name", ("Basic", "Standard"), "Basic", path="sku")
        tier = choice(sku, "tier", ("Regional", "Global"), "Regional", path="sku")
        if name == "Basic" and old is None:
            raise ApiError(
                400,
                "IPv4BasicSkuPublicIpCountLimitReached",
                "Cannot create more than 0 IPv4 Basic SKU public IP addresses for this subscription in this region.",
            )
        zones = [str(z) for z in array(body, "zones", path="")]
        if any(z not in ("1", "2", "3") for z in zones):
            raise errors.invalid_value("zones", zones, "1, 2, 3")
        if old is not None and sorted(zones) != sorted(old.top.get("zones", [])):
            raise ApiError(
                400,
                "ResourceAvailabilityZonesCannotBeModified",
                f"Resource {old.id} has an existing availability zone constraint "
                f"{', '.join(old.top.get('zones', []))} and the request has availability zone constraint "
                f"{', '.join(zones)}, which do not match. Zones cannot be added/updated/removed once the resource is "
                "created.",
            )
        top: Json = {"zones": zones} if zones else {}
        top["sku"] = {"name": name, "tier": tier}
        if body.get("extendedLocation"):
            top["extendedLocation"] = body["extendedLocation"]
        return top

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        self.top(body, old)  # refuses before anything is stored
        given = inner(body, "properties", path="")
        if old is None:
            self._check_count(id_, str(body.get("location", "")))
        standard = str(inner(body, "sku", path="").get("name", "")).lower() == "standard"
        method = choice(given, "publicIPAllocationMethod", ("Static", "Dynamic"), "Static" if standard else "Dynamic")
        if standard and method == "Dynamic":
            # Assumption: the code; that Standard addresses must be static is documented.
            raise ApiError(
                400,
                "StandardPublicIPAddressMustBeStatic",
                f"Standard sku publicIp {id_} must have AllocationMethod set to Static.",
            )
        location = str(body.get("location", "")).replace(" ", "").lower()
        if body.get("zones") and location in LOCATIONS and not zones_of(location):
            raise errors.zones_not_supported(PUBLIC_IP, id_.name, location)
        properties: Json = {
            "publicIPAddressVersion": self._version(id_, given),
            "publicIPAllocationMethod": method,
            "idleTimeoutInMinutes": number(given, "idleTimeoutInMinutes", 4, 4, 30),
            "ipTags": array(given, "ipTags"),
            "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},  # unless something else is given
        }
        settings = inner(given, "dnsSettings")
        label = settings.get("domainNameLabel")
        if label:
            fqdn = f"{label}.{str(body['location']).lower()}.cloudapp.azure.com"
            kept = {k: settings[k] for k in ("domainNameLabelScope", "reverseFqdn") if settings.get(k)}
            properties["dnsSettings"] = {"domainNameLabel": label, "fqdn": fqdn, **kept}
        return properties

    def _version(self, id_: ResourceId, given: Json) -> str:
        if (version := choice(given, "publicIPAddressVersion", ("IPv4", "IPv6"), "IPv4")) == "IPv6":
            raise errors.not_modelled("IPv6 addresses", str(id_))
        return version

    def _check_count(self, id_: ResourceId, location: str) -> None:
        wanted = location.replace(" ", "").lower()
        there = [
            r
            for r in self.store.of_type(PUBLIC_IP)
            if r.location == wanted and r.id.subscription.lower() == id_.subscription.lower()
        ]
        if len(there) >= LIMIT:
            raise ApiError(
                400,
                "PublicIPCountLimitReached",
                f"Cannot create more than {LIMIT} public IP addresses for this subscription in this region.",
            )

    def written(self, record: Record, body: Json) -> tuple[str, ...]:
        del body
        record.top.setdefault("sku", {"name": "Standard", "tier": "Regional"})
        assign_address(record, {r.properties.get("ipAddress") for r in self.store.of_type(PUBLIC_IP)})
        return (record.id.key,)

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        shown = super().shape(record, state, listed=listed)
        given = shown.pop("ipAddress", None)
        result: Json = {"provisioningState": state, "resourceGuid": record.guid}
        if given and record.effective is not None:  # not in the answer to the PUT that creates it
            result["ipAddress"] = given
        result.update({k: v for k, v in shown.items() if k not in result})
        if user := self.user(record):
            result["ipConfiguration"] = {"id": user}
        return result

    def user(self, record: Record) -> str | None:
        for gateway in self.store.of_type(GATEWAY):
            for config in gateway.properties["ipConfigurations"]:
                if config["properties"]["publicIPAddress"]["id"].lower() == record.id.key:
                    return f"{gateway.id}/ipConfigurations/{config['name']}"
        return None

    def refuse_delete(self, record: Record) -> None:
        if user := self.user(record):
            raise errors.public_ip_in_use(str(record.id), user)


def assign_address(record: Record, taken: set[object]) -> None:
    """A static address of its own out of 20.0.0.0/8, the same for the same id, so that runs can be compared."""
    if "ipAddress" in record.properties:
        return
    kept = (record.effective or {}).get("ipAddress")
    step = 0
    while kept is None or (kept in taken and record.effective is None):
        mixed = zlib.crc32(f"{record.id.key}/{step}".encode()) % (2**24 - 2**16) + 2**15
        kept = str(IPv4Address((20 << 24) + mixed))
        step += 1
    record.properties["ipAddress"] = kept
