"""What exists in both clouds, ids aside: two worlds that a user could not tell apart have the same snapshot.

Azure and Kubernetes are read from the sandbox's stores, AWS through its API. Ids that the first world did not have,
times, public addresses and keys are replaced by words; everything else, tags included, is compared as it is.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from ipaddress import IPv4Address
from typing import Any

from cloudlink.steps.dns_forward.coredns import hash_of
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, DEPLOYMENTS, PODS, SERVICES
from reliability.harness import Harness

_IDS = re.compile(
    r"\b(vgw|tgw|tgw-attach|tgw-rtb|cgw|vpn|sg|sgr|rtb|eni|eni-attach|rslvr-in|rslvr-out|rslvr-rr|rslvr-rrassoc|rslvr-autodefined|rni|eipalloc|rslvr)-[0-9a-f]{8,}\b"
)
_ZONE = re.compile(r"\bZ[A-Z0-9]{12,}\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.:+Z]*")
_KEY = re.compile(r"\b[A-Za-z][A-Za-z0-9]{47}\b")
_ADDRESS = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_GONE = ("deleted", "deleting", "DELETING")
# A restart leaves these behind on the Deployment and its pods, whoever asked for it and wherever the pods come to run.
_OF_A_RESTART = ("kubectl.kubernetes.io/restartedAt", "deployment.kubernetes.io/revision", "pod-template-hash")
PROBE = "cloudlink-probe"
_NOTED = "cloudlink-key-"  # tags that say when keys were changed: after other keys they stay
_PASSING = ("VgwTelemetry", "CustomerGatewayConfiguration", "CreatorRequestId", "ModificationTime", "CreationTime",
            "CallerReference", "AttachTime", "StatusMessage", "CreateTime", "MacAddress", "PrivateDnsName",
            "provisioningState")  # fmt: skip


class Snapshots:
    """Of one harness. known: the first world's ids stay as they are."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.known: set[str] = set()
        first = json.dumps(self.raw(), default=str)
        self.known = {m.group(0) for m in _IDS.finditer(first)} | set(_ZONE.findall(first)) | set(_UUID.findall(first))

    @cached_property
    def _clients(self) -> dict[str, Any]:
        import boto3
        from botocore.config import Config

        at = self.harness.sandbox.address()
        session = boto3.Session(at["aws_access_key"], at["aws_secret_key"], region_name=self.harness.link.aws.region)
        config = Config(proxies={}, retries={"total_max_attempts": 1})
        return {
            name: session.client(name, endpoint_url=at["aws_url"], config=config)
            for name in ("ec2", "route53", "route53resolver", "secretsmanager")
        }

    def client(self, name: str) -> Any:
        return self._clients[name]

    def raw(self) -> dict[str, list[Any]]:
        """kind -> objects as the clouds describe them. What is being deleted is left out. The names of what is in an AKS cluster
        beside the link's first begin with the cluster's."""
        ec2, route53, resolver = self.client("ec2"), self.client("route53"), self.client("route53resolver")
        seen: dict[str, list[Any]] = {
            "aws vpn gateway": ec2.describe_vpn_gateways()["VpnGateways"],
            "aws customer gateway": ec2.describe_customer_gateways()["CustomerGateways"],
            "aws vpn connection": ec2.describe_vpn_connections()["VpnConnections"],
            "aws transit gateway": ec2.describe_transit_gateways()["TransitGateways"],
            "aws transit gateway attachment": self._attachments(ec2),
            "aws transit gateway table": self._transit_tables(ec2),
            "aws security group": ec2.describe_security_groups()["SecurityGroups"],
            "aws route table": ec2.describe_route_tables()["RouteTables"],
            "aws interface": ec2.describe_network_interfaces()["NetworkInterfaces"],
            "aws resolver endpoint": [
                {
                    **e,
                    "addresses": resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=e["Id"])["IpAddresses"],
                    "tags": resolver.list_tags_for_resource(ResourceArn=e["Arn"])["Tags"],
                }
                for e in resolver.list_resolver_endpoints()["ResolverEndpoints"]
            ],
            "aws resolver rule": [
                r for r in resolver.list_resolver_rules()["ResolverRules"] if r.get("OwnerId") != "Route 53 Resolver"
            ],
            "aws resolver rule association": resolver.list_resolver_rule_associations()["ResolverRuleAssociations"],
            "aws hosted zone": [self._zone(route53, z) for z in route53.list_hosted_zones()["HostedZones"]],
            "aws vpc": [
                {
                    "id": self.harness.link.aws.vpc_id,
                    **{a: ec2.describe_vpc_attribute(VpcId=self.harness.link.aws.vpc_id, Attribute=a)[a[0].upper() + a[1:]]
                       for a in ("enableDnsSupport", "enableDnsHostnames")},
                }
            ],
        }  # fmt: skip
        sandbox = self.harness.sandbox
        with sandbox.context.lock:
            sandbox.azure.advance()
            store = sandbox.azure.store
            seen["azure resource"] = [
                {
                    "id": str(r.id), "location": r.location, "properties": r.properties, "effective": r.effective,
                    "tags": r.tags, "top": r.top, "state": r.state,
                }
                for r in store.resources.values()
            ]  # fmt: skip
            seen["azure group"] = [{"name": g.name, "tags": g.tags} for g in store.groups.values()]
            first = self.harness.link.azure.aks_cluster
            for cluster in sandbox.aks.clusters.values():
                cluster.catch_up()
                on = "" if cluster.name == first else f"{cluster.name}/"
                for (space, name), thing in cluster.store.objects[CONFIGMAPS.key].items():
                    seen.setdefault("kube config map", []).append(
                        {"space": space, "name": f"{on}{name}", "data": thing.get("data") or {}, "labels": thing["metadata"].get("labels"),
                         "annotations": thing["metadata"].get("annotations")}
                    )  # fmt: skip
                custom = cluster.store.objects[CONFIGMAPS.key].get(("kube-system", "coredns-custom"), {})
                of_key = _Marks(custom.get("data") or {})
                seen.setdefault("kube deployment", []).extend(
                    _deployment(d, of_key, on) for d in _all(cluster, DEPLOYMENTS)
                )
                seen.setdefault("kube service", []).extend(_service(s, on) for s in _all(cluster, SERVICES))
                seen.setdefault("kube pod", []).extend(_pods(_all(cluster, PODS), of_key, on))
        return {
            kind: [t for t in things if t.get("State", t.get("Status", "")) not in _GONE]
            for kind, things in seen.items()
        }

    def _attachments(self, ec2: Any) -> list[dict[str, Any]]:
        of_vpcs = {
            a["TransitGatewayAttachmentId"]: {k: a[k] for k in ("SubnetIds", "Options")}
            for a in ec2.describe_transit_gateway_vpc_attachments()["TransitGatewayVpcAttachments"]
        }
        attachments = ec2.describe_transit_gateway_attachments()["TransitGatewayAttachments"]
        return [{**a, **of_vpcs.get(a["TransitGatewayAttachmentId"], {})} for a in attachments]

    def _transit_tables(self, ec2: Any) -> list[dict[str, Any]]:
        """With their routes, associations and propagations."""
        every = [{"Name": "state", "Values": ["active", "blackhole"]}]
        tables = ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
        return [
            {
                **t,
                "routes": ec2.search_transit_gateway_routes(TransitGatewayRouteTableId=t["TransitGatewayRouteTableId"], Filters=every)["Routes"],
                "associations": ec2.get_transit_gateway_route_table_associations(TransitGatewayRouteTableId=t["TransitGatewayRouteTableId"])["Associations"],
                "propagations": ec2.get_transit_gateway_route_table_propagations(TransitGatewayRouteTableId=t["TransitGatewayRouteTableId"])["TransitGatewayRouteTablePropagations"],
            }
            for t in tables
            if t["State"] not in _GONE
        ]  # fmt: skip

    def _zone(self, route53: Any, zone: dict[str, Any]) -> dict[str, Any]:
        bare = zone["Id"].removeprefix("/hostedzone/")
        return {
            **zone,
            "records": sorted(
                route53.list_resource_record_sets(HostedZoneId=bare)["ResourceRecordSets"],
                key=lambda r: json.dumps(r, sort_keys=True),
            ),
            "vpcs": route53.get_hosted_zone(Id=bare).get("VPCs", []),
            "tags": route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=bare)["ResourceTagSet"][
                "Tags"
            ],
        }

    def take(self) -> list[str]:
        """Sorted lines, one for each object."""
        lines = []
        raw = self.raw()
        chosen = {e["Ip"] for endpoint in raw["aws resolver endpoint"] for e in endpoint["addresses"] if e.get("Ip")}
        for kind, things in raw.items():
            for thing in things:
                # AWS chooses the endpoint's addresses
                text = _ADDRESS.sub(
                    lambda m: "<endpoint>" if m.group(0) in chosen else m.group(0), json.dumps(thing, default=str)
                )
                lines.append(f"{kind} {json.dumps(_ordered(json.loads(self.masked(text))), sort_keys=True)}")
        tunnels = self.harness.sandbox.context.world().tunnels
        lines.append(f"tunnels up {sum(not t.why for t in tunnels)} of {len(tunnels)}")
        lines += [f"tunnel down: {t.why}" for t in tunnels if t.why]
        return sorted(lines)

    def masked(self, text: str) -> str:
        def keep(pattern: re.Pattern[str], word: str, text: str) -> str:
            return pattern.sub(lambda m: m.group(0) if m.group(0) in self.known else word, text)

        text = _IDS.sub(lambda m: m.group(0) if m.group(0) in self.known else f"<{m.group(1)}>", text)
        text = keep(_ZONE, "<zone>", text)
        text = keep(_UUID, "<uuid>", text)
        text = _TIME.sub("<time>", text)
        text = _KEY.sub("<key>", text)
        return _ADDRESS.sub(_public, text)

    def probe_pods(self) -> list[str]:
        found = []
        with self.harness.sandbox.context.lock:
            for cluster in self.harness.sandbox.aks.clusters.values():
                cluster.catch_up()
                found += [n for _, n in cluster.store.objects.get(PODS.key, {}) if n.startswith("cloudlink-probe")]
        return found


