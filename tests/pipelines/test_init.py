"""``init``: from an empty folder to a plan without obstacles, no id typed; and its proposals from facts alone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cloudlink import discovery
from cloudlink.cli import schema
from cloudlink.clouds.aws.survey import Balancer, Zone
from cloudlink.clouds.kube.survey import Exposed
from cloudlink_sandbox import client as sandbox_program
from tests.support.cli import Cli, Result


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    place = Cli(tmp_path_factory.mktemp("empty"))
    first = place.cloudlink("init", "--json")
    (place.folder / "first.json").write_text(first.out)
    assert first.code == 0, first.err + first.out
    yield place
    sandbox_program.stop(place.folder / ".cloudlink" / "sandbox" / "demo")


def test_from_an_empty_folder_to_a_plan_without_obstacles(empty: Cli) -> None:
    assert empty.cloudlink("init", "--force").code == 0
    made = Result(0, (empty.folder / "first.json").read_text(), "")
    assert list(Draft202012Validator(schema.found("init")).iter_errors(made.json)) == []
    assert made.json["eks"] == {"name": "production", "region": "eu-central-1"}
    assert made.json["aks"]["name"] == "test"
    text = empty.config.read_text()
    assert text.startswith("#:schema ./config.schema.json\n")
    document = tomllib.loads(text)
    assert list(Draft202012Validator(schema.found("config")).iter_errors(document)) == []
    targets = {h["name"]: h for h in document["dns"]["hosts"]}
    assert targets["vault"]["kubernetes_service"] == "vault/vault"
    assert targets["sentry-internal"]["load_balancer"] == "sentry-internal"
    planned = empty.cloudlink("plan", "--json")
    assert planned.code == 0, planned.out
    assert [f for f in planned.json["findings"] if f["severity"] == "obstacle"] == []
    assert planned.json["counts"]["create"] > 20


def test_a_file_that_exists_is_not_overwritten(empty: Cli) -> None:
    before = empty.config.read_text()
    refused = empty.cloudlink("init")
    assert refused.code == 2
    assert "--force" in refused.err
    assert empty.config.read_text() == before


def test_people_are_told_what_was_found(empty: Cli) -> None:
    said = empty.cloudlink("init", "--force", "--zone", "apps.corp.example", "--host", "db=10.10.8.15")
    assert said.code == 0, said.err
    assert "✓ the ranges of both sides do not overlap" in said.out
    assert "Next:  cloudlink doctor --sandbox\n" in said.out
    assert 'zone = "apps.corp.example"' in empty.config.read_text()
    assert 'addresses = ["10.10.8.15"]' in empty.config.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--eks", "none-such"),
        ("--aks", "none-such"),
        ("--out", "no-such-folder/config.toml"),
        ("--host", "db"),
        ("--zone", "not a zone"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_writes_nothing(empty: Cli, arguments: tuple[str, ...]) -> None:
    before = empty.config.read_text()
    refused = empty.cloudlink("init", "--force", *arguments)
    assert refused.code in (2, 3)
    assert "Traceback" not in refused.err
    assert empty.config.read_text() == before


def test_a_sign_in_that_has_expired(empty: Cli) -> None:
    empty.control("POST", "faults", {"kind": "expired", "target": "aws.*", "times": None})
    try:
        refused = empty.cloudlink("init", "--force")
    finally:
        empty.control("DELETE", "faults")
    assert refused.code == 4
    assert "Traceback" not in refused.err


# --- proposals --------------------------------------------------------------------------------------------


def test_the_inside_pool_is_left_alone_while_it_is_free() -> None:
    assert discovery.free_pool([]) == ()
    used = [IPv4Network("169.254.21.0/30"), IPv4Network("169.254.22.16/30")]
    assert discovery.free_pool(used) == (IPv4Network("169.254.21.16/28"), IPv4Network("169.254.22.0/28"))


def test_a_zone_is_taken_from_hosts_and_adopted_where_it_exists() -> None:
    known = [Zone("Z1", "corp.example", False), Zone("Z2", "aws.example", True)]
    hosts = ["a.corp.example", "b.corp.example", "c.other.example"]
    assert discovery.proposed_zone("", hosts, known, "x") == ("corp.example", "Z1")
    assert discovery.proposed_zone("aws.example", hosts, known, "x") == ("aws.example", "")
    assert discovery.proposed_zone("", [], known, "x") == ("x.internal", "")


def test_names_come_from_ingresses_services_and_the_other_load_balancers() -> None:
    balancers = [Balancer("k8s-web", "web.elb"), Balancer("k8s-db", "db.elb"), Balancer("legacy", "legacy.elb")]
    exposed = [
        Exposed("ingress", "web", "main", ("web.elb",), ("app.corp.example", "corp.example", "else.example")),
        Exposed("service", "db", "postgres", ("db.elb",), (), (5432,)),
        Exposed("service", "open", "public", ("internet-facing.elb",), (), (443,)),
    ]
    notes: list[str] = []
    found = list(discovery.proposed_hosts("corp.example", balancers, exposed, notes))
    assert [(h.label, h.key, h.target, h.ports) for h in found] == [
        ("app", "kubernetes_ingress", "web/main", ()),
        ("@", "kubernetes_ingress", "web/main", ()),
        ("postgres", "kubernetes_service", "db/postgres", (5432,)),
        ("legacy", "load_balancer", "legacy", ()),
    ]
    assert notes == ["else.example of the Ingress web/main is not below corp.example: it is left out"]


@pytest.mark.parametrize(
    ("cluster", "name"), [("AKS_Payments", "aks-payments"), ("7up", "link-7up"), ("a" * 50, "a" * 30)]
)
def test_a_name_for_the_link(cluster: str, name: str) -> None:
    assert discovery.proposed_name(cluster) == name


def test_a_written_file_is_read_again(empty: Cli, tmp_path: Path) -> None:
    out = tmp_path / "other.toml"
    assert empty.cloudlink("init", "--out", str(out)).code == 0
    assert out.read_text().startswith("#:schema ./other.schema.json\n")
