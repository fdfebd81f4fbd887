"""Somebody who changes one thing in either cloud, through its own interface: what it refuses is refused."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from cloudlink.clouds.endpoints import Endpoints
from cloudlink.connect import Clouds, connect
from cloudlink.core.polling import WallClock
from cloudlink.sandbox_client import endpoints_of
from reliability.harness import Harness

_API = "2024-05-01"
_NETWORK = "Microsoft.Network"


class Refused(Exception):
    """A cloud does not take the change; the text is its own."""


class Hands:
    def __init__(self, harness: Harness) -> None:
        self.harness, self.link = harness, harness.link
        self.clouds = self.fresh()
        self.ec2: Any = self.clouds.aws.ec2
        self.route53: Any = self.clouds.aws.route53
        self._token = ""

    def fresh(self) -> Clouds:
        """Clients that have read nothing yet."""
        return connect(self.harness.link, WallClock(self.harness.speed), self._endpoints())

    def _endpoints(self) -> Endpoints:
        return endpoints_of(self.harness.sandbox.address())

    # --- AWS --------------------------------------------------------------------------------------------

    def vpn(self, number: int) -> dict[str, Any]:
        """The VPN connection of the link with this number."""
        wanted = {str(t.inside) for t in self.link.tunnels if t.vpn == number}
        found: dict[str, Any] = next(
            c
            for c in self.ec2.describe_vpn_connections()["VpnConnections"]
            if c["State"] not in ("deleting", "deleted")
            and wanted & {o.get("TunnelInsideCidr") for o in c["Options"]["TunnelOptions"]}
        )
        return found

    def outside(self, tunnel: int) -> str:
        made = self.link.tunnels[tunnel]
        return next(
            str(o["OutsideIpAddress"])
            for o in self.vpn(made.vpn)["Options"]["TunnelOptions"]
            if o["TunnelInsideCidr"] == str(made.inside)
        )

    def tunnel_options(self, tunnel: int, **options: Any) -> None:
        connection = self.vpn(self.link.tunnels[tunnel].vpn)
        self.ec2.modify_vpn_tunnel_options(
            VpnConnectionId=connection["VpnConnectionId"],
            VpnTunnelOutsideIpAddress=self.outside(tunnel),
            TunnelOptions=options,
        )

    def ranges(self, vpn: int, **options: str) -> None:
        self.ec2.modify_vpn_connection_options(VpnConnectionId=self.vpn(vpn)["VpnConnectionId"], **options)

    def customer_gateway(self, vpn: int, *, address: str = "", asn: int = 0) -> None:
        """Another one, and the connection is told to use it."""
        connection = self.vpn(vpn)
        old = self.ec2.describe_customer_gateways(CustomerGatewayIds=[connection["CustomerGatewayId"]])
        old = old["CustomerGateways"][0]
        made = self.ec2.create_customer_gateway(
            Type="ipsec.1", IpAddress=address or old["IpAddress"], BgpAsn=asn or int(old["BgpAsn"])
        )
        self.harness.settle()
        self.ec2.modify_vpn_connection(
            VpnConnectionId=connection["VpnConnectionId"],
            CustomerGatewayId=made["CustomerGateway"]["CustomerGatewayId"],
        )

    @property
    def vpn_gateway(self) -> str:
        return str(self.vpn(0)["VpnGatewayId"])

    def tables(self) -> list[str]:
        return [
            t["RouteTableId"]
            for t in self.ec2.describe_route_tables()["RouteTables"]
            if any(g["GatewayId"] == self.vpn_gateway for g in t.get("PropagatingVgws", ()))
        ]

    def stop_propagation(self, *tables: str) -> None:
        for table in tables:
            self.ec2.disable_vgw_route_propagation(GatewayId=self.vpn_gateway, RouteTableId=table)

    def group(self, name: str) -> dict[str, Any]:
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        return dict(next(g for g in groups if g["GroupName"] == name))

    def shut(self, name: str, protocol: str) -> None:
        group = self.group(name)
        rules = [p for p in group["IpPermissions"] if p["IpProtocol"] == protocol]
        self.ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules)

    def endpoint_subnets(self) -> list[str]:
        """Where the link's inbound endpoint has addresses."""
        resolver = self.clouds.aws.route53resolver
        (endpoint,) = resolver.list_resolver_endpoints()["ResolverEndpoints"]
        found = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint["Id"])["IpAddresses"]
        return [str(a["SubnetId"]) for a in found]

    def zone(self) -> str:
        zones = self.route53.list_hosted_zones()["HostedZones"]
        return str(next(z["Id"] for z in zones if z["Name"] == f"{self.link.dns.zone}."))

    def record(self, name: str) -> dict[str, Any]:
        records = self.route53.list_resource_record_sets(HostedZoneId=self.zone())["ResourceRecordSets"]
        return dict(next(r for r in records if r["Name"].replace("\\052", "*") == f"{name}." and r["Type"] == "A"))

    def change_record(self, action: str, record: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.zone(), ChangeBatch=batch)

    # --- Azure ------------------------------------------------------------------------------------------

    def change(self, kind: str, name: str, edit: Callable[[dict[str, Any]], None], *, group: str = "") -> None:
        """Read, change, write, as the portal does; what is not given back, as a key, is left out."""
        path = self.path(kind, name, group)
        body = self.arm("GET", path)
        for key in ("etag", "provisioningState", "resourceGuid"):
            body.pop(key, None)
            body["properties"].pop(key, None)
        if kind == "connections":
            body["properties"]["sharedKey"] = self.arm("GET", f"{path}/sharedkey")["value"]
        edit(body["properties"])
        self.arm("PUT", path, body)
        self.harness.settle()

    def path(self, kind: str, name: str, group: str = "") -> str:
        azure = self.link.azure
        place = f"/subscriptions/{azure.subscription}/resourceGroups/{group or azure.resource_group}"
        return f"{place}/providers/{_NETWORK}/{kind}/{name}"

    def aks_subnet(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """The subnet of the cluster's nodes."""
        azure = self.link.azure
        vnet = self.arm("GET", self.path("virtualNetworks", azure.vnet, azure.vnet_resource_group))
        name = next(s["name"] for s in vnet["properties"]["subnets"] if s["name"] != "GatewaySubnet")
        self.change("virtualNetworks", f"{azure.vnet}/subnets/{name}", edit, group=azure.vnet_resource_group)

    def connection(self, tunnel: int, edit: Callable[[dict[str, Any]], None]) -> None:
        self.change("connections", f"cloudlink-{self.link.name}-connection-{tunnel + 1}", edit)

    def policy(self, tunnel: int, **values: str | int) -> None:
        self.connection(tunnel, lambda p: p["ipsecPolicies"][0].update(values))

    def local_gateway(self, tunnel: int, edit: Callable[[dict[str, Any]], None]) -> None:
        self.change("localNetworkGateways", f"cloudlink-{self.link.name}-local-gateway-{tunnel + 1}", edit)

    def gateway(self, edit: Callable[[dict[str, Any]], None]) -> None:
        self.change("virtualNetworkGateways", f"cloudlink-{self.link.name}-gateway", edit)

    def public_addresses(self) -> list[str]:
        """Of the instances, in their order."""
        return [
            str(self.ec2.describe_customer_gateways(CustomerGatewayIds=[self.vpn(n)["CustomerGatewayId"]])
                ["CustomerGateways"][0]["IpAddress"])
            for n in (0, 1)
        ]  # fmt: skip

    def arm(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        address = self.harness.sandbox.address()
        if not self._token:
            form = {
                "grant_type": "client_credentials",
                "client_id": address["azure_client_id"],
                "client_secret": address["azure_client_secret"],
                "scope": "https://management.azure.com/.default",
            }
            where = f"{address['azure_url']}/{address['azure_tenant']}/oauth2/v2.0/token"
            said = self._send("POST", where, urllib.parse.urlencode(form).encode(), {})
            self._token = str(said["access_token"])
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        return self._send(method, f"{address['azure_url']}{path}?api-version={_API}", data, headers)

    def _send(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.harness.sandbox.address()["ca_file"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(urllib.request.Request(url, data, headers, method=method)) as answer:
                return dict(json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode(errors="replace")) from error

    # --- Kubernetes ---------------------------------------------------------------------------------------

    def forward_key(self, edit: Callable[[str], str | None]) -> None:
        """The key of coredns-custom that is the link's; CoreDNS takes it up within a minute."""
        key = f"cloudlink-{self.link.name}.server"
        text = self.clouds.aks.config_map("kube-system", "coredns-custom")["data"][key]
        self.clouds.aks.patch_config_map("kube-system", "coredns-custom", {"data": {key: edit(text)}})
