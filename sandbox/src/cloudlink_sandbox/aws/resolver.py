"""Route 53 Resolver: endpoints with a life, network interfaces and quotas; their rules are ``resolver_rules``.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53_Resolver.html
"""

from __future__ import annotations

import json
import re
import secrets
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast

from moto.route53resolver.models import Route53ResolverBackend, route53resolver_backends
from moto.route53resolver.responses import Route53ResolverResponse

from cloudlink_sandbox.aws import from_moto
from cloudlink_sandbox.aws.backend import SandboxEc2, network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.timeline import Timeline, as_text

MOST_ENDPOINTS = 4
MOST_ADDRESSES = 6
"""Default quotas. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""

_PROTOCOLS = ("Do53", "DoH", "DoH-FIPS")
_BROKEN = ("FAILED_CREATION", "FAILED_RESOURCE_GONE")
_DIRECTIONS = {"INBOUND": "in", "OUTBOUND": "out"}


@dataclass
class EndpointAddress:
    """One IP of an endpoint: one network interface in one subnet."""

    id: str
    subnet_id: str
    ip: IPv4Address
    interface_id: str
    life: Timeline
    born: float


@dataclass
class ResolverEndpoint:
    """removing: addresses on their way out, whose interfaces go when the update ends."""

    id: str
    arn: str
    region: str
    name: str | None
    creator_request_id: str
    direction: str
    security_groups: tuple[str, ...]
    vpc_id: str
    protocols: tuple[str, ...]
    life: Timeline
    born: float
    addresses: list[EndpointAddress] = field(default_factory=list)
    modified: float = 0.0

    def status(self, now: float) -> str:
        return self.life.at(now)

    def present(self, now: float) -> list[EndpointAddress]:
        return [a for a in self.addresses if a.life.at(now) != "gone"]

    def _what_is_needed(self, now: float) -> str:
        gone = sum(a.life.at(now) == "FAILED_RESOURCE_GONE" for a in self.addresses)
        if gone:
            return f"{gone} IP address(es) have lost their network interface"
        return "1 IP address(es) failed to be created"

    def json(self, now: float) -> dict[str, Any]:
        status = self.status(now)
        said = {
            "OPERATIONAL": "This Resolver Endpoint is operational.",
            "CREATING": "Creating the Resolver Endpoint",
            "UPDATING": "Updating the Resolver Endpoint",
            "DELETING": "Deleting the Resolver Endpoint",
            "ACTION_NEEDED": self._what_is_needed(now),
        }
        return {
            "Id": self.id,
            "CreatorRequestId": self.creator_request_id,
            "Arn": self.arn,
            **({"Name": self.name} if self.name else {}),
            "SecurityGroupIds": list(self.security_groups),
            "Direction": self.direction,
            "IpAddressCount": len(self.present(now)),
            "HostVPCId": self.vpc_id,
            "Status": status,
            "StatusMessage": said.get(status, ""),
            "CreationTime": as_text(self.born),
            "ModificationTime": as_text(self.modified or self.born),
            "ResolverEndpointType": "IPV4",
            "Protocols": list(self.protocols),
        }


def endpoints_of(account: str, region: str) -> dict[str, ResolverEndpoint]:
    """The endpoints of one region. They are where moto would keep its own, so that its rules find them."""
    return cast("dict[str, ResolverEndpoint]", route53resolver_backends[account][region].resolver_endpoints)


def free_address(store: SandboxEc2, subnet_id: str, key: str, besides: Iterable[IPv4Address] = ()) -> IPv4Address:
    """An unused address of the subnet, as good as random but repeatable for the same key.

    Raises ApiError when the subnet is full. The first four addresses and the last are AWS's own.
    """
    network = IPv4Network(store.get_subnet(subnet_id).cidr_block)
    used = {IPv4Address(e.private_ip_address) for e in store.enis.values() if e.subnet_id == subnet_id} | set(besides)
    size = network.num_addresses - 5
    start = zlib.crc32(key.encode()) % size
    for step in range(size):
        candidate = network.network_address + 4 + (start + step) % size
        if candidate not in used:
            return candidate
    raise ApiError("InvalidRequestException", f"Subnet {subnet_id} has no free IP address")


def page(answers: Handlers, items: list[dict[str, Any]], name: str) -> str:
    """One page of a list, as the request asks for it. Raises ApiError for a token that this list never gave."""
    size = int(answers.given("MaxResults", 10))
    if not 1 <= size <= 100:
        raise ApiError("InvalidParameterException", "MaxResults must be between 1 and 100.")
    token = answers.given("NextToken")
    if token is not None and not token.isdecimal():
        raise ApiError("InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
    start = int(token or 0)
    answer: dict[str, Any] = {name: items[start : start + size], "MaxResults": size}
    if start + size < len(items):
        answer["NextToken"] = str(start + size)
    return json.dumps(answer)


class ResolverHandlers(Handlers, Route53ResolverResponse):
    from_moto = from_moto.RESOLVER

    def __init__(self) -> None:
        Route53ResolverResponse.__init__(self)

    @property
    def store(self) -> Route53ResolverBackend:
        return route53resolver_backends[self.cloud.account][self.region]

    @property
    def network(self) -> SandboxEc2:
        return network_of(self.cloud.account, self.region)

    @property
    def endpoints(self) -> dict[str, ResolverEndpoint]:
        return endpoints_of(self.cloud.account, self.region)

    def _endpoint(self, wanted: str) -> ResolverEndpoint:
        """Raises ApiError for an endpoint that is unknown or gone."""
        endpoint = self.endpoints.get(wanted)
        if endpoint is None:
            raise ApiError(
                "ResourceNotFoundException",
                f"[RSLVR-00703] Resolver endpoint with ID '{wanted}' does not exist.",
            )
        return endpoint

    def _calm(self, endpoint: ResolverEndpoint) -> ResolverEndpoint:
        """Raises ApiError while an earlier change is going on."""
        status = endpoint.status(self.now)
        if status not in ("OPERATIONAL", "ACTION_NEEDED"):
            raise ApiError(
                "InvalidRequestException",
                f"[RSLVR-00705] Resolver endpoint '{endpoint.id}' is {status}; wait until it is OPERATIONAL.",
            )
        return endpoint

    def _check_ids(self, groups: list[str], addresses: list[dict[str, Any]]) -> str:
        """The VPC that all of them are in. Raises ApiError for what does not exist or does not belong together."""
        if not 1 <= len(groups) <= 10:
            raise ApiError("InvalidParameterException", "Between 1 and 10 security groups are needed.")
        vpcs = set()
        for group_id in groups:
            group = self.network.get_security_group_from_id(group_id)
            if group is None:
                raise ApiError("ResourceNotFoundException", f"The security group '{group_id}' does not exist")
            vpcs.add(group.vpc_id)
        for address in addresses:
            vpcs.add(self._subnet(address["SubnetId"]).vpc_id)
        if len(vpcs) != 1:
            raise ApiError(
                "InvalidRequestException", "All subnets and security groups of an endpoint must be in the same VPC."
            )
        return str(vpcs.pop())

    def _subnet(self, subnet_id: str) -> Any:
        found = [s[subnet_id] for s in self.network.subnets.values() if subnet_id in s]
        if not found:
            raise ApiError("InvalidParameterException", f"[RSLVR-00406] The subnet ID '{subnet_id}' does not exist")
        return found[0]

    def _choose(self, asked: list[dict[str, Any]], key: str) -> list[tuple[str, IPv4Address]]:
        """Every address checked or chosen before any interface is made."""
        chosen: list[tuple[str, IPv4Address]] = []
        for number, item in enumerate(asked):
            if item.get("Ipv6"):
                raise ApiError("InvalidParameterException", "IPv6 addresses are not modelled by the sandbox.")
            subnet_id = item["SubnetId"]
            network = IPv4Network(self._subnet(subnet_id).cidr_block)
            used = {e.private_ip_address for e in self.network.enis.values() if e.subnet_id == subnet_id}
            if not item.get("Ip"):
                taken = [ip for s, ip in chosen if s == subnet_id]
                chosen.append((subnet_id, free_address(self.network, subnet_id, f"{key}/{number}", taken)))
                continue
            try:
                ip = IPv4Address(item["Ip"])
            except ValueError:
                raise ApiError("InvalidParameterException", f"Invalid IP address: '{item['Ip']}'") from None
            if ip not in network or ip < network.network_address + 4 or ip == network.broadcast_address:
                raise ApiError(
                    "InvalidRequestException",
                    f"IP address '{ip}' is either not in subnet '{subnet_id}' CIDR range or is reserved",
                )
            if str(ip) in used or (subnet_id, ip) in chosen:
                raise ApiError(
                    "ResourceExistsException", f"The IP address '{ip}' in subnet '{subnet_id}' is already in use"
                )
            chosen.append((subnet_id, ip))
        return chosen

    def _place(self, endpoint: ResolverEndpoint, subnet_id: str, ip: IPv4Address) -> EndpointAddress:
        number = f"rni-{secrets.token_hex(8)}{secrets.token_hex(1)[0]}"
        interface = self.network.create_network_interface(
            subnet_id,
            str(ip),
            group_ids=list(endpoint.security_groups),
            description=f"Route 53 Resolver: {endpoint.id}:{number}",
        )
        interface.requester_managed, interface.status = True, "in-use"
        address = EndpointAddress(number, subnet_id, ip, interface.id, Timeline(), self.now)
        endpoint.addresses.append(address)
        return address

    def list_tags_for_resource(self) -> str:
        """moto says null where no page follows; AWS leaves the token out."""
        said = json.loads(super().list_tags_for_resource())
        return json.dumps({name: value for name, value in said.items() if value is not None})

    def create_resolver_endpoint(self) -> str:
        """A used CreatorRequestId is refused, not answered with the endpoint that it made."""
        creator, direction, name = self.given("CreatorRequestId"), self.given("Direction"), self.given("Name")
        asked, groups = list(self.given("IpAddresses", [])), list(self.given("SecurityGroupIds", []))
        protocols = tuple(self.given("Protocols") or ("Do53",))
        if not creator or len(creator) > 255:
            raise ApiError("InvalidParameterException", "CreatorRequestId must have between 1 and 255 characters.")
        if direction not in _DIRECTIONS:
            raise ApiError(
                "InvalidParameterException", f"Direction '{direction}' is invalid or not modelled by the sandbox."
            )
        if name is not None and (len(name) > 64 or not re.fullmatch(r"(?!\d+$)[a-zA-Z0-9\-_' ]+", name)):
            raise ApiError("InvalidParameterException", f"The name '{name}' is not valid.")
        if self.given("ResolverEndpointType", "IPV4") != "IPV4":
            raise ApiError("InvalidParameterException", "Only ResolverEndpointType IPV4 is modelled by the sandbox.")
        if not set(protocols) <= set(_PROTOCOLS) or {"DoH", "DoH-FIPS"} <= set(protocols):
            raise ApiError("InvalidParameterException", f"The protocols {', '.join(protocols)} cannot be combined.")
        if len(asked) < 2:
            raise ApiError("InvalidRequestException", "Resolver endpoint needs to have at least 2 IP addresses")
        live = list(self.endpoints.values())
        if any(e.creator_request_id == creator for e in live):
            raise ApiError(
                "ResourceExistsException",
                f"[RSLVR-00500] Resolver endpoint with creator request ID '{creator}' already exists",
            )
        vpc_id = self._check_ids(groups, asked)
        chosen = self._choose(asked, creator)
        if len(live) >= MOST_ENDPOINTS:
            raise ApiError(
                "LimitExceededException",
                f"[RSLVR-00304] Account '{self.cloud.account}' has exceeded 'max-endpoints'.",
            )
        if len(asked) > MOST_ADDRESSES:
            raise ApiError(
                "LimitExceededException",
                f"[RSLVR-00305] Account '{self.cloud.account}' has exceeded 'max-ip-addresses-per-endpoint'.",
            )
        endpoint_id = f"rslvr-{_DIRECTIONS[direction]}-{secrets.token_hex(9)[:17]}"
        arn = f"arn:aws:route53resolver:{self.region}:{self.cloud.account}:resolver-endpoint/{endpoint_id}"
        endpoint = ResolverEndpoint(
            endpoint_id,
            arn,
            self.region,
            name,
            creator,
            direction,
            tuple(groups),
            vpc_id,
            protocols,
            Timeline(),
            self.now,
        )
        outcome = self.outcome()
        seconds = self.sample("aws.resolver.create", creator)
        endpoint.life.transition(self.now, "CREATING", seconds, ends=outcome, good="OPERATIONAL", bad="ACTION_NEEDED")
        for number, (subnet_id, ip) in enumerate(chosen):
            address = self._place(endpoint, subnet_id, ip)
            ends: Any = outcome if number == 0 or outcome == "hangs" else "succeeds"
            address.life.transition(self.now, "CREATING", seconds, ends=ends, good="ATTACHED", bad="FAILED_CREATION")
        self.endpoints[endpoint_id] = endpoint
        self.store.tagger.tag_resource(arn, self.given("Tags") or [])
        return self._answer(endpoint)

    def _answer(self, endpoint: ResolverEndpoint) -> str:
        return json.dumps({"ResolverEndpoint": endpoint.json(self.now)})

    def get_resolver_endpoint(self) -> str:
        return self._answer(self._endpoint(self.given("ResolverEndpointId")))

    def list_resolver_endpoints(self) -> str:
        now = self.now
        found = list(self.endpoints.values())
        read: dict[str, Callable[[ResolverEndpoint], Iterable[str]]] = {
            "CREATORREQUESTID": lambda e: (e.creator_request_id,),
            "DIRECTION": lambda e: (e.direction,),
            "HOSTVPCID": lambda e: (e.vpc_id,),
            "IPADDRESSCOUNT": lambda e: (str(len(e.present(now))),),
            "NAME": lambda e: (e.name or "",),
            "SECURITYGROUPIDS": lambda e: e.security_groups,
            "STATUS": lambda e: (e.status(now),),
        }
        for item in self.given("Filters") or []:
            words = read.get(str(item.get("Name") or "").replace("_", "").upper())
            if words is None:
                raise ApiError("InvalidParameterException", f"The filter '{item.get('Name')}' is invalid")
            found = [e for e in found if set(words(e)) & set(item.get("Values", []))]
        return page(self, [e.json(now) for e in found], "ResolverEndpoints")

    def list_resolver_endpoint_ip_addresses(self) -> str:
        endpoint = self._endpoint(self.given("ResolverEndpointId"))
        return page(
            self,
            [
                {
                    "IpId": a.id,
                    "SubnetId": a.subnet_id,
                    "Ip": str(a.ip),
                    "Status": a.life.at(self.now),
                    "StatusMessage": "This IP address is operational." if a.life.at(self.now) == "ATTACHED" else "",
                    "CreationTime": as_text(a.born),
                    "ModificationTime": as_text(a.life.since(self.now)),
                }
                for a in endpoint.present(self.now)
            ],
            "IpAddresses",
        )

    def _update(self, endpoint: ResolverEndpoint, *leaving: EndpointAddress) -> float:
        """Begin a change; when it ends. An endpoint with a broken address that is not leaving calls for action still."""
        seconds = self.sample("aws.resolver.update", endpoint.creator_request_id)
        endpoint.modified = self.now
        whole = all(a.life.at(self.now) not in _BROKEN or a in leaving for a in endpoint.addresses)
        return endpoint.life.transition(
            self.now,
            "UPDATING",
            seconds,
            ends=self.outcome(),
            good="OPERATIONAL" if whole else "ACTION_NEEDED",
            bad="ACTION_NEEDED",
        )

    def update_resolver_endpoint(self) -> str:
        endpoint = self._calm(self._endpoint(self.given("ResolverEndpointId")))
        if self.given("UpdateIpAddresses") or self.given("ResolverEndpointType", "IPV4") != "IPV4":
            raise ApiError("InvalidParameterException", "Only IPv4 endpoints are modelled by the sandbox.")
        if self.given("Name"):
            endpoint.name = self.given("Name")
        if self.given("Protocols"):
            endpoint.protocols = tuple(self.given("Protocols"))
        self._update(endpoint)
        return self._answer(endpoint)

    def associate_resolver_endpoint_ip_address(self) -> str:
        endpoint = self._calm(self._endpoint(self.given("ResolverEndpointId")))
        asked = self.given("IpAddress")
        self._check_ids(list(endpoint.security_groups), [asked])
        ((subnet_id, ip),) = self._choose([asked], f"{endpoint.creator_request_id}/{len(endpoint.addresses)}")
        if len(endpoint.present(self.now)) >= MOST_ADDRESSES:
            raise ApiError(
                "LimitExceededException",
                f"[RSLVR-00305] Account '{self.cloud.account}' has exceeded 'max-ip-addresses-per-endpoint'.",
            )
        end = self._update(endpoint)
        address = self._place(endpoint, subnet_id, ip)
        address.life.steps = [("CREATING", self.now), ("ATTACHED", end)]
        return self._answer(endpoint)

    def disassociate_resolver_endpoint_ip_address(self) -> str:
        """By IpId alone, or by subnet and IP; never below two addresses."""
        endpoint = self._calm(self._endpoint(self.given("ResolverEndpointId")))
        asked = self.given("IpAddress") or {}
        found = [
            a
            for a in endpoint.present(self.now)
            if (asked.get("IpId") == a.id)
            or (not asked.get("IpId") and asked.get("SubnetId") == a.subnet_id and asked.get("Ip") == str(a.ip))
        ]
        if not found:
            raise ApiError("ResourceNotFoundException", "[RSLVR-00503] The IP address is not one of this endpoint's.")
        if len(endpoint.present(self.now)) <= 2:
            raise ApiError("InvalidRequestException", "Resolver endpoint needs to have at least 2 IP addresses")
        end = self._update(endpoint, found[0])
        found[0].life.steps = [("DETACHING", self.now), ("gone", end)]
        return self._answer(endpoint)

    def delete_resolver_endpoint(self) -> str:
        endpoint = self._endpoint(self.given("ResolverEndpointId"))
        if endpoint.status(self.now) == "DELETING":
            return self._answer(endpoint)
        self._calm(endpoint)
        rules = [r.id for r in self.store.resolver_rules.values() if r.resolver_endpoint_id == endpoint.id]
        if rules:
            raise ApiError(
                "InvalidRequestException",
                "Cannot delete resolver endpoint unless its related resolver rules are deleted.  "
                f"The following rules still exist for this resolver endpoint:  {','.join(rules)}",
            )
        seconds = self.sample("aws.resolver.delete", endpoint.creator_request_id)
        end = endpoint.life.transition(
            self.now, "DELETING", seconds, ends=self.outcome(), good="gone", bad="ACTION_NEEDED"
        )
        if endpoint.life.steps[-1][0] == "gone":
            for address in endpoint.addresses:
                address.life.steps = [("DELETING", self.now), ("gone", end)]
        return self._answer(endpoint)


def advance_resolver(store: SandboxEc2, now: float) -> None:
    """Take away what has ended by now: interfaces of addresses that went, endpoints that are gone."""
    endpoints = endpoints_of(store.account_id, store.region_name)
    for endpoint in list(endpoints.values()):
        for address in list(endpoint.addresses):
            if address.life.at(now) == "gone":
                store.enis.pop(address.interface_id, None)
                store.forget(address.interface_id)
                endpoint.addresses.remove(address)
        if endpoint.status(now) == "gone":
            route53resolver_backends[store.account_id][store.region_name].tagger.delete_all_tags_for_resource(
                endpoint.arn
            )
            del endpoints[endpoint.id]


def interface_lost(store: SandboxEc2, interface_id: str, now: float, *, really: bool = True) -> bool:
    """Somebody deletes a network interface. True if it is one of an endpoint, which then calls for action."""
    for endpoint in endpoints_of(store.account_id, store.region_name).values():
        for address in endpoint.present(now):
            if address.interface_id == interface_id:
                if really:
                    address.life.steps.append(("FAILED_RESOURCE_GONE", now))
                    endpoint.life.steps.append(("ACTION_NEEDED", now))
                return True
    return False