# --- clusters ---------------------------------------------------------------------------------------------------


def _all(cluster: Any, kind: Any) -> list[dict[str, Any]]:
    return [thing for _, thing in sorted(cluster.store.objects.get(kind.key, {}).items())]


def _kept(words: dict[str, str] | None) -> dict[str, str]:
    """Labels or annotations without what a restart brings."""
    return {k: v for k, v in (words or {}).items() if k not in _OF_A_RESTART}


class _Marks:
    """cloudlink's annotations: whether CoreDNS was restarted with the key that is there. The hash itself is of addresses
    that AWS chooses."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._hashes = {f"cloudlink.dev/{k[10:-7]}": hash_of(v) for k, v in keys.items() if k.startswith("cloudlink-")}

    def __call__(self, words: dict[str, str] | None) -> dict[str, str]:
        return {
            k: v if not k.startswith("cloudlink.dev/") else "its key" if self._hashes.get(k) == v else "another key"
            for k, v in _kept(words).items()
        }


def _deployment(thing: dict[str, Any], marks: _Marks, on: str) -> dict[str, Any]:
    """What it asks for, and how many of its pods serve. on: see ``raw``."""
    meta, spec = thing["metadata"], json.loads(json.dumps(thing["spec"]))
    template = spec["template"]["metadata"]
    template["annotations"] = marks(template.get("annotations"))
    ready = thing.get("status", {}).get("readyReplicas", 0)
    return {
        "id": f"{on}{meta['namespace']}/{meta['name']}", "labels": meta.get("labels"),
        "annotations": _kept(meta.get("annotations")), "spec": spec, "ready": ready,
    }  # fmt: skip


def _service(thing: dict[str, Any], on: str) -> dict[str, Any]:
    meta = thing["metadata"]
    return {
        "id": f"{on}{meta['namespace']}/{meta['name']}", "labels": meta.get("labels"),
        "annotations": meta.get("annotations"), "spec": thing["spec"],
    }  # fmt: skip


def _pods(things: list[dict[str, Any]], marks: _Marks, on: str) -> list[dict[str, Any]]:
    """Those of a Deployment are told apart by nothing but a number: their names are drawn anew with each restart. The
    pods of verify-dns are ``probe_pods``."""
    found: list[dict[str, Any]] = []
    of_owner: dict[str, int] = {}
    for thing in things:
        meta = thing["metadata"]
        if meta["name"].startswith(PROBE) and "cloudlink" in (meta.get("labels") or {}).values():
            continue
        name = meta["name"]
        if owners := meta.get("ownerReferences"):
            name = owners[0]["name"].rpartition("-")[0]
            of_owner[name] = of_owner.get(name, 0) + 1
            name = f"{name} {of_owner[name]}"
        spec = {k: v for k, v in thing["spec"].items() if k != "nodeName"}
        conditions = thing.get("status", {}).get("conditions", ())
        found.append(
            {
                "id": f"{on}{meta['namespace']}/{name}", "labels": _kept(meta.get("labels")),
                "annotations": marks(meta.get("annotations")), "spec": spec,
                "phase": thing.get("status", {}).get("phase"),
                "ready": any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
            }
        )  # fmt: skip
    return found


def _public(match: re.Match[str]) -> str:
    try:
        address = IPv4Address(match.group(0))
    except ValueError:
        return match.group(0)
    known = any(match.group(0).startswith(p) for p in ("10.", "172.", "192.168.", "169.254.", "100.", "127.", "0."))
    return match.group(0) if known or address.is_loopback else "<ip>"


def _ordered(thing: Any) -> Any:
    """Lists in one order, passing fields left out."""
    if isinstance(thing, dict):
        return {k: _ordered(v) for k, v in thing.items() if k not in _PASSING}
    if isinstance(thing, (list, tuple)):
        kept = [v for v in thing if not (isinstance(v, dict) and str(v.get("Key", "")).startswith(_NOTED))]
        return sorted((_ordered(v) for v in kept), key=lambda v: json.dumps(v, sort_keys=True, default=str))
    return thing


def difference(wanted: list[str], got: list[str]) -> list[str]:
    """Lines with - (missing) or + (too many), with multiplicity; shortened for the screen."""
    missing, extra, shown = list(wanted), list[str](), list[str]()
    for line in got:
        if line in missing:
            missing.remove(line)
        else:
            extra.append(line)
    for line in list(missing):
        like = next((e for e in extra if e.split('"')[0] == line.split('"')[0] and _name(e) == _name(line)), None)
        if like is not None:
            at = next(i for i, (a, b) in enumerate(zip(line, like, strict=False)) if a != b)
            found = f"~ {line[:60]}... {_name(line)} at {at}: {line[max(0, at - 80) : at + 160]!r} became {like[max(0, at - 30) : at + 160]!r}"
            missing.remove(line)
            extra.remove(like)
            shown.append(found)
    return [*shown, *(f"- {line}" for line in missing), *(f"+ {line}" for line in extra)]


def _name(line: str) -> str:
    found = re.search(r'"(?:id|name|Id|Name|NetworkInterfaceId|GroupId)": "([^"]*)"', line)
    return found.group(1) if found else ""
