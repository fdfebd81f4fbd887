"""Enemies: configurations out of a fuzzer, and clouds that answer with nonsense. Refused with a message, never obeyed,
never a traceback."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prove.faults import phases, place_of
from prove.figures import Figures, Point
from prove.gate import Reply
from prove.ground import Ground
from prove.kill import Bench

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


def prove(figures: Figures, *, seed: int, part: int = 0, of: int = 1, most: int = 0) -> int:
    configs(figures, seed=seed, count=(CONFIGS // of) if not most else most * 100, part=part)
    return CONFIGS + answers(figures, seed=seed, part=part, of=of, most=most)


def configs(figures: Figures, *, seed: int, count: int, part: int = 0) -> None:
    """The fuzzer is the tests'; here it runs longer."""
    from tests.unit import test_config_fuzz as fuzz

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
            figures.add(
                Point(
                    "hostile", "fuzzed configurations end in a link or in a message", f"{seed}/{part}/{number}", wrong
                )
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


class Liar:
    """Answers the call number ``at`` in the cloud's place, successfully and with nonsense."""

    def __init__(self, at: int, body: Callable[[bool], bytes]) -> None:
        self.at, self.body = at, body
        self.seen = 0
        self.lied_to = ""

    def __call__(self, cloud: str, environ: dict[str, Any], _body: bytes) -> Reply | None:
        self.seen += 1
        if self.seen != self.at:
            return None
        xml = cloud == "aws" and "HTTP_X_AMZ_TARGET" not in environ
        self.lied_to = f"{cloud} {environ['REQUEST_METHOD']} {environ['PATH_INFO']} {_body[:60]!r}"
        return 200, {"Content-Type": "text/xml" if xml else "application/json"}, self.body(xml)


def answers(figures: Figures, *, seed: int, part: int, of: int, most: int) -> int:
    with Ground() as ground:
        Bench(ground)  # makes the worlds
        trials = []
        for name, arguments in (
            ("built", ("up", "--no-verify")),
            ("built", ("status",)),
            ("drifted", ("up", "--no-verify")),
            ("built", ("teardown",)),
        ):
            ground.back_to(name)
            ended = ground.run(*arguments)
            assert ended.code == 0, str(ended)
            calls = ground.journal()
            kinds = {(phase, place_of(calls[at])): at + 1 for phase, part in phases(calls).items() for at in part}
            trials += [(name, arguments, n, i) for n in kinds.values() for i in range(len(JSON_NONSENSE))]
        trials = random.Random(seed).sample(trials, len(trials))
        mine = trials[part::of]
        for name, arguments, call, which in mine[: most or len(mine)]:
            if figures.time_is_up:
                break
            ground.back_to(name)
            liar = Liar(
                call, lambda xml, which=which: XML_NONSENSE[which % len(XML_NONSENSE)] if xml else JSON_NONSENSE[which]
            )  # type: ignore[misc]
            ground.gate.instead = liar
            ended = ground.run(*arguments)
            ground.gate.instead = None
            if not liar.lied_to:
                continue
            wrong = ""
            if ended.code not in (0, 4, 5, 6, 8, 9) or "Traceback" in ended.err:
                wrong = f"{ended}"
            elif any(c in ended.out + ended.err for c in "\x1b\x07\u202e"):
                wrong = f"control characters reached the terminal: {ended}"
            where = f"{' '.join(arguments)} on {name}, call {call}, nonsense {which}"
            figures.add(
                Point("hostile", "clouds that answer nonsense", where, f"{wrong}\n  {liar.lied_to}" if wrong else "")
            )
    return len(trials)
