"""Configurations out of a fuzzer, and clouds with malformed answers. Refused with a message, never obeyed,
never a traceback."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reliability.faults import phases, place_of
from reliability.gate import Reply
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.results import Point, Results

CONFIGS = 10_000
# right in form, wrong in content: wrong types, missing fields, text that wants out of where it is put
JSON_NONSENSE: tuple[bytes, ...] = (
    b"{}",
    b"[]",
    b"null",
    b'"<b>bold</b>\\u001b[31m\\u202e"',
    b'{"value": [null, 7, "x", {}]}',
    b'{"id": 7, "name": {}, "properties": [], "tags": "x", "data": 3, "items": {}, "metadata": null}',
    b'{"id": null, "properties": {"provisioningState": "Succeeded\\u001b]0;x\\u0007", "subnets": 4}}',
)
XML_NONSENSE: tuple[bytes, ...] = (
    b"<x/>",
    b"<DescribeResponse><requestId>1</requestId></DescribeResponse>",
    b"{}",
    b"null",
)


class OtherHost:
    """Another host. It counts what arrives there: nothing may."""

    def __init__(self) -> None:
        self.arrived = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.arrived += 1
                connection.close()

    def close(self) -> None:
        self._listener.close()


def _next_page(other_host: str) -> Reply:
    page = {"value": [], "nextLink": other_host, "Marker": "x", "NextToken": "x", "metadata": {"continue": "x"}}
    return 200, {"Content-Type": "application/json"}, json.dumps(page).encode()


# Wrong already in how they are sent. Each is given the address of the other host.
OTHER_ANSWERS: dict[str, Callable[[str], Reply]] = {
    "a redirect to another host": lambda other_host: (307, {"Location": other_host}, b""),
    "a next page on another host": _next_page,
    "a place of the result on another host": lambda other_host: (
        202, {"Location": other_host, "Azure-AsyncOperation": other_host, "Content-Type": "application/json"}, b"{}"
    ),
    "a hundred megabytes, compressed": lambda _: (
        200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, _bomb()
    ),
    "ten thousand lists in each other": lambda _: (200, {"Content-Type": "application/json"}, b"[" * 10_000),
    "the sign-in page of a network": lambda _: (
        200, {"Content-Type": "text/html"}, b"<html><body>Please sign in\x1b[31m</body></html>"
    ),
}  # fmt: skip


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(100 * 2**20), 1)


def run(results: Results, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    configs(results, seed=seed, count=len(range(part, CONFIGS, of)) if not most else most * 100, part=part)
    return CONFIGS + answers(results, seed=seed, part=part, of=of, most=most)


def configs(results: Results, *, seed: int, count: int, part: int = 0) -> None:
    """The fuzzer is the tests'; here it runs longer."""
    from tests.config import test_config_fuzz as fuzz

    chance = random.Random(f"{seed}/{part}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(count):
            text = chance.choice(fuzz.TEXTS)
            if chance.random() < 0.7:
                for _ in range(chance.choice((1, 1, 2, 5))):
                    text = fuzz.set_value(text, *chance.choice(fuzz.KEYS), chance.choice(fuzz.VALUES))
                content = text.encode()
            else:
                content = _damaged(text.encode(), chance)
            wrong = ""
            try:
                fuzz.answer(content, folder)
            except BaseException as error:
                wrong = f"{type(error).__name__}: {error}\n{content[:2000]!r}"
            results.add(
                Point("fuzz", "fuzzed configurations end in a link or in a message", f"{seed}/{part}/{number}", wrong)
            )


def _damaged(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 40)]
            case _:
                start = chance.randrange(len(data))
                data[at:at] = data[start : start + chance.randint(1, 200)]
        if not data:
            data = bytearray(content)
    return bytes(data)


