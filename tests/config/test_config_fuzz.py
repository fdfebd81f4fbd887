"""Whatever stands in the file, the answer is a Link or a ConfigError that can be shown on a terminal."""

from __future__ import annotations

import random
import tomllib
from ipaddress import IPv4Network
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudlink import config
from cloudlink.config.schema import TABLES, Key, Table
from cloudlink.errors import ConfigError
from cloudlink.link import Link
from tests.support.config_texts import CREATES, EXAMPLE, SMALLEST, parsed

TEXTS = (EXAMPLE.read_text(), SMALLEST, CREATES)
VALUES = (
    "true",
    "0",
    "-1",
    "443",
    "64512",
    "10" * 300,
    "0x" + "f" * 5000,
    "9" * 5000,
    "1.33",
    "nan",
    "-inf",
    "1e400",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    '""',
    '"a"',
    '"*"',
    '"@"',
    '"create"',
    '"auto"',
    '"10.0.0.0/8"',
    '"10.20.0.0/16"',
    '"0.0.0.0/0"',
    '"255.255.255.255/32"',
    '"1.2.3.4/33"',
    '"٣.١.٢.٣/٨"',
    '"169.254.21.0/30"',
    '"::/0"',
    '"\\u0000"',
    '"\\u202e\\u0007"',
    '"' + "x" * 3000 + '"',
    '"a/b/c"',
    '"vgw-0a1b2c3d"',
    "[]",
    "[[]]",
    "[1, true, 'x', {}]",
    "{}",
    "{name = 'x', prefix = '10.0.0.0/24'}",
    '["10.20.0.0/16", "10.20.0.0/16"]',
    "[" * 60 + "]" * 60,
    "{a = " * 30 + "1" + "}" * 30,
)
KEYS: list[tuple[Table, Key[object]]] = [(table, key) for table in TABLES for key in table.keys]


def answer(content: bytes, folder: Path) -> Link | ConfigError:
    file = folder / "config.toml"
    file.write_bytes(content)
    try:
        return config.load(file, sandbox=True)
    except ConfigError as error:
        assert error.mistakes
        assert "Traceback" not in str(error)
        for mistake in error.mistakes:
            words = (mistake.path, mistake.found, mistake.allowed, mistake.near_miss)
            assert all(len(word) < 1_500 and word.isprintable() for word in words)
        return error


def set_value(text: str, table: Table, key: Key[object], value: str) -> str:
    """The text with one key set; where the key or its table does not stand yet, it is added."""
    lines, header = text.splitlines(), f"[[{table.path}]]" if table.repeated else f"[{table.path}]"
    at = lines.index(header) + 1 if header in lines else 0
    if at == 0 and table.path:
        lines += [header]
        at = len(lines)
    end = next((n for n in range(at, len(lines)) if lines[n].startswith("[")), len(lines))
    kept = [line for line in lines[at:end] if line.split("=")[0].strip() != key.name]
    return "\n".join([*lines[:at], f"{key.name} = {value}", *kept, *lines[end:]])


@pytest.mark.parametrize("seed", range(8))
def test_strange_values(seed: int, tmp_path: Path):
    chance = random.Random(seed)
    right = 0
    for _ in range(100):
        text = chance.choice(TEXTS)
        for _ in range(chance.choice((1, 1, 2, 5))):
            text = set_value(text, *chance.choice(KEYS), chance.choice(VALUES))
        right += isinstance(answer(text.encode(), tmp_path), Link)
    assert right < 60  # most of these are wrong


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(seed: int, tmp_path: Path):
    chance = random.Random(seed)
    for _ in range(100):
        content = bytearray(chance.choice(TEXTS).encode())
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(content))
            kind = chance.randrange(4)
            if kind == 0:
                content[at] = chance.randrange(256)
            elif kind == 1:
                del content[at : at + chance.randint(1, 40)]
            elif kind == 2:
                start = chance.randrange(len(content))
                content[at:at] = content[start : start + chance.randint(1, 200)]
            else:
                content[at:at] = chance.choice((b"\n", b'"', b"[", b"=", b"\x00", b"\xff", b"'''", b"#"))
        answer(bytes(content), tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(content=st.binary(max_size=60))
def test_any_bytes(content: bytes, tmp_path: Path):
    assert isinstance(answer(content, tmp_path), ConfigError)
    answer(SMALLEST.encode() + b"\n" + content, tmp_path)


def test_large_files_of_nonsense_are_refused_quickly(tmp_path: Path):
    for content in (
        "\n".join(f"k{n} = 1" for n in range(20_000)),
        "\n".join(f"[t{n}]" for n in range(20_000)),
        SMALLEST + "[[dns.hosts]]\nq = 1\n" * 9_000,
        "name = [" + "1," * 90_000 + "]",
        "a" + ".a" * 2_000 + " = 1",
    ):
        assert isinstance(answer(content.encode(), tmp_path), ConfigError)


second_octets = st.integers(0, 255)


@settings(max_examples=60, deadline=None, database=None)
@given(
    gateway=st.builds(lambda a, b: f"10.{a}.{b}.0/27", second_octets, second_octets),
    addresses=st.lists(st.builds(lambda a, b: f"10.{a}.{b}.9", second_octets, second_octets), max_size=4, unique=True),
)
def test_the_sandbox_never_collides_with_what_is_named(gateway: str, addresses: list[str]):
    text = SMALLEST.replace("10.20.255.0/27", gateway)
    if addresses:
        text += f'[[dns.hosts]]\nname = "db"\naddresses = {addresses}\n'
    try:
        link = parsed(text, sandbox=True)
    except ConfigError as error:  # an address of the VPC stands in the gateway's subnet
        assert "outside azure.vpn_gateway.subnet_prefix" in error.mistakes[0].allowed
        return
    stands = link.sandbox
    assert stands is not None
    aws = [*stands.vpc_cidrs, stands.eks_service_cidr]
    azure = [*stands.vnet_prefixes, stands.aks_pod_cidr, stands.aks_service_cidr, IPv4Network(gateway)]
    assert not [pair for pair in product(aws, azure) if pair[0].overlaps(pair[1])]
    assert not [address for address, range_ in product(map(IPv4Network, addresses), azure) if address.overlaps(range_)]
    assert len(stands.eks_subnets) >= 3


def test_the_strange_values_are_toml():
    for value in VALUES:
        try:
            tomllib.loads(f"x = {value}")
        except ValueError as error:
            assert "digits" in str(error), value
