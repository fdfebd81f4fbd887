"""What each kind of link takes: time, calls and price, from one real run of each in the sandbox, in one table.

just kinds                                           # all of them, into docs/kinds.json and the tables made from it
.venv/bin/python bench/kinds.py                      # prints it, and writes nothing
.venv/bin/python bench/kinds.py --only existing      # the kinds whose name has this in it

Times are the clouds': what the sandbox's clock says before and after. The clock runs as fast as the longest part allows:
what the client itself takes is multiplied by it, and so are the seconds of a pod, which is a real program.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bound import bound
from place import ROOT, Place, must, place

WRITTEN = ROOT / "docs" / "kinds.json"
HERE = Path(__file__).parent
SMALL = (HERE / "existing.toml").read_text(encoding="utf-8")
WIRE = '\n[sandbox]\nwire = "transit-gateway"\n'
OVER_TUNNELS = 21.4  # sandbox seconds in a second: the longest chain is a minute, as in up.py
OVER_WIRES = 15.0  # a pod has to reach the endpoint
AT_ONCE = 2  # kinds; more would measure how busy the machine is
MOST_OF_THE_CHAIN = 1.05  # of a first up, in a link's own longest chain
ZONES, NAMES = 10, 50
MOST_MORE = 20  # calls of so many zones beyond those of one, where all is there


@dataclass(frozen=True)
class Kind:
    """name: in the table. config: the whole of it. speed: of the sandbox's clock. chain: the longest one is known."""

    name: str
    config: str
    speed: float
    chain: bool = False
    most_calls: int | None = None  # wanted, of the first up


@dataclass(frozen=True)
class Measured:
    """Seconds are the clouds'. chain: seconds of the longest one; 0 where it is not computed. price: USD a month."""

    kind: str
    up: float
    up_calls: int
    polls: int  # of those: a pod that is waited for, as often as the machine is slow
    second_calls: int
    price: int
    down: float
    down_calls: int
    chain: float
    most_calls: int | None


def changed(text: str, swaps: Mapping[str, str], more: str = "") -> str:
    """Raises SystemExit where a text to swap is not there exactly once: the kind would be another one."""
    for old, new in swaps.items():
        if text.count(old) != 1:
            raise SystemExit(f"{old!r} is in the configuration {text.count(old)} times, not once")
        text = text.replace(old, new)
    return text + more


def tunnels(*, aws: str = "", gateway: str = 'subnet_prefix = "10.20.255.0/27"') -> str:
    swaps = {
        '[link]\ntransport = "existing"\n\n': "",
        WIRE: "",
        'eks_cluster = "production"\n': f'eks_cluster = "production"\n{aws}',
        "[azure.aks]": f"[azure.vpn_gateway]\n{gateway}\n\n[azure.aks]",
    }
    return changed(SMALL, swaps)


def zones(count: int) -> str:
    """So many zones with fifty names each."""
    added = []
    for zone in range(count):
        if zone:
            added.append(f'\n[[dns.zones]]\nzone = "z{zone}.example"\n')
        table = "dns.zones.hosts" if zone else "dns.hosts"
        added += [
            f'\n[[{table}]]\nname = "n{name}"\naddresses = ["10.10.{zone + 100}.{name + 10}"]\n'
            for name in range(NAMES)
        ]
    return changed(SMALL, {'\n[[dns.hosts]]\nname = "app"\nload_balancer = "app-alb"\n': "".join(added)})