class MalformedAnswers:
    """Answers the call number ``at`` in the cloud's place. answer: for XML, or for JSON."""

    def __init__(self, at: int, answer: Callable[[bool], Reply]) -> None:
        self.at, self.answer = at, answer
        self.seen = 0
        self.lied_to = ""

    def __call__(self, cloud: str, environ: dict[str, Any], _body: bytes) -> Reply | None:
        self.seen += 1
        if self.seen != self.at:
            return None
        xml = cloud == "aws" and "HTTP_X_AMZ_TARGET" not in environ
        self.lied_to = f"{cloud} {environ['REQUEST_METHOD']} {environ['PATH_INFO']} {_body[:60]!r}"
        return self.answer(xml)


@dataclass(frozen=True)
class Trial:
    """where: what is tried, the same in every run. call: the number that this call had when nobody lied."""

    where: str
    world: str
    command: tuple[str, ...]
    call: int
    which: int | str


def trials(harness: Harness) -> Iterator[Trial]:
    """Each kind of nonsense at each kind of call, in each phase of each command."""
    for world, command in (
        ("built", ("up", "--no-verify")),
        ("built", ("status",)),
        ("drifted", ("up", "--no-verify")),
        ("built", ("teardown",)),
    ):
        harness.back_to(world)
        ended = harness.run(*command)
        assert ended.code == 0, str(ended)
        calls = harness.journal()
        kinds = {(phase, place_of(calls[at])): at + 1 for phase, part in phases(calls).items() for at in part}
        for (phase, place), call in kinds.items():
            for which in range(len(XML_NONSENSE if place.startswith("aws.") else JSON_NONSENSE)):
                where = f"{' '.join(command)} on {world}, {phase}, {place}, nonsense {which}"
                yield Trial(where, world, command, call, which)
            for kind in OTHER_ANSWERS:
                yield Trial(f"{' '.join(command)} on {world}, {phase}, {place}, {kind}", world, command, call, kind)


def answers(results: Results, *, seed: int, part: int, of: int, most: int) -> int:
    with Harness() as harness:
        TrialRunner(harness)  # makes the worlds
        every = list(trials(harness))
        mine = [t for t in random.Random(seed).sample(every, len(every)) if zlib.crc32(t.where.encode()) % of == part]
        other_host, done = OtherHost(), results.done
        for trial in results.in_time(mine, most):
            if trial.where in done:
                continue
            what = "clouds with malformed answers" if isinstance(trial.which, int) else trial.which
            results.add(Point("fuzz", f"answers: {what}", trial.where, _lie(harness, trial, other_host)))
        other_host.close()
    return len(every)


def _lie(harness: Harness, trial: Trial, other_host: OtherHost) -> str:
    """What was wrong, or nothing."""

    def answer(xml: bool) -> Reply:
        if isinstance(trial.which, str):
            return OTHER_ANSWERS[trial.which](other_host.url)
        body = XML_NONSENSE[trial.which % len(XML_NONSENSE)] if xml else JSON_NONSENSE[trial.which]
        return 200, {"Content-Type": "text/xml" if xml else "application/json"}, body

    arrived = other_host.arrived
    liar = MalformedAnswers(trial.call, answer)
    while not liar.lied_to:  # runs differ by some looks: where the last ones were not made, an earlier call is hit
        harness.back_to(trial.world)
        harness.gate.instead = liar
        ended = harness.run(*trial.command)
        harness.gate.instead = None
        if not liar.lied_to:
            assert liar.seen, f"no cloud was asked: {trial}\n  {ended}"
            liar = MalformedAnswers(liar.seen, answer)
    wrong = ""
    if ended.code not in (0, 3, 4, 5, 6, 8, 9) or "Traceback" in ended.err:
        wrong = f"{ended}"
    elif any(c in ended.out + ended.err for c in "\x1b\x07\u202e"):
        wrong = f"control characters reached the terminal: {ended}"
    elif other_host.arrived != arrived:
        wrong = f"another host was asked: {ended}"
    return f"{wrong}\n  {liar.lied_to}" if wrong else ""
