"""The locks hold what pyproject.toml asks for, and a lock that does not is seen; what is installed can be explained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from supply import audit, declared, installed, locks, why

WANTED = declared.read()
BUILDERS = declared.builders(declared.texts())
HASH = "    --hash=sha256:" + "0" * 64


def complaints(**texts: str) -> list[str]:
    return locks.check({**locks.read(), **texts}, WANTED, BUILDERS, installed.packages())


def test_the_locks_are_whole() -> None:
    assert complaints() == []


def without(text: str, package: str) -> str:
    return re.sub(rf"(?m)^{package}==.*\n(?:    --hash.*\n)+", "", text)


@pytest.mark.parametrize("package", ["boto3", "botocore", "pydantic-core", "websocket-client"])
def test_a_missing_package_is_seen_whoever_needs_it(package: str) -> None:
    """As far as it is installed here in the locked version, also what a package of a package needs."""
    held = locks.parse("runtime", locks.read()["runtime"], [])
    present = installed.packages()
    needed_by = [p.name for p in present.values() if any(r.name == package for r in p.wants)]
    if package != "boto3" and not any(n in held and str(held[n].version) == present[n].version for n in needed_by):
        pytest.skip("not installed as locked")
    found = complaints(runtime=without(locks.read()["runtime"], package))
    assert any(f"{package} is missing" in line for line in found)


def test_a_version_that_pyproject_refuses_is_seen() -> None:
    text = re.sub(r"(?m)^typer==[\d.]+", "typer==0.29.1", locks.read()["dev"])
    found = complaints(dev=text)
    assert any("typer is held at 0.29.1" in line for line in found)
    assert any("runtime and dev differ in typer" in line for line in found)


def test_what_builds_cloudlink_is_locked() -> None:
    found = complaints(dev=without(locks.read()["dev"], "hatchling"))
    assert any("hatchling is missing" in line for line in found)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--extra-index-url=https://mirror.example/simple",
        "--find-links /opt/wheels",
        "-e .",
        "evil @ https://mirror.example/evil.tar.gz \\",
        "evil>=1 \\",
        "# from https://mirror.example/simple",
        "evil==1.0",
    ],
)
def test_nothing_but_exact_versions_and_hashes_may_stand_there(line: str) -> None:
    found = complaints(runtime=f"{locks.read()['runtime']}{line}\n")
    assert any(line.strip() in complaint for complaint in found)


def test_a_package_without_a_hash_is_seen() -> None:
    wrong: list[str] = []
    pins = locks.parse("dev", f"one==1.0 \\\n{HASH}\ntwo==2.0 \\\n", wrong)
    assert wrong == ["dev: two has no hash"]
    assert pins["one"].hashes == 1


def test_an_environment_that_is_not_the_lock_is_seen() -> None:
    pins = locks.parse("dev", f"one==1.0 \\\n{HASH}\nthree==3.0 ; sys_platform == 'win32' \\\n{HASH}\n", [])

    def there(name: str, version: str) -> dict[str, installed.Package]:
        return {name: installed.Package(name, version, "MIT", [])}

    def differences(present: dict[str, installed.Package]) -> list[str]:
        return locks.not_as_locked(pins, present, installed.TOOLS)

    assert differences({**there("one", "1.0"), **there("pip", "9"), **there("cloudlink-cli", "0.1")}) == []
    assert differences(there("one", "1.1")) == ["one is installed as 1.1 and locked as 1.0"]
    assert "two 2 is installed and not locked" in differences({**there("one", "1.0"), **there("two", "2")})
    assert differences({}) == ["one 1.0 is locked and not installed"]


def test_everything_installed_is_explained() -> None:
    told = {row[0]: row for row in why.rows(WANTED, installed.packages())}
    assert set(told) == set(installed.packages()) - installed.OURS
    assert "AWS" in told["boto3"][4]
    assert told["s3transfer"][3].startswith("boto3")
    assert told["s3transfer"][4] == "for boto3"
    assert [name for name, row in told.items() if row[3] and row[2] == "not said"] == []
    assert "botocore" in why.table(list(told.values()))


def test_what_nobody_asked_for_is_said_so() -> None:
    present = {"stray": installed.Package("stray", "1", "MIT", [Requirement("boto3")])}
    assert why.rows(WANTED, present) == [("stray", "1", "MIT", "", why.BY_HAND)]


def answer(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_known_weakness_is_an_error() -> None:
    weak = {"name": "one", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
    code, said = audit.judged(answer(weak, {"name": "two", "version": "2", "vulns": []}), "")
    assert code == 1
    assert "one 1.0: PYSEC-1, mended in 1.1" in said


@pytest.mark.parametrize(
    ("out", "err"),
    [
        ("", "ConnectionError: no such host"),
        ("nonsense", ""),
        (answer({"name": "one", "skip_reason": "not found"}), ""),
    ],
)
def test_where_the_advisories_cannot_be_had_the_audit_says_that_it_is_skipped(out: str, err: str) -> None:
    code, said = audit.judged(out, err)
    assert code == 0
    assert said.startswith("skipped: ")


def test_an_audit_of_some_names_the_others() -> None:
    code, said = audit.judged(
        answer({"name": "one", "version": "1", "vulns": []}, {"name": "two", "skip_reason": "x"}), ""
    )
    assert code == 0
    assert "packages judged: 1, known weaknesses: 0" in said
    assert "not judged: two" in said


def test_without_the_program_the_audit_is_skipped(tmp_path: Path) -> None:
    code, said = audit.audit(tmp_path / "pip-audit", locks.FOLDER / "dev.txt")
    assert code == 0
    assert said.startswith("skipped: ")


def in_the_wheel(folder: Path) -> set[str]:
    return {str(f.distribution_path) for f in WheelBuilder(str(folder)).recurse_included_files()}


def test_each_wheel_holds_its_own_package_alone() -> None:
    product, sandbox = in_the_wheel(declared.ROOT), in_the_wheel(declared.ROOT / "sandbox")
    assert {name.split("/")[0] for name in product} == {"cloudlink"}
    assert {name.split("/")[0] for name in sandbox} == {"cloudlink_sandbox"}
    assert "cloudlink/config.example.toml" in product, "outside of a checkout there is an example, too"
    assert not [name for name in product if "moto" in name or name.startswith("cloudlink/sandbox/")]
