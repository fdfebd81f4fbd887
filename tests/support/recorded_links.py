"""What both clouds answered to plans of whole links, read again without any cloud.

``tests/steps/golden/links`` has a configuration for each kind of link, and beside it the answers of our clients, and what is told of
them. A plan or a status that reads more is told as "Not recorded" there. To record and tell them again, which starts a sandbox and takes
a minute: ``.venv/bin/python -m tests.support.recorded_links``; then delete ``tunnels.txt`` and ``recorded.txt`` below tests/checks, which hold ids of these
links, run their tests, and read the difference.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from cloudlink.checks.preflight import run as preflight
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.errors import error_policy
from cloudlink.config import parse
from cloudlink.connect import _over_what_exists
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Plan
from cloudlink.core.resource import Lookup, Node, Outputs, Receipts, Resource, UnknownOutput
from cloudlink.errors import CloudlinkError
from cloudlink.inspection.inspection import Inspection
from cloudlink.link import Link
from cloudlink.steps.permissions import by_address
from cloudlink.topology import Topology, build
from tests.support.life import Life, Memory
from tests.support.recorded_clients import Calls, Recorder, Replayed
from tests.support.told import lines

LINKS = Path(__file__).parent.parent / "steps" / "golden" / "links"
BEFORE = ("example", "transit", "back", "vnet")  # of these, also what is there before the first run
HALF_MADE = ("creates", "transit")  # of these, also what is there in the middle of the first run
_EVENTS = 40  # of a run, until its middle


def nodes_of(link: Link, clients: Replayed) -> tuple[Node[Any], ...]:
    return topology_of(link, clients).nodes()


def topology_of(link: Link, clients: Replayed) -> Topology:
    return build(link, clients.aws, clients.azure, clients.aks, clients.eks)


def recorded(name: str) -> tuple[Link, Replayed]:
    """The link of that configuration, and clients that answer what they did when it was recorded."""
    text = (LINKS / f"{name.partition('-')[0]}.toml").read_text(encoding="utf-8")
    link = parse(text, "config.toml", sandbox=True)
    clients = Replayed(link, json.loads((LINKS / f"{name}.json").read_text(encoding="utf-8")))
    return _over_what_exists(link, clients.azure), clients


def preflight_told(link: Link, clients: Replayed) -> str:
    """What a plan says, and each finding of the checks before it."""
    plan, engine, nodes = _planned(link, clients)
    context = Context(link, plan, clients.aws, clients.azure, clients.aks, clients.eks, by_address(nodes))
    found = preflight.check(context, engine.read, preflight.topics_of(link, writes=bool(plan.writes)))
    changes = [
        line for c in plan.changes for line in lines(c, c.address) if not line.endswith(("= []", "= ''", "= None"))
    ]
    return "\n".join([*changes, *(line for f in found for line in ("", *lines(f, "finding")))]) + "\n"


def status_told(link: Link, clients: Replayed) -> str:
    _, engine, _ = _planned(link, clients)
    translate = error_policy(link).translate
    look = Inspection(
        link, clients.aws, clients.azure, clients.aks, topology_of(link, clients), engine, clients.clock, translate
    )
    return "\n".join(lines(look.status(), "status")) + "\n"


def _planned(link: Link, clients: Replayed) -> tuple[Plan, Engine, tuple[Node[Any], ...]]:
    nodes = nodes_of(link, clients)
    engine = Engine(nodes, clock=clients.clock, store=Memory(), error_policy=error_policy(link), workers=1)
    return engine.plan(collect=True), engine, nodes


def told(link: Link, clients: Replayed) -> str:
    """Of each node what it is and what it should be."""
    nodes = nodes_of(link, clients)
    outputs, found = Outputs({}), dict[str, list[str]]()
    for _ in range(2):  # some need what comes after them
        for node in nodes:
            found[node.address], outputs = _read(node, outputs)
    for node in nodes:
        if isinstance(node, Resource):
            found[node.address] += _lines("should be", lambda node=node: node.spec(outputs))  # type: ignore[misc]
    return "".join(f"{address}\n" + "".join(f"    {line}\n" for line in held) for address, held in found.items())


def _read(node: Node[Any], outputs: Outputs) -> tuple[list[str], Outputs]:
    given: list[Any] = []

    def read() -> Any:
        if isinstance(node, Lookup):
            given.append(node.read(outputs))
            return given[0]
        assert isinstance(node, Resource)
        observed = node.find(Receipts({}))
        if observed is not None and observed.outputs is not None:
            given.append(observed.outputs)
        return observed

    said = _lines("is", read)
    return said, outputs.with_(node, given[0]) if given else outputs


def _lines(word: str, call: Any) -> list[str]:
    try:
        return [f"{word}{line}" for line in lines(call())]
    except CloudlinkError as error:
        return [f"{word} refused: {error.summary}: {error.detail}"]
    except UnknownOutput as error:
        return [f"{word} not known yet: {error}"]


TOLD = {".txt": told, ".plan.txt": preflight_told, ".status.txt": status_told}

# --- recording ----------------------------------------------------------------------------------------------


def record(name: str) -> None:
    from cloudlink_sandbox.durations import Durations
    from cloudlink_sandbox.process import Sandbox

    sandbox = Sandbox(Path(tempfile.mkdtemp()), speed=0, durations=Durations(exact=True), start=1_800_000_000.0)
    sandbox.start()
    try:
        life = Life(sandbox, parse((LINKS / f"{name}.toml").read_text(), "config.toml", sandbox=True), pause=0.15)
        if name in BEFORE:
            _keep(life, f"{name}-before")
        plan, engine = life.plan()
        for number, _ in enumerate(engine.apply(plan)):
            if number == _EVENTS and name in HALF_MADE:
                _keep(life, f"{name}-half")
        life.clock.wait(3600)
        _keep(life, name)
    finally:
        sandbox.stop()


def _keep(life: Life, name: str) -> None:
    recorder = Recorder()
    real = life._clouds

    def watched() -> Any:
        clouds = real()
        recorder.watch(clouds.aws, clouds.azure, clouds.aks, clouds.eks)
        return clouds

    store, life.store = life.store, Memory()  # nothing is known of it, as where it is read again
    life._clouds = watched  # type: ignore[method-assign]
    life.plan()
    life.status()
    life._clouds, life.store = real, store  # type: ignore[method-assign]
    _write(name, recorder.calls)
    asked = set[str]()
    for use in (told, preflight_told, status_told):
        link, clients = recorded(name)
        use(link, clients)
        asked |= clients.asked
    _write(name, {key: recorder.calls[key] for key in sorted(asked)})


def _write(name: str, calls: Calls) -> None:
    text = "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in calls.items()) + "\n}\n"
    (LINKS / f"{name}.json").write_text(_without_keys(text), encoding="utf-8")


def _without_keys(text: str) -> str:
    """Keys of the sandbox's are replaced: these files are for everybody."""
    for number, key in enumerate(dict.fromkeys(re.findall(r'"\$secret": "([^"]+)"', text))):
        text = text.replace(key, f"key-{number}-of-the-sandbox")
    return re.sub(r'"LS0tLS1CRUdJ[^"]*"', '"UEVN"', re.sub(r"https://127[^\"]*", "https://cluster.example", text))


if __name__ == "__main__":
    for file in sorted(LINKS.glob("*.toml")):
        record(file.stem)
    for file in sorted(LINKS.glob("*.json")):
        for ending, use in TOLD.items():
            file.with_suffix(ending).write_text(use(*recorded(file.stem)), encoding="utf-8")
