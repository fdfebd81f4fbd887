"""What other people's names and CoreDNS keys would do to a link is told by ``plan`` before anything is made."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from cloudlink.clouds.aws.parse_resolver import rules_of_vpc
from tests.support.cli import Cli, make_cli
from tests.support.manual_edits import ManualEdits

VPC = "vpc-0a1b2c3d4e5f60718"
ZONE = "prod.corp.example"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Nothing is built here: every test leaves the clouds as they were."""
    with make_cli(tmp_path_factory.mktemp("before"), speed=600) as made:
        assert made.sandbox("start").code == 0
        yield made


@pytest.fixture
def cli(fresh: Cli) -> Iterator[Cli]:
    text = fresh.config.read_text()
    yield fresh
    fresh.config.write_text(text)
    fresh.control("DELETE", "faults")


def planned(cli: Cli, code: int = 3) -> list[dict[str, Any]]:
    """The findings of ``plan``, which writes nothing; cost and what Azure does not say left out."""
    before = cli.writes()
    result = cli.cloudlink("plan", "--json")
    assert result.code == code, result.out + result.err
    assert cli.writes() == before
    return [f for f in result.json["findings"] if f["topic"] in ("names", "coredns", "permissions")]


def told(findings: list[dict[str, Any]], severity: str = "obstacle") -> str:
    return " | ".join(f"{f['summary']}: {f['detail']} {f['hint']}" for f in findings if f["severity"] == severity)


@contextlib.contextmanager
def zone_on_the_vpc(cli: Cli, name: str, *records: dict[str, Any]) -> Iterator[str]:
    route53 = cli.clouds().aws.route53
    vpc = {"VPCRegion": "eu-central-1", "VPCId": VPC}
    config = {"Comment": "", "PrivateZone": True}
    made = route53.create_hosted_zone(Name=name, CallerReference=f"team {name}", HostedZoneConfig=config, VPC=vpc)
    zone = str(made["HostedZone"]["Id"])

    def change(action: str) -> None:
        changes = [{"Action": action, "ResourceRecordSet": r} for r in records]
        if changes:
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    change("CREATE")
    try:
        yield zone.rpartition("/")[2]
    finally:
        change("DELETE")
        route53.delete_hosted_zone(Id=zone)


@contextlib.contextmanager
def key(cli: Cli, name: str, text: str | bytes) -> Iterator[None]:
    aks = cli.clouds().aks
    where = "data" if isinstance(text, str) else "binaryData"
    content = text if isinstance(text, str) else base64.b64encode(text).decode()
    aks.patch_config_map("kube-system", "coredns-custom", {where: {name: content}})
    try:
        yield
    finally:
        aks.patch_config_map("kube-system", "coredns-custom", {where: {name: None}})


def test_nothing_is_in_the_way_of_the_example(cli: Cli) -> None:
    assert planned(cli, 0) == []


def test_a_private_zone_of_the_name_is_named_and_nothing_is_built(cli: Cli) -> None:
    with zone_on_the_vpc(cli, ZONE) as number:
        assert f'dns.hosted_zone = "{number}"' in told(planned(cli))
        before = cli.writes()
        refused = cli.cloudlink("up", "--yes")
        assert refused.code == 3
        assert cli.writes() == before
        assert number in refused.err
        assert "to create" in refused.out


@contextlib.contextmanager
def rule_on_the_vpc(cli: Cli, domain: str) -> Iterator[str]:
    resolver = cli.clouds().aws.route53resolver
    made = resolver.create_resolver_rule(CreatorRequestId=domain, RuleType="SYSTEM", DomainName=domain)["ResolverRule"]
    resolver.associate_resolver_rule(ResolverRuleId=made["Id"], VPCId=VPC)
    cli.control("POST", "clock", {"advance": 120})
    try:
        yield str(made["Id"])
    finally:
        resolver.disassociate_resolver_rule(ResolverRuleId=made["Id"], VPCId=VPC)
        cli.control("POST", "clock", {"advance": 120})
        resolver.delete_resolver_rule(ResolverRuleId=made["Id"])


