"""A sandbox that is started from a bundle shows the status that the bundle was gathered with, and changes nothing."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudlink import bundle
from cloudlink.cli.sandbox import _start_from
from cloudlink.errors import UsageError
from cloudlink.secret import STAND_IN
from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits


@contextmanager
def started_from(file: Path, folder: Path) -> Iterator[Cli]:
    folder.mkdir()
    place = Cli(folder)
    try:
        done = place.sandbox("start", "--from", str(file))
        assert done.code == 0, done.out + done.err
        yield place
    finally:
        place.sandbox("stop")


def alike(told: Any) -> Any:
    """Without what grows with time, and what to type in a sandbox."""
    if isinstance(told, str):
        return told.replace(" --sandbox", "")
    if isinstance(told, dict):
        return {k: alike(v) for k, v in told.items() if k not in ("seconds", "at")}
    return [alike(v) for v in told] if isinstance(told, list) else told


def tunnel_down(place: Cli) -> None:
    outside = place.cloudlink("status", "--json").json["tunnels"][1]["aws"]["outside_ip"]
    place.control("POST", "faults", {"kind": "tunnel-down", "target": outside, "times": None})
    place.control("POST", "clock", {"advance": 600})


def by_hand(place: Cli) -> None:
    hand = ManualEdits(place)
    hand.key(1, "AnotherKey123456")
    hand.remove_records("sentry.prod.corp.example.")
    place.control("POST", "clock", {"advance": 600})


def denied(place: Cli) -> None:
    place.control("POST", "faults", {"kind": "denied", "target": "aws.DescribeRouteTables", "times": None})


def names_wrong(place: Cli) -> None:
    """What a pod found when it asked last is part of a status, which then looks at more."""
    hand = ManualEdits(place)
    hand.remove_records("sentry.prod.corp.example.")
    place.control("POST", "clock", {"advance": 600})
    assert place.cloudlink("verify-dns").code == 8


CASES: dict[str, Callable[[Cli], object]] = {
    "all is well": lambda _: None,
    "a tunnel is down": tunnel_down,
    "a key and a record by hand": by_hand,
    "a read is denied": denied,
    "names were wrong": names_wrong,
}


def differences(told: Any, wanted: Any, where: str = "") -> list[str]:
    told, wanted = alike(told), alike(wanted)
    if isinstance(told, dict) and isinstance(wanted, dict):
        keys = sorted(told.keys() | wanted.keys())
        return [d for k in keys for d in differences(told.get(k), wanted.get(k), f"{where}.{k}")]
    if isinstance(told, list) and isinstance(wanted, list) and len(told) == len(wanted):
        return [d for i, pair in enumerate(zip(told, wanted, strict=True)) for d in differences(*pair, f"{where}[{i}]")]
    return [] if told == wanted else [f"{where}: {told!r} instead of {wanted!r}"]


@pytest.mark.parametrize(
    ("case", "redact"),
    [
        ("all is well", True),
        ("a tunnel is down", False),
        ("a key and a record by hand", True),
        ("a read is denied", False),
        ("names were wrong", False),
    ],
)
def test_the_same_status(linked: Cli, tmp_path: Path, case: str, redact: bool) -> None:
    CASES[case](linked)
    file = tmp_path / "b.tar.gz"
    made = linked.cloudlink("gather", "--out", str(file), *(["--redact-ids"] if redact else []))
    assert made.code == 0, made.err
    _, files = bundle.unpack(file)
    wanted = json.loads(files["status.json"])
    with started_from(file, tmp_path / "theirs") as place:
        told = place.cloudlink("status", "--json")
        assert not differences(told.json, wanted)
        assert case != "names were wrong" or told.json["names_asked"]["wrong"] == ["sentry.prod.corp.example"]
        if not redact:
            assert told.code == linked.cloudlink("status", "--json").code
        assert place.writes() == 0


def test_nothing_is_written_and_no_key_is_told(linked: Cli, tmp_path: Path) -> None:
    by_hand(linked)
    file = tmp_path / "b.tar.gz"
    assert linked.cloudlink("gather", "--out", str(file)).code == 0
    _, files = bundle.unpack(file)
    keys = [
        option["PreSharedKey"]
        for found in linked.clouds().aws.ec2.describe_vpn_connections()["VpnConnections"]
        for option in found["Options"]["TunnelOptions"]
    ]
    everything = "".join(files.values())
    assert keys and not [key for key in keys if key in everything]
    assert STAND_IN in files[bundle.ANSWERS], "which are equal is still seen"
    assert "client-key-data" not in everything and "kubeconfigs" not in files[bundle.ANSWERS]
    with started_from(file, tmp_path / "theirs") as place:
        done = place.cloudlink("up", "--yes", "--no-verify")
        assert done.code != 0
        assert "started from a bundle" in " ".join((done.out + done.err).split())
        place.sandbox("stop")  # what is started again is the same
        assert place.cloudlink("status", "--json").json["drift"]


def test_what_is_refused_writes_nothing(linked: Cli, tmp_path: Path) -> None:
    file, folder = tmp_path / "b.tar.gz", tmp_path / "theirs"
    assert linked.cloudlink("gather", "--out", str(file)).code == 0
    _, files = bundle.unpack(file)
    folder.mkdir()
    place = Cli(folder)

    def refused(content: bytes) -> str:
        (tmp_path / "bad.tar.gz").write_bytes(content)
        done = place.sandbox("start", "--from", str(tmp_path / "bad.tar.gz"))
        assert done.code == 2, done.out + done.err
        assert not list(folder.iterdir())
        assert done.err.count("Error:") == 1
        return " ".join(done.err.split())

    def packed(kept: dict[str, str]) -> bytes:
        return bundle.pack(kept, version="0", made="now", redacted=False, masked_secrets=0)

    assert "not what cloudlink gather writes" in refused(file.read_bytes()[:2000])
    assert "no answers" in refused(packed({k: v for k, v in files.items() if k != bundle.ANSWERS}))
    for made_up in ("[1]", "{}", '{"at": "now", "report": 3}'):
        assert "What to do" in refused(packed({**files, bundle.NAMES: made_up}))
    own = linked.config.read_text()
    shutil.copy(linked.config, folder / "config.toml")
    (folder / "config.toml").write_text(own + "# another\n")
    other = place.sandbox("start", "--from", str(file))
    assert other.code == 2 and "not overwritten" in other.err
    assert place.config.read_text() == own + "# another\n"


def test_a_file_of_windows_is_printed_so_that_a_shell_takes_it() -> None:
    """Under WSL most of a user's own files lie below a folder with a space."""
    file = Path("/mnt/c/Users/Jane Doe/bundle.tar.gz")
    with pytest.raises(UsageError) as raised:
        _start_from(file, Path("config.toml"), None)
    assert shlex.split(raised.value.hint) == ["cloudlink", "sandbox", "start", "--from", str(file)]
