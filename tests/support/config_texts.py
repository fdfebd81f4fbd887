"""The smallest configuration that is valid, and a way to change one place of it."""

from __future__ import annotations

from pathlib import Path

from cloudlink import config
from cloudlink.errors import ConfigError, Mistake
from cloudlink.link import Link

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

SUBNET = 'subnet_prefix = "10.20.255.0/27"'


def config_text(
    name: str = "demo",
    *,
    link: str = "",
    aws: str = "",
    resource_group: str = "demo",
    vnet: str = "test-vnet",
    gateway: str = SUBNET,
    vpn: str = "",
    zone: str = "prod.corp.example",
    host: str = 'load_balancer = "app-internal"',
    sandbox: str = "",
) -> str:
    """The smallest with something of its own. link, aws, gateway, vpn, sandbox: lines of that table; none: no such table,
    or no more lines."""
    tables = {
        "[link]": link,
        "[aws]": f'region = "eu-central-1"\nvpc = "vpc-0a1b2c3d4e5f60718"\neks_cluster = "production"\n{aws}',
        "[azure]": 'subscription = "00000000-1111-2222-3333-444444444444"\n'
        f'resource_group = "{resource_group}"\nlocation = "westeurope"',
        "[azure.vnet]": f'name = "{vnet}"',
        "[azure.vpn_gateway]": gateway,
        "[azure.aks]": 'name = "test"',
        "[vpn]": vpn,
        "[dns]": f'zone = "{zone}"',
        "[[dns.hosts]]": f'name = "app"\n{host}',
        "[sandbox]": sandbox,
    }
    return f'name = "{name}"\n' + "".join(f"{head}\n{lines.rstrip()}\n" for head, lines in tables.items() if lines)


SMALLEST = config_text()
CREATES = (
    SMALLEST.replace('name = "test-vnet"', 'name = "test-vnet"\ncreate = true\nprefixes = ["10.20.0.0/16"]')
    .replace(
        "[azure.vpn_gateway]",
        '[azure.vnet.cluster_subnet]\nname = "nodes"\nprefix = "10.20.0.0/22"\n[azure.vpn_gateway]',
    )
    .replace('[azure.aks]\nname = "test"', '[azure.aks]\nname = "test"\ncreate = true')
)


def swap(old: str, new: str, text: str = SMALLEST) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def add(table: str, lines: str, text: str = SMALLEST) -> str:
    """Lines at the start of a table, which is made if the text has none."""
    header = f"[{table}]\n"
    return swap(header, header + lines + "\n", text) if header in text else f"{text}{header}{lines}\n"


def parsed(text: str, *, sandbox: bool = False) -> Link:
    return config.parse(text, "config.toml", sandbox=sandbox)


def mistakes(text: str) -> tuple[Mistake, ...]:
    """What is wrong with a text; nothing if it is right."""
    try:
        parsed(text, sandbox=True)
    except ConfigError as error:
        return error.mistakes
    return ()