def test_zones_that_take_names_are_told_at_once(cli: Cli) -> None:
    with zone_on_the_vpc(cli, f"sentry.{ZONE}") as number, zone_on_the_vpc(cli, ZONE) as same:
        said = told(planned(cli))
    for words in (number, same):
        assert words in said, words


def test_rules_of_the_vpc_are_read(cli: Cli) -> None:
    """One that gives a name back to the Resolver is no obstacle; what a forwarding one is, is judged without a cloud."""
    with rule_on_the_vpc(cli, f"sentry.{ZONE}") as number:
        aws = cli.clouds().aws
        associations = aws.resolver_rule_associations(VPC)
        assert [r.id for r in rules_of_vpc(aws.resolver_rules(), associations, VPC)].count(number) == 1
        assert planned(cli, 0) == []


def test_records_of_others_in_an_adopted_zone_are_told_all_at_once(cli: Cli) -> None:
    def record(label: str, kind: str, value: str) -> dict[str, Any]:
        return {"Name": f"{label}.{ZONE}", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}

    records = (
        record("sentry", "CNAME", "elsewhere.example."),
        record("vault", "A", "10.9.9.1"),
        record("other", "A", "10.9.9.3"),
    )
    with zone_on_the_vpc(cli, ZONE, *records) as number:
        cli.replace('# hosted_zone = "create"', f'hosted_zone = "{number}"\n#')
        said = told(planned(cli))
    for words in (f"sentry.{ZONE} CNAME", f"vault.{ZONE} A", "2 in the zone"):
        assert words in said, said
    assert f"other.{ZONE}" not in said


def test_permissions_in_the_cluster_are_asked_for_first(cli: Cli) -> None:
    cli.control("POST", "faults", {"kind": "denied", "target": "kube.PATCH:*", "times": None})
    before = cli.writes()
    refused = cli.cloudlink("up", "--yes", "--json")
    assert refused.code == 4
    assert cli.writes() == before
    (error,) = (line for line in refused.lines if line["type"] == "error")
    assert "configmaps/coredns-custom and deployments/coredns" in told(error["findings"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.override", f"hosts {{\n    10.1.2.3 billing.{ZONE}\n    fallthrough\n}}\n"),
        (
            "parent.server",
            f"corp.example:53 {{\n hosts {{\n 10.1.2.4 billing.{ZONE}\n fallthrough\n }}\n forward . 10.9.9.9\n}}\n",
        ),
    ],
)
def test_names_that_another_key_answers_today_are_told(cli: Cli, name: str, text: str) -> None:
    with key(cli, name, text):
        said = told(planned(cli, 0), "warning")
        assert name in said
        assert f"billing.{ZONE}" in said
        assert "go to AWS from now on" in said
        assert f"billing.{ZONE}" in cli.cloudlink("plan").out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "other.server",
            "other.example:53 {\r\n    forward . 10.1.2.3\r\n}\r\n".encode("utf-16"),
            "other.server is not text in UTF-8",
        ),
        (
            "rw.server",
            "shop.example:53 {\n    errors\n    kubernetes cluster.local {\n        upstream\n    }\n}\n",
            "the key rw.server",
        ),
    ],
)
def test_keys_that_would_show_at_the_restart_only(cli: Cli, name: str, text: str | bytes, words: str) -> None:
    hand = ManualEdits(cli)
    before = [p["metadata"]["name"] for p in hand.clouds.aks.pods("kube-system", "k8s-app=kube-dns")]
    with key(cli, name, text):
        assert words in told(planned(cli))
        assert cli.cloudlink("up", "--yes", "--no-verify").code == 3
    assert [p["metadata"]["name"] for p in hand.clouds.aks.pods("kube-system", "k8s-app=kube-dns")] == before
