"""What people change by hand on a link, at any time. What does not exist just then is left alone."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from cloudlink_sandbox.kube.kinds import CONFIGMAPS
from reliability.harness import Harness
from reliability.snapshot import Snapshots

MANUAL_EDITS = (
    "a_rule_goes", "a_record_goes", "a_record_changes", "the_zone_goes", "the_vpc_forgets_names", "a_key_changes",
    "a_customer_gateway_goes", "a_vpn_connection_goes", "an_endpoint_address_goes", "the_endpoint_goes",
    "propagation_stops", "an_azure_connection_goes", "an_azure_key_changes", "a_local_gateway_changes",
    "the_forward_key_goes", "the_forward_key_changes", "a_rule_is_let_go", "azures_inbound_endpoint_goes",
)  # fmt: skip


class ManualEdits:
    """Each method is one thing that somebody does. What cannot be done just now, because a cloud refuses it, is not
    done: nobody was ever told that he could."""

    def __init__(self, harness: Harness, snapshots: Snapshots) -> None:
        self.harness = harness
        self.known = snapshots.known  # what stood there before the link
        self.ec2, self.route53 = snapshots.client("ec2"), snapshots.client("route53")
        self.resolver = snapshots.client("route53resolver")

    def _ours(self, things: Iterable[dict[str, Any]], key: str) -> list[dict[str, Any]]:
        gone = ("deleted", "deleting", "DELETING")
        return [
            t
            for t in things
            if str(t[key]).rpartition("/")[2] not in self.known and t.get("State", t.get("Status")) not in gone
        ]

    def _connections(self) -> list[dict[str, Any]]:
        return self._ours(self.ec2.describe_vpn_connections()["VpnConnections"], "VpnConnectionId")

    def _endpoints(self) -> list[dict[str, Any]]:
        return self._ours(self.resolver.list_resolver_endpoints()["ResolverEndpoints"], "Id")

    def _records(self) -> list[tuple[str, dict[str, Any]]]:
        zones = self._ours(self.route53.list_hosted_zones()["HostedZones"], "Id")
        return [
            (zone["Id"], record)
            for zone in zones
            for record in self.route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ]

    def _change(self, zone: str, action: str, record: dict[str, Any]) -> None:
        self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        )

    # --- AWS --------------------------------------------------------------------------------------------

    def a_rule_goes(self, rng: random.Random) -> None:
        groups = self._ours(self.ec2.describe_security_groups()["SecurityGroups"], "GroupId")
        for group in groups:
            if group["IpPermissions"]:
                self.ec2.revoke_security_group_ingress(
                    GroupId=group["GroupId"], IpPermissions=[rng.choice(group["IpPermissions"])]
                )

    def a_record_goes(self, rng: random.Random) -> None:
        if records := [r for r in self._records() if r[1]["Type"] == "A"]:
            zone, record = rng.choice(records)
            self._change(zone, "DELETE", record)

    def a_record_changes(self, rng: random.Random) -> None:
        if records := [r for r in self._records() if r[1].get("TTL") and r[1]["Type"] == "A"]:
            zone, record = rng.choice(records)
            self._change(zone, "UPSERT", {**record, "TTL": 7, "ResourceRecords": [{"Value": "10.10.8.99"}]})

    def the_zone_goes(self, rng: random.Random) -> None:
        for zone, record in self._records():
            self._change(zone, "DELETE", record)
        for zone in self._ours(self.route53.list_hosted_zones()["HostedZones"], "Id"):
            self.route53.delete_hosted_zone(Id=zone["Id"])

    def the_vpc_forgets_names(self, rng: random.Random) -> None:
        self.ec2.modify_vpc_attribute(VpcId=self.harness.link.aws.vpc_id, EnableDnsHostnames={"Value": False})

    def a_key_changes(self, rng: random.Random) -> None:
        if usable := [c for c in self._connections() if c["State"] == "available"]:
            connection = rng.choice(usable)
            tunnel = rng.choice(connection["Options"]["TunnelOptions"])
            self.ec2.modify_vpn_tunnel_options(
                VpnConnectionId=connection["VpnConnectionId"],
                VpnTunnelOutsideIpAddress=tunnel["OutsideIpAddress"],
                TunnelOptions={"PreSharedKey": "".join(rng.choices("abcdefghijkmnpqrstuvwxyz", k=48))},
            )
            self.harness.settle()

    def a_vpn_connection_goes(self, rng: random.Random) -> None:
        if connections := self._connections():
            self.ec2.delete_vpn_connection(VpnConnectionId=rng.choice(connections)["VpnConnectionId"])
            self.harness.settle()

    def a_customer_gateway_goes(self, rng: random.Random) -> None:
        """AWS lets nobody take one that a connection uses."""
        for connection in self._connections():
            self.ec2.delete_vpn_connection(VpnConnectionId=connection["VpnConnectionId"])
        self.harness.settle()
        gateways = self._ours(self.ec2.describe_customer_gateways()["CustomerGateways"], "CustomerGatewayId")
        if gateways:
            self.ec2.delete_customer_gateway(CustomerGatewayId=rng.choice(gateways)["CustomerGatewayId"])

    def an_endpoint_address_goes(self, rng: random.Random) -> None:
        for endpoint in self._endpoints():
            addresses = self.resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint["Id"])[
                "IpAddresses"
            ]
            if endpoint["Status"] == "OPERATIONAL" and len(addresses) > 2:
                self.resolver.disassociate_resolver_endpoint_ip_address(
                    ResolverEndpointId=endpoint["Id"], IpAddress={"IpId": rng.choice(addresses)["IpId"]}
                )
                self.harness.settle()

    def the_endpoint_goes(self, rng: random.Random) -> None:
        for endpoint in self._endpoints():
            self.resolver.delete_resolver_endpoint(ResolverEndpointId=endpoint["Id"])
        self.harness.settle()

    def a_rule_is_let_go(self, rng: random.Random) -> None:
        """The VPC asks no longer for a zone of Azure's."""
        if found := self._ours(self.resolver.list_resolver_rule_associations()["ResolverRuleAssociations"], "Id"):
            rule = rng.choice(found)
            self.resolver.disassociate_resolver_rule(VPCId=rule["VPCId"], ResolverRuleId=rule["ResolverRuleId"])
            self.harness.settle()

    def propagation_stops(self, rng: random.Random) -> None:
        tables = [t for t in self.ec2.describe_route_tables()["RouteTables"] if t.get("PropagatingVgws")]
        if tables:
            table = rng.choice(tables)
            self.ec2.disable_vgw_route_propagation(
                RouteTableId=table["RouteTableId"], GatewayId=table["PropagatingVgws"][0]["GatewayId"]
            )

    # --- Azure and Kubernetes: in the stores, as the portal would ------------------------------------------

    def _azure(self, kind: str) -> list[Any]:
        store = self.harness.sandbox.azure.store
        name = f"cloudlink-{self.harness.link.name}".lower()
        return [
            r for k, r in sorted(store.resources.items()) if f"/{kind}/" in k and name in k and r.state == "Succeeded"
        ]

    def an_azure_connection_goes(self, rng: random.Random) -> None:
        with self.harness.sandbox.context.lock:
            if connections := self._azure("connections"):
                self.harness.sandbox.azure.store.drop(str(rng.choice(connections).id).lower())
                self.harness.sandbox.context.touch()

    def azures_inbound_endpoint_goes(self, rng: random.Random) -> None:
        with self.harness.sandbox.context.lock:
            if endpoints := self._azure("inboundendpoints"):
                self.harness.sandbox.azure.store.drop(str(rng.choice(endpoints).id).lower())
                self.harness.sandbox.context.touch()

    def an_azure_key_changes(self, rng: random.Random) -> None:
        with self.harness.sandbox.context.lock:
            if connections := self._azure("connections"):
                rng.choice(connections).properties["sharedKey"] = "".join(rng.choices("abcdefghjkmnpqrstuvwxyz", k=48))
                self.harness.sandbox.context.touch()

    def a_local_gateway_changes(self, rng: random.Random) -> None:
        with self.harness.sandbox.context.lock:
            if gateways := self._azure("localnetworkgateways"):
                rng.choice(gateways).properties["bgpSettings"]["asn"] = 64999
                self.harness.sandbox.context.touch()

    def _forward_key(self, rng: random.Random, new: str | None) -> None:
        with self.harness.sandbox.context.lock:
            cluster = rng.choice(list(self.harness.sandbox.aks.clusters.values()))
            custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
            key = f"cloudlink-{self.harness.link.name}.server"
            if key in (custom.get("data") or {}):
                kept = {k: v for k, v in custom["data"].items() if k != key}
                custom["data"] = kept if new is None else {**kept, key: custom["data"][key].replace("cache 30", new)}
                cluster.store.replace(CONFIGMAPS, custom)
                self.harness.sandbox.context.touch()

    def the_forward_key_goes(self, rng: random.Random) -> None:
        self._forward_key(rng, None)

    def the_forward_key_changes(self, rng: random.Random) -> None:
        self._forward_key(rng, "cache 300")
