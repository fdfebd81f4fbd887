"""How near the sandbox's Azure comes to recordings of the real one: status, headers and whole shape, in per cent.

    just recordings FOLDER

FOLDER holds exchanges with Azure Resource Manager, in files of any of these forms: one exchange as JSON (``request`` with
method, uri and body; ``response`` with status, headers and body), a list of such or an object with ``interactions``, or a
cassette of vcrpy (YAML). The exchanges of one file are one session and are sent in their order to a sandbox of its own.
What a session does not make and speaks of is made beforehand. What Azure refuses today is sent as it is taken today:
``MODERN`` says which.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import yaml
from werkzeug.test import Client

from cloudlink_sandbox.azure import AzureCloud
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.locations import LOCATIONS, zones_of
from cloudlink_sandbox.azure.store import Group
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AwsFacts
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.journal import Journal

ARM = "https://management.azure.com"
ID = re.compile(
    r"/subscriptions/([^/\"?]+)/resource[gG]roups/([^/\"?]+)/providers/Microsoft\.(?:Network|ContainerService)"
    r"/(\w+)/([\w.-]+)"
    r"(?:/(subnets|virtualNetworkPeerings|securityRules|routes|(?:in|out)boundEndpoints|virtualNetworkLinks|forwardingRules)"
    r"/([\w.-]+))?"
)
# What the objects inside of others are made for, when a session speaks of them and does not make them.
INSIDE = ("subnets", "virtualNetworkPeerings", "inboundEndpoints", "outboundEndpoints")
GROUP = re.compile(r"/subscriptions/([^/\"?]+)/resource[gG]roups/([^/\"?]+)", re.IGNORECASE)
POLL = re.compile(
    r"/locations/[^/]+/(operations|operationResults)/|/operationStatuses/|/operationresults/", re.IGNORECASE
)
# What was recorded while it could be had, and is sent as it can be had now.
MODERN = {
    "SKU of a VPN gateway": "VpnGw1 to VpnGw5 are VpnGw1AZ to VpnGw5AZ",
    "public address": "Basic is Standard, Dynamic is Static",
    "version of Kubernetes": "the cluster's default one",
}
PRESENT = ("azure-asyncoperation", "location", "azure-asyncnotification", "etag", "x-ms-failure-cause")
SAME = (
    "azure-asyncnotification",
    "cache-control",
    "content-type",
    "expires",
    "pragma",
    "retry-after",
    "strict-transport-security",
    "x-content-type-options",
    "x-ms-failure-cause",
)
# Fields that Azure has shown since about these months: a recording from before cannot have them. Some recordings name a
# newer version of the API than the one with which they were made, so the version does not tell.
NEWER = {
    "allowRemoteVnetTraffic": (2023, 6),
    "allowVirtualWanTraffic": (2023, 6),
    "authenticationType": (2024, 3),
    "ddosSettings": (2022, 6),
    "defaultOutboundAccess": (2023, 9),
    "gatewayCustomBgpIpAddresses": (2021, 9),
    "ipamPoolPrefixAllocations": (2024, 3),
    "isMigrateToCSES": (2022, 6),
    "peerCompleteVnets": (2023, 9),
    "privateEndpointVNetPolicies": (2024, 1),
    "virtualNetworkGatewayPolicyGroups": (2022, 6),
}
AFTERWARDS = 9_000.0  # sandbox seconds after which every operation has ended


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer. Header names are in lower case."""

    method: str
    uri: str
    body: Any
    status: int
    headers: dict[str, str]
    answer: Any

    @property
    def path(self) -> str:
        return urlsplit(self.uri).path

    @property
    def state(self) -> str:
        """What the recorded answer says of an operation or a resource; empty where it says nothing."""
        if not isinstance(self.answer, dict):
            return ""
        inside = self.answer.get("properties")
        found = inside.get("provisioningState") if isinstance(inside, dict) else None
        return str(self.answer.get("status") or found or "")


@dataclass
class Figures:
    """Of all exchanges that are compared. others: of types that the sandbox does not have. alone: polls and refusals of
    operations whose beginning is not in their file."""

    compared: int = 0
    status: int = 0
    headers: int = 0
    shape: int = 0
    others: int = 0
    alone: int = 0
    why: Counter[str] = field(default_factory=Counter)

    def add(self, file: str, seen: Exchange, differences: Differences) -> None:
        self.compared += 1
        self.status += not differences.status
        self.headers += not differences.status and not differences.headers
        self.shape += not differences.status and not differences.shape
        del file, seen
        self.why.update([differences.status] if differences.status else [*differences.headers, *differences.shape])

    def share(self, number: int) -> str:
        return f"{100 * number / self.compared:.1f} %" if self.compared else "none"


