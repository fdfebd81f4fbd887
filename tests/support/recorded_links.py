"""What both clouds answered to plans of whole links, read again without any cloud.

``tests/steps/golden/links`` has a configuration for each kind of link, and beside it the answers, by the kind of each shared read. To
record them again, which starts a sandbox: ``.venv/bin/python -m tests.support.recorded_links``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube.access import Access
from cloudlink.clouds.kube.client import Kube
from cloudlink.config import parse
from cloudlink.connect import Clouds
from cloudlink.core.resource import Lookup, Node, Outputs, Receipts, Resource, UnknownOutput
from cloudlink.errors import CloudlinkError
from cloudlink.link import Link
from cloudlink.topology import build
from tests.support.clocks import FakeClock
from tests.support.told import decoded, encoded, lines

LINKS = Path(__file__).parent.parent / "steps" / "golden" / "links"
HALF_MADE = ("creates", "transit")  # of these, also what is there in the middle of the first run
_EVENTS = 40  # of a run, until its middle


class Unasked(Exception):
    """A read that is not in the recording."""


class _NoSession:
    """In place of what would sign in to Azure."""

    is_sandbox = False

    def __getattr__(self, name: str) -> Any:
        raise Unasked(name)


class _Aws(Aws):
    def client(self, *words: Any, **named: Any) -> Any:
        raise Unasked(str(words))


def _refused() -> Access:
    raise Unasked("a cluster")


class Kinds(ReadCache):
    """Knows which kinds were asked for."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(FakeClock())
        self.asked: set[str] = set()
        for kind, answer in answers.items():
            super().get(kind, lambda answer=answer: decoded(answer))  # type: ignore[misc]

    def get(self, kind: str, call: Any, *, fresh: bool = False) -> Any:
        self.asked.add(kind)
        return super().get(kind, call, fresh=fresh)


def nodes_of(link: Link, cache: ReadCache) -> tuple[Node[Any], ...]:
    azure = Azure(link, None, FakeClock(), cache)
    azure._session = _NoSession()  # type: ignore[assignment]
    kube = Kube("", _refused, cache)
    aws = _Aws(region=link.aws.region, clock=FakeClock(), cache=cache)
    return build(link, aws, azure, kube, kube).nodes()


def told(link: Link, cache: ReadCache) -> str:
    """Of each node what it is and what it should be."""
    nodes = nodes_of(link, cache)
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
    except Unasked:
        return [f"{word} not recorded"]


# --- recording ----------------------------------------------------------------------------------------------


def record(name: str) -> None:
    from cloudlink_sandbox.durations import Durations
    from cloudlink_sandbox.process import Sandbox
    from tests.support.life import Life

    sandbox = Sandbox(Path(tempfile.mkdtemp()), speed=0, durations=Durations(exact=True), start=1_800_000_000.0)
    sandbox.start()
    try:
        life = Life(sandbox, parse((LINKS / f"{name}.toml").read_text(), "config.toml", sandbox=True), pause=0.15)
        plan, engine = life.plan()
        for number, _ in enumerate(engine.apply(plan)):
            if number == _EVENTS and name in HALF_MADE:
                _keep(life, f"{name}-half")
        life.clock.wait(3600)
        _keep(life, name)
    finally:
        sandbox.stop()


def _keep(life: Any, name: str) -> None:
    clouds: Clouds = life.clouds()
    life.engine(clouds).plan(collect=True)
    answers = {}
    for kind, entry in clouds.cache._entries.items():
        try:
            answers[kind] = encoded(entry.value)
        except TypeError:
            continue  # facts, that no resource reads
    kinds = Kinds(answers)
    told(clouds.link, kinds)
    text = json.dumps({kind: answers[kind] for kind in sorted(kinds.asked & answers.keys())}, indent=0)
    (LINKS / f"{name}.json").write_text(_without_keys(text) + "\n", encoding="utf-8")


def _without_keys(text: str) -> str:
    """Keys of the sandbox's are replaced: these files are for everybody."""
    for number, key in enumerate(dict.fromkeys(re.findall(r'"\$secret": "([^"]+)"', text))):
        text = text.replace(key, f"key-{number}-of-the-sandbox")
    return re.sub(r'"LS0tLS1CRUdJ[^"]*"', '"UEVN"', re.sub(r"https://127[^\"]*", "https://cluster.example", text))


if __name__ == "__main__":
    for file in sorted(LINKS.glob("*.toml")):
        record(file.stem)
