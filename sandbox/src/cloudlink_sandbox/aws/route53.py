"""Route 53's answers. https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53.html"""

from __future__ import annotations

import secrets
import string
from typing import Any

from moto.core.responses import EmptyResult
from moto.ec2.models import ec2_backends

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.route53_zones import (
    Change,
    HostedZone,
    Zones,
    applied,
    canonical,
    first_records,
    new_zone_id,
    order,
)
from cloudlink_sandbox.aws.timeline import as_datetime

# https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHostedZone.html
_LONGEST_ID = 32


class Route53Handlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="route53")
        self.automated_parameter_parsing = True

    @property
    def store(self) -> Zones:
        return self.cloud.zones

    def _zone(self, given_id: str) -> HostedZone:
        """Raises ApiError NoSuchHostedZone, and InvalidInput for what is too long to be an id."""
        number = given_id.removeprefix("/").removeprefix("hostedzone/")
        if len(number) > _LONGEST_ID:
            raise ApiError(
                "InvalidInput",
                f"1 validation error detected: Value '{given_id}' at 'id' failed to satisfy constraint: Member must have length "
                f"less than or equal to {_LONGEST_ID}",
            )
        zone = self.store.zones.get(number)
        if zone is None:
            raise ApiError("NoSuchHostedZone", f"No hosted zone found with ID: {given_id.rsplit('/', 1)[-1]}", 404)
        return zone

    def _change(self, zone: HostedZone, comment: str = "") -> dict[str, Any]:
        number = "C" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(19))
        seconds = self.sample("aws.route53.change", f"{zone.name}/{len(self.store.changes)}")
        end = self.now + seconds if self.outcome() == "succeeds" else float("inf")
        change = self.store.changes[number] = Change(number, self.now, end, comment)
        return self._change_json(change)

    def _change_json(self, change: Change) -> dict[str, Any]:
        return {
            "Id": f"/change/{change.id}",
            "Status": "INSYNC" if self.now >= change.in_sync_at else "PENDING",
            "SubmittedAt": as_datetime(change.submitted),
            "Comment": change.comment or None,
        }

    @staticmethod
    def _zone_json(zone: HostedZone) -> dict[str, Any]:
        return {
            "Id": f"/hostedzone/{zone.id}",
            "Name": zone.name,
            "CallerReference": zone.caller_reference,
            "Config": {"Comment": zone.comment or None, "PrivateZone": zone.private},
            "ResourceRecordSetCount": len(zone.records),
        }

    @staticmethod
    def _vpcs(zone: HostedZone) -> list[dict[str, str]]:
        return [{"VPCRegion": region, "VPCId": vpc} for vpc, region in zone.vpcs.items()]

    def _check_vpc(self, name: str, besides: str = "") -> tuple[str, str]:
        """The VPC of the request. Raises ApiError for one that does not exist or has a zone of this name already."""
        vpc, region = self.given("VPC.VPCId"), self.given("VPC.VPCRegion")
        if not vpc or not region:
            raise ApiError("InvalidInput", "A VPC needs its id and its region.")
        account = ec2_backends[self.cloud.account]
        if region not in account.regions or vpc not in account[region].vpcs:
            raise ApiError("InvalidVPCId", f"The VPC: {vpc} in region {region} that you provided is not authorized.")
        for zone in self.store.zones.values():
            if zone.id != besides and zone.name == name and vpc in zone.vpcs:
                raise ApiError(
                    "ConflictingDomainExists",
                    f"The VPC {vpc} in region {region} has already been associated with the hosted zone {zone.id} "
                    "with the same domain name.",
                )
        return vpc, region

    def create_hosted_zone(self) -> Plain:
        """A VPC makes the zone private, whatever HostedZoneConfig.PrivateZone says. There are no tags at creation."""
        name, reference = canonical(self.given("Name")), self.given("CallerReference")
        if any(z.caller_reference == reference for z in self.store.zones.values()):
            raise ApiError(
                "HostedZoneAlreadyExists",
                f"A hosted zone has already been created with the specified caller reference ({reference}).",
                409,
            )
        if any(len(label) > 63 or not label for label in name.removesuffix(".").split(".")) or len(name) > 255:
            raise ApiError("InvalidDomainName", f"The domain name {name} is not valid.")
        private = self.given("VPC") is not None
        if not private and str(self.given("HostedZoneConfig.PrivateZone", False)).lower() == "true":
            raise ApiError("InvalidInput", "When you're creating a private hosted zone, you must specify a VPC.")
        vpcs = dict([self._check_vpc(name)]) if private else {}
        comment = self.given("HostedZoneConfig.Comment") or ""
        zone = HostedZone(new_zone_id(), name, reference, comment, private, vpcs, self.now)
        first_records(zone)
        self.store.zones[zone.id] = zone
        result: dict[str, Any] = {
            "HostedZone": self._zone_json(zone),
            "ChangeInfo": self._change(zone),
            "DelegationSet": {"NameServers": list(zone.records[name, "NS"].values)},
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
        }
        if private:
            result["VPC"] = self._vpcs(zone)[0]
        return Plain(result)

    def get_hosted_zone(self) -> Plain:
        zone = self._zone(self.given("Id"))
        result: dict[str, Any] = {"HostedZone": self._zone_json(zone)}
        if zone.private:
            result["VPCs"] = self._vpcs(zone)
        else:
            result["DelegationSet"] = {"NameServers": list(zone.records[zone.name, "NS"].values)}
        return Plain(result)

    def get_hosted_zone_count(self) -> Plain:
        return Plain({"HostedZoneCount": len(self.store.zones)})

    def list_hosted_zones(self) -> Plain:
        size, marker = int(self.given("MaxItems", 100)), self.given("Marker")
        zones = list(self.store.zones.values())
        start = next((i for i, z in enumerate(zones) if z.id == marker), 0)
        if marker and not any(z.id == marker for z in zones):
            raise ApiError("InvalidInput", f"The marker {marker} is not valid.")
        rest = zones[start:]
        result: dict[str, Any] = {
            "HostedZones": [self._zone_json(z) for z in rest[:size]],
            "Marker": marker or "",
            "IsTruncated": len(rest) > size,
            "MaxItems": str(size),
        }
        if len(rest) > size:
            result["NextMarker"] = rest[size].id
        return Plain(result)

    def list_hosted_zones_by_name(self) -> Plain:
        """Not a filter: the list starts at the name."""
        size, name = int(self.given("MaxItems", 100)), self.given("DNSName")
        zones = sorted(self.store.zones.values(), key=lambda z: (order(z.name), z.id))
        if name:
            first, zone_id = order(canonical(name)), self.given("HostedZoneId") or ""
            zones = [z for z in zones if (order(z.name), z.id) >= (first, zone_id.rsplit("/", 1)[-1])]
        result: dict[str, Any] = {
            "HostedZones": [self._zone_json(z) for z in zones[:size]],
            "IsTruncated": len(zones) > size,
            "MaxItems": str(size),
        }
        if name:
            result["DNSName"] = name
        if len(zones) > size:
            result["NextDNSName"], result["NextHostedZoneId"] = zones[size].name, zones[size].id
        return Plain(result)

    def list_hosted_zones_by_vpc(self) -> Plain:
        vpc, size = self.given("VPCId"), int(self.given("MaxItems", 100))
        found = [z for z in self.store.zones.values() if vpc in z.vpcs]
        start = int(self.given("NextToken") or 0)
        result: dict[str, Any] = {
            "HostedZoneSummaries": [
                {"HostedZoneId": z.id, "Name": z.name, "Owner": {"OwningAccount": self.cloud.account}}
                for z in found[start : start + size]
            ],
            "MaxItems": str(size),
        }
        if start + size < len(found):
            result["NextToken"] = str(start + size)
        return Plain(result)

    def delete_hosted_zone(self) -> Plain:
        zone = self._zone(self.given("Id"))
        if not zone.holds_own_records_only():
            raise ApiError(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.",
            )
        change = self._change(zone)
        del self.store.zones[zone.id]
        return Plain({"ChangeInfo": change})

    def update_hosted_zone_comment(self) -> Plain:
        zone = self._zone(self.given("Id"))
        zone.comment = self.given("Comment") or ""
        return Plain({"HostedZone": self._zone_json(zone)})

    def associate_vpc_with_hosted_zone(self) -> Plain:
        zone = self._zone(self.given("HostedZoneId"))
        if not zone.private:
            raise ApiError("PublicZoneVPCAssociation", "You're trying to associate a VPC with a public hosted zone.")
        vpc, region = self._check_vpc(zone.name)
        zone.vpcs[vpc] = region
        return Plain({"ChangeInfo": self._change(zone, self.given("Comment") or "")})

    def disassociate_vpc_from_hosted_zone(self) -> Plain:
        zone, vpc = self._zone(self.given("HostedZoneId")), self.given("VPC.VPCId")
        if vpc not in zone.vpcs:
            raise ApiError("VPCAssociationNotFound", f"The VPC {vpc} is not associated with the hosted zone.", 404)
        if len(zone.vpcs) == 1:
            raise ApiError("LastVPCAssociation", "The VPC that you're trying to disassociate is the last one.")
        del zone.vpcs[vpc]
        return Plain({"ChangeInfo": self._change(zone, self.given("Comment") or "")})

    def change_resource_record_sets(self) -> Plain:
        """All of a batch or nothing."""
        zone = self._zone(self.given("HostedZoneId"))
        zone.records = applied(zone, self.given("ChangeBatch.Changes", []))
        return Plain({"ChangeInfo": self._change(zone, self.given("ChangeBatch.Comment") or "")})

    def list_resource_record_sets(self) -> Plain:
        zone = self._zone(self.given("HostedZoneId"))
        size = min(int(self.given("MaxItems", 300)), 300)
        name, kind = self.given("StartRecordName"), self.given("StartRecordType")
        if kind and not name:
            raise ApiError("InvalidInput", "The input is not valid: a start type needs a start name.")
        records = zone.in_order()
        if name:
            first = order(canonical(name)), kind or ""
            records = [r for r in records if (order(r.name), r.type) >= first]
        result: dict[str, Any] = {
            "ResourceRecordSets": [r.json() for r in records[:size]],
            "IsTruncated": len(records) > size,
            "MaxItems": str(size),
        }
        if len(records) > size:
            result["NextRecordName"], result["NextRecordType"] = records[size].key
        return Plain(result)

    def get_change(self) -> Plain:
        number = self.given("Id").rsplit("/", 1)[-1]
        change = self.store.changes.get(number)
        if change is None:
            raise ApiError("NoSuchChange", f"Could not find resource with ID: {number}", 404)
        return Plain({"ChangeInfo": self._change_json(change)})

    def _tagged(self, given_id: str) -> HostedZone:
        if self.given("ResourceType") != "hostedzone":
            raise ApiError("InvalidInput", "Only hosted zones are modelled by the sandbox.")
        if "/" in given_id or len(given_id) > 32:
            raise ApiError(
                "InvalidInput", f"1 validation error detected: Value '{given_id}' at 'resourceId' is not valid"
            )
        return self._zone(given_id)

    def change_tags_for_resource(self) -> EmptyResult:
        zone = self._tagged(self.given("ResourceId"))
        for tag in self.given("AddTags", []):
            zone.tags[tag["Key"]] = tag.get("Value", "")
        for key in self.given("RemoveTagKeys", []):
            zone.tags.pop(key, None)
        return EmptyResult()

    @staticmethod
    def _tag_set(zone: HostedZone) -> dict[str, Any]:
        return {
            "ResourceType": "hostedzone",
            "ResourceId": zone.id,
            "Tags": [{"Key": k, "Value": v} for k, v in zone.tags.items()],
        }

    def list_tags_for_resource(self) -> Plain:
        return Plain({"ResourceTagSet": self._tag_set(self._tagged(self.given("ResourceId")))})

    def list_tags_for_resources(self) -> Plain:
        zones = [self._tagged(zone_id) for zone_id in self.given("ResourceIds", [])]
        return Plain({"ResourceTagSets": [self._tag_set(z) for z in zones]})
