"""``gather``: what is in a bundle, what is not, and that a changed one is refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from cloudlink import bundle
from cloudlink.checks.report import StatusReport
from cloudlink.cli.commands import run
from cloudlink.digests import digest
from cloudlink.errors import UsageError
from cloudlink.secret import Secret
from cloudlink.view.json_lines import as_json, timestamp
from cloudlink.view.json_read import read
from cloudlink.view.status import status_lines
from cloudlink.view.text import Look, text_of
from tests.support.cli import Cli
from tests.view import view_samples as samples

FILES = {"status.json": '{"vpc": "vpc-0a1b2c3d4e5f60718", "account": "123456789012"}', "log.txt": "all is well\n"}


def packed(files: dict[str, str]) -> bytes:
    return bundle.pack(files, version="0", made="now", redacted=False, masked_secrets=0)


def test_a_bundle_is_read_again_and_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_bytes(packed(FILES))
    manifest, files = bundle.unpack(path)
    assert files == FILES
    assert manifest["format"] == 1
    assert packed(FILES) == packed(FILES)


def test_a_changed_bundle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_bytes(packed(FILES))
    changed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=changed, mode="w:gz") as new:
        for entry in old:
            stream = old.extractfile(entry)
            assert stream is not None
            content = stream.read().replace(b"all is well", b"all is weak")
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    path.write_bytes(changed.getvalue())
    with pytest.raises(UsageError, match="bundle") as raised:
        bundle.unpack(path)
    assert "log.txt" in raised.value.detail


@pytest.mark.parametrize("content", [b"", b"no archive", packed(FILES)[:200]])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        bundle.unpack(path)
    with pytest.raises(UsageError):
        bundle.unpack(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        '"sharedKey": "abcdefgh12345678"',
        "password=correct-horse-battery",
        "AKIAABCDEFGHIJKLMNOP",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.abc",
    ],
)
def test_secrets_are_masked_and_counted(text: str) -> None:
    files, found = bundle.clean({"a": f"before {text} after"}, redact=False)
    assert found == 1
    assert text.rsplit(maxsplit=1)[-1].strip('"') not in files["a"]
    assert files["a"].startswith("before ")
    assert files["a"].endswith(" after")


def test_what_this_process_knows_to_be_secret_is_masked() -> None:
    key = Secret("n0bodyKnowsThisKey")
    assert bundle.clean({"a": f"key {key.reveal()}"}, redact=False)[0]["a"] == "key ********"


def test_ids_become_the_same_numbers_everywhere() -> None:
    text = "arn:aws:iam::123456789012:user/anna vpc-0a1b2c3d4e5f60718 8d3f2c1e-0000-4000-8000-5a6b7c8d9e0f 198.51.100.7 10.0.0.4"
    files, _ = bundle.clean({"a": text, "b": "vpc-0a1b2c3d4e5f60718 in 123456789012, anna@corp.example"}, redact=True)
    assert files["a"] == (
        "arn:aws:iam::000000000001:user/principal-1 vpc-00000000000000001 00000000-0000-4000-8000-000000000001 198.18.0.2 10.0.0.4"
    )
    assert files["b"] == "vpc-00000000000000001 in 000000000001, person-1@example.com"


def test_a_hash_becomes_that_of_the_text_without_ids() -> None:
    text = "VPC vpc-0a1b2c3d4e5f60718"
    files, _ = bundle.clean({"a": f"{text}, {digest(text, 16)}"}, redact=True, hashed={digest(text, 16): text})
    assert files["a"] == f"VPC vpc-00000000000000001, {digest('VPC vpc-00000000000000001', 16)}"


def test_what_is_not_to_be_seen_in_json_within_json() -> None:
    text = json.dumps({"applied": json.dumps({"password": "correct-horse-battery"})})
    assert "correct" not in bundle.clean({"a": text}, redact=False)[0]["a"]


def test_a_bundle_of_a_sandbox(place: Cli, tmp_path: Path) -> None:
    out = tmp_path / "b.tar.gz"
    made = place.cloudlink("gather", "--out", str(out), "--redact-ids", "--json")
    assert made.code == 0, made.err
    assert out.stat().st_mode & 0o777 == 0o600
    _, files = bundle.unpack(out)
    assert {"versions.json", "status.json", "plan.json", "checks.json", "configuration.toml"} <= files.keys()
    assert json.loads(files["status.json"])["link"] == "demo"
    everything = "".join(files.values())
    assert place.link.azure.subscription not in everything
    assert place.link.aws.vpc_id not in everything
    checked = place.cloudlink("gather", "--check", str(out), "--json")
    assert checked.code == 0
    assert checked.json["files"] == made.json["files"]


def test_a_folder_that_is_not_there(place: Cli) -> None:
    refused = place.cloudlink("gather", "--out", "no-such-folder/b.tar.gz")
    assert refused.code == 2
    assert "no folder" in refused.err


def test_a_bundle_is_made_where_the_clouds_are_out_of_reach(place: Cli, tmp_path: Path) -> None:
    place.control("POST", "faults", {"kind": "expired", "target": "aws.*", "times": None})
    try:
        made = place.cloudlink("gather", "--out", str(tmp_path / "b.tar.gz"))
    finally:
        place.control("DELETE", "faults")
    assert made.code == 0
    _, files = bundle.unpack(tmp_path / "b.tar.gz")
    status = json.loads(files["status.json"])
    assert status["health"] == "unknown" and "AWS could not be read" in status["verdict"]


def test_every_report_is_read_again_as_it_was() -> None:
    for report in (samples.HEALTHY, samples.DEGRADED, samples.DOWN, samples.ABSENT):
        content = json.loads(json.dumps(as_json(report)))
        assert read(StatusReport, content) == report
        assert read(StatusReport, {**content, "of a later version": 1}) == report
    for wrong in ({}, [], {**content, "health": "splendid"}, {**content, "tunnels": {}}, {**content, "verdict": 3}):
        with pytest.raises((ValueError, TypeError)):
            read(StatusReport, wrong)


def status_of(path: Path, *more: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run(["status", "--bundle", str(path), *more])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("width", [80, 200])
def test_the_status_of_a_bundle_is_the_one_that_was_gathered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "b.tar.gz"
    at = json.dumps({"read_at": timestamp(samples.START)})
    path.write_bytes(packed({"status.json": json.dumps(as_json(samples.DEGRADED)), "versions.json": at}))
    code, out, _ = status_of(path, "--all", capsys=capsys)
    look = Look(width, unicode=True)
    assert (code, out.splitlines()) == (
        8,
        [text_of(x) for x in status_lines(samples.DEGRADED, look, samples.START, everything=True)],
    )
    code, out, _ = status_of(path, "--json", capsys=capsys)
    assert json.loads(out) == json.loads(json.dumps(as_json(samples.DEGRADED)))


def test_a_bundle_without_a_status_or_with_other_options_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.tar.gz"
    failed = as_json(UsageError("Not signed in", "AWS has no credentials.", "aws sso login"))
    for content, said in (
        ({"status.json": json.dumps(failed)}, "aws sso login"),
        ({"status.json": '{"health": "splendid"}'}, "cannot be used"),
        ({"log.txt": "x"}, "cannot be used"),
    ):
        path.write_bytes(packed(content))
        code, out, err = status_of(path, capsys=capsys)
        assert code == 2 and said in err and out == "" and "Traceback" not in err
    for more in (["--watch"], ["--wait", "5m"], ["--sandbox"]):
        assert status_of(path, *more, capsys=capsys)[0] == 2
    path.write_bytes(packed(FILES)[:-40])
    assert status_of(path, capsys=capsys)[0] == 2