@dataclass(frozen=True)
class Differences:
    status: str = ""
    headers: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()


# --- reading ------------------------------------------------------------------------------------------------------------


def sessions(folder: Path) -> Iterator[tuple[str, list[Exchange]]]:
    """Each file's exchanges. Raises ValueError for a file that has another form."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".yaml", ".yml"):
            found = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        else:
            continue
        if isinstance(found, dict) and "interactions" in found:
            found = found["interactions"]
        name = path.relative_to(folder).as_posix()
        try:
            kept = [exchange(e) for e in (found if isinstance(found, list) else [found])]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
        yield name, kept


def exchange(text: Json) -> Exchange:
    if not isinstance(text, dict) or "request" not in text or "response" not in text:
        raise ValueError("an exchange has a request and a response")
    asked, said = text["request"], text["response"]
    status = said["status"]
    answer = said.get("body")
    if isinstance(answer, dict) and answer and set(answer) <= {"string", "encoding", "base64_string"}:  # vcrpy's
        answer = answer.get("string")
    return Exchange(
        asked["method"].upper(),
        asked.get("uri") or asked["url"],
        _parsed(asked.get("body")),
        int(status["code"] if isinstance(status, dict) else status),
        {k.lower(): str(v[0] if isinstance(v, list) else v) for k, v in (said.get("headers") or {}).items()},
        _parsed(answer),
    )


def _parsed(body: Any) -> Any:
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body or None


# --- sending ------------------------------------------------------------------------------------------------------------


class Session:
    """One sandbox, and what it needs so that the recorded requests make sense in it."""

    def __init__(self, home: Path, exchanges: list[Exchange]) -> None:
        self.exchanges = exchanges
        self.context = SandboxContext(
            SandboxClock(0, 1_700_000_000.0), FaultRegistry(), Journal(), Durations(exact=True), home
        )
        self.cloud = AzureCloud(self.context, tenant="tenant", client_id="client", client_secret="secret")
        self.context.azure_facts = self.cloud.facts
        self.context.aws_facts = lambda: AwsFacts({}, {}, {}, (), (), ())
        self.cloud.base_url = ARM
        self.cloud.aks_endpoint = lambda cluster: (f"https://{cluster.name}.example", "", "")
        self.context.clock.set_speed(1)
        self.client = Client(self.cloud.app)
        self.places: dict[str, str] = {}  # URLs of recorded operations -> the sandbox's
        self.known: dict[str, Json] = {}  # the last that was recorded of a resource, by its id
        self.subnets = 0
        text = json.dumps([(e.uri, e.body, e.answer) for e in exchanges])
        found = re.search(r'"location": "([\w ]+)"', text)
        place = (found.group(1) if found else "westus").replace(" ", "").lower()
        self.location = place if place in LOCATIONS else "westus"
        own = {GROUP.search(e.path).group(0).lower() for e in exchanges if e.method == "PUT" and _is_group(e.path)}  # type: ignore[union-attr]
        for match in GROUP.finditer(text):
            subscription, group = match.groups()
            self.cloud.store.subscriptions[subscription.lower()] = subscription
            if match.group(0).lower() not in own:
                self.cloud.store.groups.setdefault(
                    (subscription.lower(), group.lower()), Group(subscription, group, self.location)
                )
        for match in re.finditer(r"/subscriptions/([\w-]+)", text):
            self.cloud.store.subscriptions.setdefault(match.group(1).lower(), match.group(1))
        for one in exchanges:
            for shown in _resources(one.answer):
                self.known.setdefault(str(shown["id"]).lower(), shown)

    def models(self, one: Exchange) -> bool:
        """Whether the sandbox has what this request is about."""
        named = re.search(r"/providers/([\w.]+/\w+)", one.path)
        if named is None or POLL.search(one.path):
            return named is None or _namespace(one.path) in (
                "microsoft.network",
                "microsoft.containerservice",
                "microsoft.resources",
            )
        return (
            named.group(1).lower() in self.cloud.parts.providers
            or named.group(1).lower() == "microsoft.resources/deployments"
        )

    def send(self, method: str, uri: str, body: Any = None) -> Any:
        parts = urlsplit(uri)
        token = self.cloud.parts.entra.issue(ARM, ARM)
        return self.client.open(
            parts.path + (f"?{parts.query}" if parts.query else ""),
            base_url=ARM,
            method=method,
            data=None if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    def begun(self, one: Exchange) -> bool:
        """Whether the replay has begun the operation that this answer is about."""
        if one.status in (409, 429):
            return one is not self.exchanges[0]
        return not POLL.search(one.path) or _operation(one.uri) in self.places

    def runs_on(self, one: Exchange) -> bool:
        """Whether the recorded answer was given while an operation was still under way."""
        if POLL.search(one.path):
            return one.state in ("InProgress", "Running")
        return one.status in (409, 429) or (one.method == "GET" and one.state in ("Updating", "Creating", "Deleting"))

    def replay(self, one: Exchange) -> Differences:
        if not self.runs_on(one):
            self.context.clock.advance(AFTERWARDS)
        self.prepare(one)
        body = self.modern(one.path, one.body) if one.method == "PUT" else one.body
        lent = self.lend_zones(one) if one.method == "PUT" else []
        answer = self.send(one.method, self.places.get(_operation(one.uri), one.uri), body)
        for record in lent:
            record.top.pop("zones", None)
        for name in ("azure-asyncoperation", "location"):
            if name in one.headers and answer.headers.get(name):
                self.places[_operation(one.headers[name])] = answer.headers[name]
        return compare(one, answer)

    # What has to be there

    def prepare(self, one: Exchange) -> None:
        if one.status == 404 or POLL.search(one.path):
            return
        if (
            one.method == "GET"
            and one.status == 200
            and isinstance(one.answer, dict)
            and isinstance(one.answer.get("value"), list)
        ):
            for shown in _resources(one.answer):
                if found := ID.search(str(shown["id"])):
                    self.need(*found.groups())
        for match in ID.finditer(f"{one.path} {json.dumps(one.body)}"):
            itself = one.path.lower().startswith(match.group(0).lower())
            whole = itself and one.path.lower() == match.group(0).lower()
            if whole and one.method == "PUT" and one.status == 201:
                if match.group(5):
                    self.need(match.group(1), match.group(2), match.group(3), match.group(4))
                continue
            if whole and one.method == "DELETE" and one.status == 204:
                continue
            if not whole and not itself and f'"id": "{match.group(0)}' not in json.dumps(one.body):
                continue
            self.need(*match.groups())

    def need(
        self, subscription: str, group: str, kind: str, name: str, part: str | None = None, inner: str | None = None
    ) -> None:
        """Make it, unless it is there."""
        root = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft."
        path = f"{root}{'ContainerService' if kind == 'managedClusters' else 'Network'}/{kind}/{name}"
        if (
            self.cloud.store.find(path) is None
            and f"{path.split('/providers/')[1].rsplit('/', 1)[0]}".lower() in self.cloud.parts.providers
        ):
            self.make(path, kind)
        if part and inner:
            child = f"{path}/{part}/{inner}"
            if part in INSIDE and self.cloud.store.find(child) is None:
                self.make(child, part)

    def make(self, path: str, kind: str) -> None:
        recorded = self.known.get(path.lower())
        bodies = [self.modern(path, _writable(recorded))] if recorded else []
        bodies += [
            self.modern(path, e.body) for e in self.exchanges if (e.method, e.path.lower()) == ("PUT", path.lower())
        ]
        for body in [*bodies, self.plain(path, kind)]:
            for match in ID.finditer(json.dumps(body)):
                if not match.group(0).lower().startswith(path.lower()) and not path.lower().startswith(
                    match.group(0).lower()
                ):
                    self.need(*match.groups())
            version = "2022-07-01" if re.search("/dns(Resolvers|ForwardingRulesets)/", path) else "2024-05-01"
            one = Exchange("PUT", f"{path}?api-version={version}", body, 201, {}, None)
            lent = self.lend_zones(one)
            answer = self.send("PUT", one.uri, body)
            for record in lent:
                record.top.pop("zones", None)
            self.context.clock.advance(AFTERWARDS)
            self.send("GET", one.uri)
            if answer.status_code < 300:
                return

    def plain(self, path: str, kind: str) -> Json:
        here: Json = {"location": self.location}
        root = path.rsplit("/", 2)[0]
        match kind:
            case "virtualNetworks":
                return {**here, "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8", "172.16.0.0/12"]}}}
            case "subnets" if path.endswith("/GatewaySubnet") and (prefix := self.gateway_prefix()):
                return {"properties": {"addressPrefix": prefix}}
            case "subnets":
                self.subnets += 1
                prefix = f"172.{16 + self.subnets // 250}.{self.subnets % 250}.0/24"
                return {"properties": {"addressPrefix": prefix, **self.delegation(path)}}
            case "dnsResolvers":
                vnet = {"id": self.vnet_of_resolver() or f"{root}/virtualNetworks/needed"}
                return {**here, "properties": {"virtualNetwork": vnet}}
            case "publicIPAddresses":
                return {**here, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
            case "localNetworkGateways":
                bgp = {"asn": 65050, "bgpPeeringAddress": "10.52.255.253"}
                return {**here, "properties": {"gatewayIpAddress": "131.107.72.22", "bgpSettings": bgp}}
            case "virtualNetworkGateways" if two := self.two_instances(path, root):
                return {**here, "properties": two}
            case "virtualNetworkGateways":
                config = {
                    "publicIPAddress": {"id": f"{root}/publicIPAddresses/needed-{path.rsplit('/', 1)[1]}"},
                    "subnet": {"id": f"{root}/virtualNetworks/needed-{path.rsplit('/', 1)[1]}/subnets/GatewaySubnet"},
                }
                sku = {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"}
                return {
                    **here,
                    "properties": {
                        "sku": sku,
                        "enableBgp": True,
                        "ipConfigurations": [{"name": "c", "properties": config}],
                    },
                }
            case "connections":
                ends = {
                    "virtualNetworkGateway1": {"id": f"{root}/virtualNetworkGateways/needed"},
                    "localNetworkGateway2": {"id": f"{root}/localNetworkGateways/needed"},
                }
                return {**here, "properties": {"connectionType": "IPsec", "sharedKey": "abc", **ends}}
            case "managedClusters":
                pool = {"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "mode": "System"}
                return {**here, "properties": {"agentPoolProfiles": [pool]}}
        return {**here, "properties": {}}

    def vnet_of_resolver(self) -> str:
        """The one in which the session's endpoint of a resolver has its subnet; empty without one."""
        text = json.dumps([(e.body, e.answer) for e in self.exchanges if "boundEndpoints" in e.path])
        found = re.search(r'"(/subscriptions/[^"]+/virtualNetworks/[^"/]+)/subnets/', text)
        return found.group(1) if found else ""

    def delegation(self, path: str) -> Json:
        """That of a subnet in which an endpoint of a DNS resolver is recorded; nothing for others."""
        for one in self.exchanges:
            if (
                re.search(r"/(in|out)boundEndpoints/", one.path)
                and path.lower() in json.dumps([one.body, one.answer]).lower()
            ):
                service = {"serviceName": "Microsoft.Network/dnsResolvers"}
                return {"delegations": [{"name": "dns", "properties": service}]}
        return {}

    def gateway_prefix(self) -> str:
        """Where the recorded gateway's own BGP addresses lie; empty where none was recorded."""
        text = json.dumps([(e.body, e.answer) for e in self.exchanges])
        found = re.search(r'"bgpPeeringAddress": "((?!169\.254)[\d.]+)(,)?', text)
        if found is None or not self.of_gateway(found.group(1)):
            return ""
        own = IPv4Address(found.group(1))
        return f"{own - 4 if found.group(2) else own - 30}/27" if int(own) % 32 in (4, 30) else ""

    def of_gateway(self, address: str) -> bool:
        """Not a local network gateway's."""
        for one in self.exchanges:
            if "/virtualnetworkgateways/" in one.path.lower() and address in json.dumps([one.body, one.answer]):
                return True
        return False

    def two_instances(self, path: str, root: str) -> Json | None:
        """A gateway that a recorded request turns from two instances into one."""
        for one in self.exchanges:
            inside = one.body.get("properties") if isinstance(one.body, dict) else None
            if one.path.lower() != path.lower() or not isinstance(inside, dict) or one.method != "PUT":
                continue
            entries = (inside.get("bgpSettings") or {}).get("bgpPeeringAddresses") or []
            configs = inside.get("ipConfigurations") or []
            if len(entries) == 2 and len(configs) == 1:
                other = json.loads(json.dumps(configs[0]))
                names = [str(e["ipconfigurationId"]).rsplit("/", 1)[1] for e in entries]
                other["name"] = next(n for n in names if n != configs[0]["name"])
                other["properties"]["publicIPAddress"] = {"id": f"{root}/publicIPAddresses/needed-second"}
                sku = {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"}
                bgp = {"asn": inside["bgpSettings"].get("asn")}
                both = [{k: c[k] for k in ("name", "properties")} for c in (*configs, other)]
                for config in both:
                    config["properties"].pop("provisioningState", None)
                return {
                    "activeActive": True, "enableBgp": True, "sku": sku, "bgpSettings": bgp, "ipConfigurations": both
                }  # fmt: skip
        return None

    # What is taken today

    def modern(self, path: str, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        body = json.loads(json.dumps(body))
        inside = body.get("properties") if isinstance(body.get("properties"), dict) else {}
        if "/virtualnetworkgateways/" in path.lower():
            sku = inside.get("sku") or {}
            for name in ("name", "tier"):
                if re.fullmatch(r"VpnGw\d|Standard|HighPerformance", str(sku.get(name)), re.IGNORECASE):
                    number = re.sub(r"\D", "", str(sku[name])) or "1"
                    sku[name] = f"VpnGw{number}AZ"
        elif "/publicipaddresses/" in path.lower():
            if str((body.get("sku") or {}).get("name", "Basic")).lower() == "basic":
                body["sku"] = {**(body.get("sku") or {}), "name": "Standard"}
                inside["publicIPAllocationMethod"] = "Static"
                body["properties"] = inside
        elif "/managedclusters/" in path.lower():
            inside.pop("kubernetesVersion", None)
            for pool in inside.get("agentPoolProfiles") or ():
                pool.pop("orchestratorVersion", None)
        return body

    def lend_zones(self, one: Exchange) -> list[Any]:
        """Addresses that a gateway is to have and that were recorded before they had to have zones."""
        if "/virtualnetworkgateways/" not in one.path.lower():
            return []
        found = []
        for match in ID.finditer(json.dumps(one.body)):
            record = self.cloud.store.find(match.group(0))
            zones = zones_of(record.location or "") if record is not None else ()
            if record is not None and match.group(3) == "publicIPAddresses" and zones and not record.top.get("zones"):
                record.top["zones"] = list(zones)
                found.append(record)
        return found


def _is_group(path: str) -> bool:
    return bool(re.fullmatch(GROUP.pattern, path, re.IGNORECASE))


def _namespace(path: str) -> str:
    found = re.search(r"/providers/([\w.]+)/", path)
    return found.group(1).lower() if found else ""


def _operation(uri: str) -> str:
    """The URL of an operation without what signs it."""
    parts = urlsplit(uri)
    query = {k: v for k, v in parse_qsl(parts.query) if k == "api-version"}
    return f"{parts.path.lower()}?{urlencode(query)}"


def _resources(answer: Any) -> Iterator[Json]:
    if isinstance(answer, dict):
        if isinstance(answer.get("id"), str) and isinstance(answer.get("properties"), dict):
            yield answer
        for value in answer.get("value") or () if isinstance(answer.get("value"), list) else ():
            yield from _resources(value)


def _writable(shown: Json) -> Json:
    """A resource as it was answered, without what only Azure says."""
    gone = {
        "provisioningState",
        "resourceGuid",
        "etag",
        "virtualNetworkPeerings",
        "ipConfiguration",
        "ipAddress",
        "connectionStatus",
    }

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            chosen = {"privateIpAddress"} if value.get("privateIpAllocationMethod") == "Dynamic" else set()
            return {k: without(v) for k, v in value.items() if k not in gone | chosen}
        return [without(v) for v in value] if isinstance(value, list) else value

    kept: Json = without({k: v for k, v in shown.items() if k not in ("type", "id", "name")})
    return kept


# --- comparing ----------------------------------------------------------------------------------------------------------


def shape(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field's path with the kind of its value; all elements of a list together."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from shape(inner, f"{path}.{key}" if path else key)
        if not value:
            yield path, "object"
    elif isinstance(value, list):
        yield path, "list"
        for inner in value:
            yield from shape(inner, f"{path}[]")
    else:
        yield path, {bool: "flag", int: "number", float: "number", str: "text"}.get(type(value), "null")


def compare(one: Exchange, answer: Any) -> Differences:
    have = _parsed(answer.get_data())
    where = _what(one)
    if answer.status_code != one.status:
        said = (have.get("error") or have) if isinstance(have, dict) else {}
        return Differences(f"{where}: status {answer.status_code} ({said.get('code', '')}), recorded {one.status}")
    given = {k.lower(): v for k, v in answer.headers.items()}
    whole = "date" in one.headers  # some recordings have kept few headers
    headers = [
        f"{where}: header {name} {'only recorded' if name in one.headers else 'only answered'}"
        for name in PRESENT
        if (name in one.headers or whole) and (name in one.headers) != (name in given)
    ]
    headers += [
        f"{where}: header {name}: {given[name][:40]}, recorded {one.headers[name][:40]}"
        for name in SAME
        if name in one.headers and name in given and given[name].lower() != one.headers[name].lower()
    ]
    wanted, there = set(shape(one.answer)), set(shape(have))
    there -= {(path, kind) for path, kind in there - wanted if _newer(path, one.headers.get("date", ""))}
    if {*wanted, *there} <= {("", "null"), ("", "text")}:
        return Differences("", tuple(headers))
    fields = [
        f"{where}: {path} ({kind}) {'only recorded' if (path, kind) in wanted else 'only answered'}"
        for path, kind in sorted(wanted ^ there)
    ]
    if isinstance(one.answer, dict) and isinstance(have, dict) and isinstance(one.answer.get("error"), dict):
        codes = [str((e.get("error") or {}).get("code")) for e in (one.answer, have)]
        fields += [f"{where}: code {codes[1]}, recorded {codes[0]}"] if codes[0] != codes[1] else []
    return Differences("", tuple(headers), tuple(fields))


def _newer(path: str, date: str) -> bool:
    """Whether a field is newer than a recording of this date (as HTTP writes it)."""
    since = next((NEWER[name] for name in re.split(r"[.\[\]]+", path) if name in NEWER), None)
    try:
        made = parsedate_to_datetime(date)
    except ValueError:
        return False
    return since is not None and (made.year, made.month) < since


def _what(one: Exchange) -> str:
    """The kind of a request: its method and the types in its path."""
    if POLL.search(one.path):
        kinds = "poll" if re.search(r"/operations/|/operationStatuses/", one.path, re.IGNORECASE) else "result"
    elif "/providers/" in one.path:
        parts = one.path.split("/providers/", 1)[1].split("/")
        kinds = "/".join(parts[1::2]) if one.method != "POST" else "/".join((*parts[1:-1:2], parts[-1]))
        if len(parts) % 2 == 0:
            kinds += " list"
    else:
        kinds = "group"
    return f"{one.method} {kinds}"


# --- the command --------------------------------------------------------------------------------------------------------


def figures(folder: Path, *, verbose: bool = False) -> Figures:
    found = Figures()
    for file, exchanges in sessions(folder):
        with tempfile.TemporaryDirectory() as home:
            session = Session(Path(home), exchanges)
            for one in exchanges:
                if not one.uri.lower().startswith(ARM) or not session.models(one):
                    found.others += 1
                    continue
                if not session.begun(one):
                    found.alone += 1
                    continue
                differences = session.replay(one)
                found.add(file, one, differences)
                if verbose and differences != Differences():
                    print(f"{file}: {differences.status or ''}", *differences.headers, *differences.shape, sep="\n    ")
    return found


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="just recordings", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verbose", action="store_true", help="each difference with its file")
    parser.add_argument("--most", type=int, default=25, help="how many kinds of differences are listed (default: 25)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if not options.folder.is_dir():
        print(f"There is no folder {options.folder}.", file=sys.stderr)
        return 2
    try:
        found = figures(options.folder, verbose=options.verbose)
    except ValueError as error:
        print(f"This file holds no exchanges: {error}", file=sys.stderr)
        return 2
    print(f"{found.compared} exchanges compared.")
    print(
        f"{found.others} are about what the sandbox does not have, {found.alone} about operations that began elsewhere."
    )
    for name, number, wanted in (
        ("status", found.status, 99.5),
        ("headers", found.headers, 99),
        ("whole shape", found.shape, 92),
    ):
        print(f"{name:12} {found.share(number):>7}   (wanted: {wanted} %)")
    for text, times in found.why.most_common(options.most):
        print(f"{times:6}  {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
