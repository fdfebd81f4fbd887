"""A folder with a configuration and a sandbox of its own, and the commands run in it as a user would."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudlink import sandbox_client as client
from cloudlink.cli.commands import run
from cloudlink.connect import connect
from cloudlink.core.polling import WallClock
from cloudlink.link import Link
from cloudlink.session import sandbox_place
from cloudlink_sandbox import client as sandbox_program
from tests.support.swift_time import swift_commands

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
SPEED = 150


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines() if line]


@dataclass
class Cli:
    """folder: where the commands run. Its config.toml may be rewritten by a test."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def home(self) -> Path:
        return sandbox_place(self.config).home

    @property
    def state(self) -> Path:
        return self.home / f"{self.link.name}.state.json"

    @property
    def link(self) -> Link:
        return sandbox_place(self.config).link

    def cloudlink(self, *arguments: str, sandbox: bool = True) -> Result:
        """One command line, in this process."""
        out, err = io.StringIO(), io.StringIO()
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), swift_commands():
                code = run([*arguments, *(["--sandbox"] if sandbox else [])])
        finally:
            os.chdir(before)
        return Result(code, out.getvalue(), err.getvalue())

    def sandbox(self, *arguments: str) -> Result:
        return self.cloudlink("sandbox", *arguments, sandbox=False)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        running = client.find(self.home)
        assert running is not None
        return running.call(method, path, body)

    def writes(self) -> int:
        return int(self.control("GET", "journal")["writes"])

    def clouds(self) -> Any:
        """Both clouds as a person at a keyboard has them: through the SDKs."""
        running = client.find(self.home)
        assert running is not None
        speed = float(running.call("GET", "status")["speed"])
        return connect(self.link, WallClock(speed), running.endpoints())

    def replace(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text, old
        self.config.write_text(text.replace(old, new))

    def inventory(self) -> dict[str, Any]:
        """Everything that exists in both clouds now, deleted things left out."""
        clouds = self.clouds()
        ec2 = clouds.aws.ec2

        def live(items: list[dict[str, Any]], key: str) -> list[str]:
            return sorted(str(i[key]) for i in items if i.get("State") not in ("deleted", "deleting"))

        zones = clouds.aws.route53.list_hosted_zones()["HostedZones"]
        return {
            "vpn gateways": live(ec2.describe_vpn_gateways()["VpnGateways"], "VpnGatewayId"),
            "customer gateways": live(ec2.describe_customer_gateways()["CustomerGateways"], "CustomerGatewayId"),
            "vpn connections": live(ec2.describe_vpn_connections()["VpnConnections"], "VpnConnectionId"),
            "security groups": {
                g["GroupId"]: json.dumps([g["IpPermissions"], g["IpPermissionsEgress"]], sort_keys=True)
                for g in ec2.describe_security_groups()["SecurityGroups"]
            },
            "route tables": {
                t["RouteTableId"]: json.dumps([t["Routes"], t.get("PropagatingVgws", [])], sort_keys=True)
                for t in ec2.describe_route_tables()["RouteTables"]
            },
            "interfaces": sorted(
                i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]
            ),
            "endpoints": [e["Id"] for e in clouds.aws.route53resolver.list_resolver_endpoints()["ResolverEndpoints"]],
            "zones": {
                z["Id"]: sorted(
                    json.dumps(r, sort_keys=True)
                    for r in clouds.aws.route53.list_resource_record_sets(HostedZoneId=z["Id"])["ResourceRecordSets"]
                )
                for z in zones
            },
            "vpc dns": [
                clouds.aws.vpc_attribute(self.link.aws.vpc_id, a, fresh=True)
                for a in ("enableDnsSupport", "enableDnsHostnames")
            ],
            "azure": sorted(str(r.id).lower() for r in clouds.azure.resources.resources.list()),
            "subnets": sorted(
                str(s.id).lower()
                for v in clouds.azure.network.virtual_networks.list_all()
                for s in v.properties.subnets or ()
            ),
            "coredns": clouds.aks.config_map("kube-system", "coredns-custom").get("data") or {},
            "pods": sorted(p["metadata"]["name"] for p in clouds.aks.pods("default", "")),
        }


@contextlib.contextmanager
def make_cli(folder: Path, *, speed: float = SPEED, more: str = "") -> Iterator[Cli]:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLE, folder / "config.toml")
    place = Cli(folder)
    with place.config.open("a") as out:
        out.write(f"\n[sandbox]\nspeed = {speed}\n{more}")
    try:
        yield place
    finally:
        sandbox_program.stop(place.home)
