"""The table of docs/architecture.md that says which files a change touches: they exist, and the rows are right where that can
be seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cloudlink"
TEXT = (
    (ROOT / "docs" / "architecture.md")
    .read_text(encoding="utf-8")
    .split("## What a change touches")[1]
    .split("\n## ")[0]
)
ROWS = dict(re.findall(r"^\| (?!To add|---)(.*?) \| (.*) \|$", TEXT, re.MULTILINE))
TRANSIT = next(row for change, row in ROWS.items() if "transit gateway" in change)

# Calls that only a virtual private gateway has. Beside the files of the row one table names some: which deletions a policy
# can limit to the link's objects, which goes on working with a gateway that it does not know.
OF_A_VIRTUAL_PRIVATE_GATEWAY = re.compile(
    r"ec2:(Create|Attach|Detach|Delete)VpnGateway|(create|attach|detach|delete)_vpn_gateway|able_vgw_|ec2:\w+VgwRoute"
)
KNOW_SOME = {"clouds/aws/iam_policy.py"}


def paths(row: str) -> Iterator[Path]:
    """Each path in backquotes; one without a folder is beside the one before."""
    folder = SOURCE
    for named in re.findall(r"`([\w*/{},]+\.py)`", row):
        head, _, last = named.rpartition("/")
        if head:
            folder = SOURCE / head
        for name in re.sub(r"[{}]", "", last.removesuffix(".py")).split(","):
            yield folder / f"{name}.py"


@pytest.mark.parametrize("change", ROWS)
def test_the_files_exist(change: str) -> None:
    for path in paths(ROWS[change]):
        if path.name != "NAME.py" and "NAME" not in path.name:
            found = [*path.parent.parent.glob(f"{path.parent.name}/{path.name}"), *SOURCE.glob(path.name)]
            assert found or list(SOURCE.rglob(path.name)), path


def test_a_transit_gateway_takes_at_most_seven_files() -> None:
    numbers = [int(n) for n in re.findall(r"(?:^|[ ,;(])(\d) `", TRANSIT)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 0 < len(numbers) <= 7


def test_nothing_else_knows_the_calls_of_a_virtual_private_gateway() -> None:
    named = set(re.findall(r"\d `([\w/]+\.py)`", TRANSIT))
    know = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if OF_A_VIRTUAL_PRIVATE_GATEWAY.search(path.read_text(encoding="utf-8"))
    }
    assert know - KNOW_SOME <= named
