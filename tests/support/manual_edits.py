"""What people do by hand to a link, through the SDKs: each function changes one thing."""

from __future__ import annotations

from typing import Any

from tests.support.cli import Cli

GROUP = "cloudlink-demo"
KEY = "cloudlink-demo.server"


class ManualEdits:
    """Somebody with both clouds' consoles open."""

    def __init__(self, place: Cli) -> None:
        self.place = place
        self.clouds: Any = place.clouds()
        self.ec2 = self.clouds.aws.ec2
        self.network = self.clouds.azure.network

    def later(self, seconds: float = 300) -> None:
        """Let the clouds finish what was begun."""
        self.place.control("POST", "clock", {"advance": seconds})

    # --- AWS ---------------------------------------------------------------------------------------------

    def vpn_connection(self, number: int) -> Any:
        found = self.ec2.describe_vpn_connections(
            Filters=[{"Name": "tag:cloudlink-resource", "Values": [f"aws_vpn.connection[{number}]"]}]
        )["VpnConnections"]
        return next(c for c in found if c["State"] not in ("deleting", "deleted"))

    def tunnel_options(self, tunnel: int, **options: Any) -> None:
        made = self.place.link.tunnels[tunnel]
        connection = self.vpn_connection(made.vpn)
        outside = next(
            o["OutsideIpAddress"]
            for o in connection["Options"]["TunnelOptions"]
            if o["TunnelInsideCidr"] == str(made.inside)
        )
        self.ec2.modify_vpn_tunnel_options(
            VpnConnectionId=connection["VpnConnectionId"], VpnTunnelOutsideIpAddress=outside, TunnelOptions=options
        )

    def narrow(self, number: int, *, azure: str, aws: str) -> None:
        """The ranges that AWS lets through a connection's tunnels; its "local" is the customer's side."""
        self.ec2.modify_vpn_connection_options(
            VpnConnectionId=self.vpn_connection(number)["VpnConnectionId"],
            LocalIpv4NetworkCidr=azure,
            RemoteIpv4NetworkCidr=aws,
        )

    def vpn_gateway(self) -> str:
        return str(self.vpn_connection(0)["VpnGatewayId"])

    def detach_gateway(self) -> None:
        self.ec2.detach_vpn_gateway(VpnGatewayId=self.vpn_gateway(), VpcId=self.place.link.aws.vpc_id)

    def table_of_one_subnet(self) -> Any:
        """The route table of the EKS subnet that has one to itself."""
        return next(
            t
            for t in self.ec2.describe_route_tables()["RouteTables"]
            if t.get("PropagatingVgws") and sum(bool(a.get("SubnetId")) for a in t["Associations"]) == 1
        )

    def stop_propagation(self) -> str:
        table = self.table_of_one_subnet()
        self.ec2.disable_vgw_route_propagation(GatewayId=self.vpn_gateway(), RouteTableId=table["RouteTableId"])
        return str(table["RouteTableId"])

    def security_group(self) -> Any:
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        return next(g for g in groups if g["GroupName"] == "cloudlink-demo-resolver")

    def shut_out(self, protocol: str) -> None:
        group = self.security_group()
        rule = next(p for p in group["IpPermissions"] if p["IpProtocol"] == protocol)
        self.ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])

    def let_in_somebody(self) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.99.0.0/16"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.security_group()["GroupId"], IpPermissions=[rule])

    def close_port(self, group_name: str, port: int) -> Any:
        group = next(g for g in self.ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] == group_name)
        rule = next(p for p in group["IpPermissions"] if p.get("FromPort") == port)
        self.ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
        return group["GroupId"], rule

    # --- names -------------------------------------------------------------------------------------------

    @property
    def route53(self) -> Any:
        return self.clouds.aws.route53

    def zone(self) -> str:
        zones = self.route53.list_hosted_zones()["HostedZones"]
        return str(next(z["Id"] for z in zones if z["Name"] == "prod.corp.example."))

    def records(self) -> list[Any]:
        return list(self.route53.list_resource_record_sets(HostedZoneId=self.zone())["ResourceRecordSets"])

    def change_record(self, action: str, record: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.zone(), ChangeBatch=batch)

    def remove_records(self, *names: str) -> None:
        for record in self.records():
            if record["Name"] in names:
                self.change_record("DELETE", record)

    def disassociate_zone(self) -> None:
        """A private zone needs some VPC, so it gets the foreign one first."""
        zone, here = self.zone(), self.place.link.aws.vpc_id
        region = self.place.link.aws.region
        if len(self.route53.get_hosted_zone(Id=zone)["VPCs"]) == 1:  # else an earlier round has given it one
            other = next(v["VpcId"] for v in self.ec2.describe_vpcs()["Vpcs"] if v["VpcId"] != here)
            self.route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": region, "VPCId": other})
        self.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": region, "VPCId": here})

    def only_our_vpc(self) -> None:
        """Take what ``disassociate_zone`` has given it off the zone again."""
        zone, region = self.zone(), self.place.link.aws.region
        for vpc in self.route53.get_hosted_zone(Id=zone)["VPCs"]:
            if vpc["VPCId"] != self.place.link.aws.vpc_id:
                where = {"VPCRegion": region, "VPCId": vpc["VPCId"]}
                self.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=where)

    # --- Azure -------------------------------------------------------------------------------------------

    def local_gateway(self, tunnel: int, *, ip: str = "", peer: str = "", asn: int = 0) -> None:
        name = f"cloudlink-demo-local-gateway-{tunnel + 1}"
        local = self.network.local_network_gateways.get(GROUP, name)
        settings = local.properties.bgp_settings
        local.properties.gateway_ip_address = ip or local.properties.gateway_ip_address
        settings.bgp_peering_address = peer or settings.bgp_peering_address
        settings.asn = asn or settings.asn
        self.network.local_network_gateways.begin_create_or_update(GROUP, name, local, polling=False)
        self.later()  # Azure does one thing at a time on a gateway

    def _connection(self, tunnel: int) -> Any:
        return self.network.virtual_network_gateway_connections.get(GROUP, f"cloudlink-demo-connection-{tunnel + 1}")

    def _put_connection(self, connection: Any) -> None:
        self.network.virtual_network_gateway_connections.begin_create_or_update(
            GROUP, connection.name, connection, polling=False
        )
        self.later()

    def connection(self, tunnel: int, **values: Any) -> None:
        """Other properties on one connection."""
        connection = self._connection(tunnel)
        for name, value in values.items():
            setattr(connection.properties, name, value)
        self._put_connection(connection)

    def selectors(self, tunnel: int, azure: str, aws: str) -> None:
        """A connection between these ranges only, as for a device that is policy-based."""
        pair = {"localAddressRanges": [azure], "remoteAddressRanges": [aws]}
        self.connection(tunnel, use_policy_based_traffic_selectors=True, traffic_selector_policies=[pair])

    def local_prefixes(self, tunnel: int, *prefixes: str) -> None:
        name = f"cloudlink-demo-local-gateway-{tunnel + 1}"
        local = self.network.local_network_gateways.get(GROUP, name)
        local.properties.local_network_address_space = {"addressPrefixes": list(prefixes)}
        self.network.local_network_gateways.begin_create_or_update(GROUP, name, local, polling=False)
        self.later()

    def bgp_address(self, tunnel: int, address: str) -> None:
        """Another custom BGP address on one connection."""
        wanted = str(self.place.link.tunnels[tunnel].azure_inside)
        connection = self._connection(tunnel)
        for entry in connection.properties.gateway_custom_bgp_ip_addresses:
            if entry.custom_bgp_ip_address == wanted:
                entry.custom_bgp_ip_address = address
        self._put_connection(connection)

    def policy(self, tunnel: int, **values: str) -> None:
        connection = self._connection(tunnel)
        for name, value in values.items():
            setattr(connection.properties.ipsec_policies[0], name, value)
        self._put_connection(connection)

    def key(self, tunnel: int, value: str) -> None:
        self.network.virtual_network_gateway_connections.begin_set_shared_key(
            GROUP, f"cloudlink-demo-connection-{tunnel + 1}", {"value": value}, polling=False
        )
        self.later()

    def gateway_without(self, address: str) -> None:
        """Take one custom BGP address from the gateway."""
        gateway = self.network.virtual_network_gateways.get(GROUP, "cloudlink-demo-gateway")
        gateway.properties.bgp_settings.bgp_peering_address = None
        for entry in gateway.properties.bgp_settings.bgp_peering_addresses:
            entry.default_bgp_ip_addresses = None
            entry.custom_bgp_ip_addresses = [a for a in entry.custom_bgp_ip_addresses if a != address]
        self.network.virtual_network_gateways.begin_create_or_update(GROUP, gateway.name, gateway, polling=False)
        self.later(600)

    # --- CoreDNS -----------------------------------------------------------------------------------------

    def coredns_key(self, key: str, text: str | None) -> None:
        self.clouds.aks.patch_config_map("kube-system", "coredns-custom", {"data": {key: text}})

    def restart_coredns(self, mark: str) -> None:
        patch = {"spec": {"template": {"metadata": {"annotations": {"restarted-by-hand": mark}}}}}
        self.clouds.aks.patch_deployment("kube-system", "coredns", patch)
        self.later(120)