def kinds() -> tuple[Kind, ...]:
    vnet, back, clusters = (
        (HERE / f"existing-{name}.toml").read_text(encoding="utf-8") for name in ("vnet", "back", "clusters")
    )
    transit = 'gateway = "tgw-0aaaabbbbccccdddd"\nasn = 64600\n'
    made = 'gateway = "create-transit"\n'
    return (
        Kind("vpn", tunnels(), OVER_TUNNELS, chain=True, most_calls=150),
        Kind("vpn, adopted transit gateway", tunnels(aws=transit), OVER_TUNNELS, chain=True, most_calls=170),
        Kind("vpn, create-transit", tunnels(aws=made), OVER_TUNNELS, chain=True, most_calls=170),
        Kind("vpn, adopted Azure gateway", tunnels(gateway='adopt = "hub-gateway"'), OVER_WIRES),
        Kind("existing", SMALL, OVER_WIRES, most_calls=45),
        Kind("existing, forward = vnet", vnet, OVER_WIRES),
        Kind("existing, names back", back, OVER_WIRES),
        Kind("existing, three clusters", clusters, OVER_WIRES),
        Kind(f"existing, one zone of {NAMES} names", zones(1), OVER_WIRES),
        Kind(f"existing, {ZONES} zones of {NAMES} names", zones(ZONES), OVER_WIRES),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Time, calls and price of each kind of link.")
    parser.add_argument("--only", default="", help="the kinds whose name has this in it")
    parser.add_argument("--write", action="store_true", help=f"into {WRITTEN.relative_to(ROOT)} as well")
    options = parser.parse_args()
    chosen = [kind for kind in kinds() if options.only in kind.name]
    if options.write and options.only:
        parser.error("--write is for the whole table")
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        measured = list(pool.map(measure, chosen))
    sys.stdout.write(table(measured) + "\n\n" + "".join(f"{line}\n" for line in remarks(measured)))
    sys.stdout.write(f"\nOne run of each; took {time.monotonic() - began:.0f} s.\n")
    if options.write:
        text = json.dumps([asdict(m) for m in measured], indent=1)
        WRITTEN.write_text(text + "\n", encoding="utf-8")


def measure(kind: Kind) -> Measured:
    sys.stderr.write(f"... {kind.name}\n")
    with tempfile.TemporaryDirectory(prefix="cloudlink-kind-") as folder:
        file = Path(folder) / "config.toml"
        file.write_text(kind.config, encoding="utf-8")
        with place(file) as at:
            return measured_at(at, kind)


def measured_at(at: Place, kind: Kind) -> Measured:
    at.start(kind.speed)
    price = price_of(must(at.cloudlink("plan", "--sandbox", "--json")).out)
    at.reset()  # the sandbox counts from the first call on

    at.start(kind.speed)
    began = at.clock()
    first = must(at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
    ended = at.clock()
    calls = at.control("journal")["calls"]
    polls = sum(1 for call in calls if call["cloud"] == "aks" and call["operation"] == "GET pods")
    chain = bound(first.out, at.control("durations")["samples"]).seconds if kind.chain else 0.0

    before = at.calls()
    must(at.cloudlink("up", "--sandbox", "--yes", "--no-verify", "--json"))
    second = at.calls() - before

    before, down = at.calls(), at.clock()
    must(at.cloudlink("teardown", "--sandbox", "--yes", "--json"))
    return Measured(
        kind=kind.name,
        up=round(ended - began),
        up_calls=len(calls),
        polls=polls,
        second_calls=second,
        price=price,
        down=round(at.clock() - down),
        down_calls=at.calls() - before,
        chain=round(chain),
        most_calls=kind.most_calls,
    )


def price_of(plan: str) -> int:
    """USD a month, of ``plan --json``. Raises SystemExit where the plan says none."""
    for finding in json.loads(plan)["findings"]:
        found = re.search(r"costs about (\d+) USD a month", finding["detail"]) if finding["topic"] == "cost" else None
        if found:
            return int(found[1])
    raise SystemExit("the plan says no price")


def table(measured: Sequence[Measured]) -> str:
    """In Markdown, as it stands in docs/links.md."""
    head = ("", "first `up`", "its calls", "second `up`", "USD a month", "`teardown`", "its calls")
    rows = [
        (
            m.kind,
            minutes(m.up),
            f"{m.up_calls - m.polls} and {m.polls}" if m.polls else str(m.up_calls),
            f"{m.second_calls} calls",
            str(m.price),
            minutes(m.down),
            str(m.down_calls),
        )
        for m in measured
    ]
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written() -> list[Measured]:
    """What the last run with --write found."""
    return [Measured(**one) for one in json.loads(WRITTEN.read_text(encoding="utf-8"))]


def minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def remarks(measured: Sequence[Measured]) -> list[str]:
    """What is wanted of some kinds, and whether it is so."""
    lines = []
    for m in measured:
        if m.chain:
            ratio = m.up / m.chain
            kept = "as wanted" if round(ratio, 2) <= MOST_OF_THE_CHAIN else "more than wanted"
            lines.append(f"{m.kind}: {ratio:.3f} x its own longest chain ({m.chain} s); <= {MOST_OF_THE_CHAIN}: {kept}")
        if m.most_calls is not None:
            made = m.up_calls - m.polls
            kept = "as wanted" if made <= m.most_calls else "more than wanted"
            lines.append(f"{m.kind}: {made} calls without the polls of a pod; <= {m.most_calls}: {kept}")
    by_zones = [m for m in measured if f"of {NAMES} names" in m.kind]
    if len(by_zones) == 2:
        one, ten = by_zones
        more = ten.second_calls - one.second_calls
        kept = "as wanted" if more <= MOST_MORE else "more than wanted"
        first = ten.up_calls - ten.polls - one.up_calls + one.polls
        lines.append(
            f"{ZONES} zones of {NAMES} names: in the first up {first} calls more than one zone, of which each is made, "
            f"filled and waited for; in the second {more}; <= {MOST_MORE}: {kept}"
        )
    return lines


if __name__ == "__main__":
    main()
