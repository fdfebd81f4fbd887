"""Several zones over one endpoint: their life, one that is taken out, and what a run that dies leaves to the next.

Both clouds in this process; the networks are joined already, so that names are all that is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from cloudlink.checks.names import verify
from cloudlink.checks.report import Health
from cloudlink.clouds.aws.iam_policy import iam_policy
from cloudlink.clouds.ownership import owner_of
from cloudlink.config import parse
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Ownership, Receipt, Receipts
from cloudlink.errors import ConflictError, Severity, UsageError
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.pauses import Pause, options_of
from cloudlink.steps.resolver.hosted_zone import left_zones
from cloudlink.sweep import leftovers
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.support.built_link import Killed
from tests.support.life import Life
from tests.support.links import make_link

from .test_existing_link import CONFIG

FIRST, DATA, OTHER, SHARED = "aws.corp.example", "data.aws.corp.example", "other.example", "shared.example"
ADOPTED = "Z0SHARED"
MOST_MORE = 20  # calls of ten zones beyond those of one


def zone(name: str, names: int = 1, more: str = "") -> str:
    hosts = (f'[[dns.zones.hosts]]\nname = "n{i}"\naddresses = ["10.10.{len(name)}.{i + 10}"]\n' for i in range(names))
    return "".join((f'[[dns.zones]]\nzone = "{name}"\n{more}', *hosts))


def config(*zones: str) -> Link:
    text = CONFIG.format(wire="transit-gateway").replace("[sandbox]", "".join(zones) + "[sandbox]")
    return parse(text, "config.toml", sandbox=True)


THREE = config(zone(DATA), zone(OTHER))


def started(folder: Path, link: Link) -> tuple[Sandbox, Life]:
    sandbox = Sandbox(folder, speed=0, durations=Durations(exact=True))
    sandbox.start()
    return sandbox, Life(sandbox, link, pause=0.15)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    sandbox, made = started(tmp_path, THREE)
    made.up()
    yield made
    sandbox.stop()


def actions(plan: Plan) -> dict[str, str]:
    return {c.address: c.action.value for c in plan.writes}


def zones_of(life: Life) -> dict[str, dict[str, tuple[str, ...]]]:
    """Name -> names and values of its records, of each zone that the link's cloudlink made."""
    aws = life.clouds().aws
    found = (z for z in aws.hosted_zones() if z["CallerReference"].startswith("cloudlink/"))
    return {str(z["Name"]).rstrip("."): records_of(aws, z["Id"]) for z in found}


def records_of(aws: Any, id_: str) -> dict[str, tuple[str, ...]]:
    sets = aws.route53.list_resource_record_sets(HostedZoneId=id_)["ResourceRecordSets"]
    return {
        f"{r['Name'].rstrip('.')} {r['Type']}": tuple(v["Value"] for v in r.get("ResourceRecords", ()))
        for r in sets
        if r["Type"] not in ("NS", "SOA")
    }


def key(life: Life) -> str:
    return life.clouds().topology.dns_forward.forward.coredns.keys().text["cloudlink-joined.server"]


def writes(life: Life) -> list[str]:
    return [call.operation for call in life.sandbox.context.journal.calls() if call.writes]


def test_each_zone_has_its_records_and_its_mark(life: Life) -> None:
    found = zones_of(life)
    assert set(found) == {FIRST, DATA, OTHER}
    assert set(found[DATA]) == {f"n0.{DATA} A", f"_cloudlink-joined.{DATA} TXT"}
    assert f'"owns A n0.{DATA}"' in found[DATA][f"_cloudlink-joined.{DATA} TXT"]
    assert set(found[FIRST]) == {f"app.{FIRST} A", f"_cloudlink-joined.{FIRST} TXT"}
    assert key(life).count("{") == 2, "one block for all, and forward's"
    assert f"\n{FIRST}:53 {DATA}:53 {OTHER}:53 {{\n" in key(life)
    assert writes(life) == []
    life.clock.wait(600)
    assert actions(life.up()) == {}
    status = life.status()
    assert status.health is Health.HEALTHY
    assert all(f"{name} (Z" in status.zone for name in found)
    assert {name for name, _, _ in status.records} == {f"app.{FIRST}", f"n0.{DATA}", f"n0.{OTHER}"}
    assert status.other_records == 0
    assert status.forward.startswith(f"{FIRST}, {DATA}, {OTHER} to 10.10.")


def test_a_zone_that_is_configured_no_more_leaves_coredns_first_and_then_goes(life: Life) -> None:
    endpoint = life.store.held["resolver.endpoint"].id
    life.link = config(zone(OTHER))
    status = life.status()
    assert status.health is Health.HEALTHY, "the zones that are configured are answered"
    assert {d.address: d.what for d in status.drift if d.address.startswith("resolver")} == {
        f"resolver.zone[{DATA}]": "no more in the configuration",
        f"resolver.records[{DATA}]": "no more in the configuration",
    }
    plan = life.up()
    assert actions(plan) == {
        f"resolver.zone[{DATA}]": "delete",
        f"resolver.records[{DATA}]": "delete",
        "dns_forward.forward": "update",
    }
    assert writes(life) == ["PATCH configmaps", "PATCH deployments", "ChangeResourceRecordSets", "DeleteHostedZone"]
    assert life.store.held["resolver.endpoint"].id == endpoint
    assert set(zones_of(life)) == {FIRST, OTHER}
    assert DATA not in key(life)
    assert not [a for a in life.store.held if DATA in a]
    assert actions(life.up()) == {}


def test_a_zone_may_become_the_first_and_the_first_one_of_the_others(life: Life) -> None:
    first, data, _ = life.link.dns.zones
    ids = {a: r.id for a, r in life.store.held.items()}
    life.link = as_first(life.link, data, first)
    assert actions(life.up()) == {
        f"resolver.zone[{OTHER}]": "delete",
        f"resolver.records[{OTHER}]": "delete",
        "dns_forward.forward": "update",
    }
    assert life.store.held["resolver.zone"].id == ids[f"resolver.zone[{DATA}]"]
    assert life.store.held[f"resolver.zone[{FIRST}]"].id == ids["resolver.zone"]
    life.link = as_first(life.link, first)  # data, which is the first now, is named no more
    assert actions(life.up()) == {
        f"resolver.zone[{DATA}]": "delete",
        f"resolver.records[{DATA}]": "delete",
        "dns_forward.forward": "update",
    }
    assert set(zones_of(life)) == {FIRST}
    assert actions(life.up()) == {}


def as_first(link: Link, first: PrivateZone, *more: PrivateZone) -> Link:
    dns = replace(link.dns, zone=first.name, hosts=first.hosts, adopt_zone=first.adopt, more_zones=more)
    return replace(link, dns=dns)


@pytest.mark.long
def test_without_a_state_every_zone_is_found_and_one_that_was_taken_out_as_well(life: Life) -> None:
    life.store.held.clear()
    assert actions(life.up()) == {}
    life.store.held.clear()
    life.link = config(zone(OTHER))
    assert actions(life.up())[f"resolver.zone[{DATA}]"] == "delete"
    life.store.held.clear()
    life.teardown()
    clouds = life.clouds()
    assert list(leftovers(life.link, clouds.aws, clouds.azure)) == []
    assert zones_of(life) == {}


def test_others_records_keep_a_zone_that_was_taken_out(life: Life) -> None:
    aws = life.clouds().aws
    theirs = record("theirs." + OTHER)
    number = life.store.held[f"resolver.zone[{OTHER}]"].id
    change(aws, number, "CREATE", theirs)
    life.link = config(zone(DATA))
    with pytest.raises(ConflictError, match="records that cloudlink did not make") as caught:
        life.up()
    assert "theirs." in caught.value.detail
    assert "cloudlink up again. Or put the zone back" in caught.value.hint
    assert OTHER not in key(life)
    assert set(zones_of(life)[OTHER]) == {f"theirs.{OTHER} A"}
    change(life.clouds().aws, number, "DELETE", theirs)
    life.up()
    assert set(zones_of(life)) == {FIRST, DATA}


@pytest.mark.long
def test_an_adopted_zone_keeps_everything_of_others(tmp_path: Path) -> None:
    link = config(zone(SHARED, more=f'hosted_zone = "{ADOPTED}"\n'), zone(OTHER))
    sandbox, life = started(tmp_path, link)
    aws = life.clouds().aws
    change(aws, ADOPTED, "CREATE", record(f"theirs.{SHARED}"))
    before = records_of(aws, ADOPTED)
    plan = life.up()
    assert f"resolver.zone[{SHARED}]" not in actions(plan)
    assert ("resolver.zone[shared.example]", ADOPTED) in {(a.address, a.id) for a in life.plan()[0].adopted}
    assert life.status().other_records == len(before)
    life.link = config(zone(OTHER))
    assert actions(life.up()) == {f"resolver.records[{SHARED}]": "delete", "dns_forward.forward": "update"}
    assert records_of(life.clouds().aws, ADOPTED) == before
    assert not [a for a in life.store.held if SHARED in a]
    life.link = link
    life.up()
    life.teardown()
    assert records_of(life.clouds().aws, ADOPTED) == before
    assert zones_of(life) == {}
    sandbox.stop()


def record(name: str) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.10.9.9"}]}


def change(aws: Any, zone_id: str, action: str, of: dict[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": of}]}
    aws.route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_dies_is_gone_on_with(life: Life, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """While a zone goes, and while one is made."""
    deadly = [""]
    real = BaseClient._make_api_call

    def called(client: Any, operation: str, arguments: Any) -> Any:
        dies, deadly[0] = operation == deadly[0], "" if operation == deadly[0] else deadly[0]
        if dies and when == "before":
            raise Killed
        answer = real(client, operation, arguments)
        if dies:
            raise Killed
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", called)
    fewer = config(zone(OTHER))
    for operation, link, left in (
        ("ChangeResourceRecordSets", fewer, {FIRST, OTHER}),
        ("CreateHostedZone", THREE, {FIRST, DATA, OTHER}),
        ("DeleteHostedZone", fewer, {FIRST, OTHER}),
        ("ChangeResourceRecordSets", THREE, {FIRST, DATA, OTHER}),
    ):
        life.link = link
        deadly[0] = operation
        with pytest.raises(Killed):
            life.up()
        life.clock = life.new_clock()  # that of another process
        life.up()
        assert set(zones_of(life)) == left, operation
        assert all(len(records) == 2 for records in zones_of(life).values()), operation
        assert actions(life.up()) == {}, operation
        assert (DATA in key(life)) is (DATA in left)


def test_a_zone_of_a_link_of_the_same_name_elsewhere_is_not_taken(life: Life) -> None:
    made = life.clouds().aws.route53.create_hosted_zone(
        Name=DATA,
        CallerReference="cloudlink/joined/vpc-0elsewhere/5666666/0123456789ab",
        VPC={
            "VPCRegion": "eu-central-1",
            "VPCId": life.clouds().aws.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"],
        },
    )
    life.store.held.clear()
    with pytest.raises(ConflictError, match="vpc-0elsewhere"):
        life.up()
    life.clouds().aws.route53.delete_hosted_zone(Id=made["HostedZone"]["Id"])
    assert actions(life.up()) == {}


# --- how much is asked ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.long
def test_ten_zones_with_fifty_names_ask_little_more_than_one(tmp_path: Path) -> None:
    """Each further zone is read with two calls: the zone, and its records."""
    counted: dict[str, list[int]] = {"up": [], "status": []}
    for name, link in {
        "one": config_of_one(500),
        "ten": config(*(zone(f"z{i}.example", 50) for i in range(9))),
    }.items():
        sandbox, life = started(tmp_path / name, link)
        life.up()
        life.clock.wait(600)
        assert actions(life.up()) == {}
        counted["up"].append(life.calls().total())
        status = life.status()
        assert status.health is Health.HEALTHY
        assert len(status.records) == (500 if name == "one" else 451)
        counted["status"].append(life.calls().total())
        sandbox.stop()
    more = {what: ten - one for what, (one, ten) in counted.items()}
    assert all(0 < calls <= MOST_MORE for calls in more.values()), counted


def config_of_one(names: int) -> Link:
    text = CONFIG.format(wire="transit-gateway").partition("[[dns.hosts]]")
    hosts = "".join(
        f'[[dns.hosts]]\nname = "n{i}"\naddresses = ["10.10.{50 + i // 200}.{i % 200 + 10}"]\n' for i in range(names)
    )
    return parse(f'{text[0]}{hosts}[sandbox]\nwire = "transit-gateway"\n', "config.toml", sandbox=True)


# --- without clouds -------------------------------------------------------------------------------------------


def test_a_name_finds_its_zone() -> None:
    def asked(name: str) -> str:
        return verify.checked_name(THREE.dns, name)

    assert asked(f"N0.{DATA}.") == f"n0.{DATA}"
    assert asked("app") == f"app.{FIRST}"
    with pytest.raises(UsageError, match="several zones") as several:
        asked("n0")
    assert f"n0.{DATA}, n0.{OTHER}" in several.value.detail
    with pytest.raises(UsageError, match="none of the zones"):
        asked("nobody")
    with pytest.raises(UsageError, match="outside the zones"):
        asked("corp.example")
    ((question, wanted),) = verify.questions(THREE, {}, [f"n0.{DATA}"])
    assert (question.ports, wanted.zone, wanted.configured) == ((443,), DATA, f"n0.{DATA}")
    ((question, wanted),) = verify.questions(THREE, {}, [f"x.{DATA}"])
    assert (question.ports, wanted.zone) == ((), DATA)
    assert [w.zone for _, w in verify.questions(THREE, {})] == [FIRST, DATA, OTHER]


class Nobody:
    """AWS, which is not asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def test_what_was_taken_out_is_known_from_the_state() -> None:
    link = make_link(dns={"more_zones": (PrivateZone("b.example", ()),)})
    nobody: Any = Nobody()

    def left(*addresses: str) -> tuple[PrivateZone, ...]:
        made = {
            a: Receipt(a, "Z1/demo" if "records" in a else "Z1", "ready", "", Ownership.OWNED, 0.0) for a in addresses
        }
        return left_zones(link, nobody, Receipts(made))

    assert left("resolver.zone") == ()
    assert left("resolver.zone", "resolver.zone[b.example]", "resolver.records[b.example]") == ()
    assert left("resolver.zone[c.example]", "resolver.records[c.example]") == (PrivateZone("c.example", ()),)
    assert left("resolver.records[c.example]") == (PrivateZone("c.example", (), adopt="Z1"),), "it was adopted"
    assert left("resolver.zone[c.example]") == (PrivateZone("c.example", ()),), "its records are gone already"


def test_coredns_of_one_zone_is_written_as_it_was() -> None:
    assert corefile.block(("corp.example",), ()).zone == "corp.example"
    assert corefile.block(("b.example", "a.example"), ()) == corefile.block(("a.example", "b.example"), ())


def test_other_keys_are_compared_with_every_zone() -> None:
    keys = {"x.server": "eu.b.example:53 {\n    forward . 10.1.1.1\n}\n"}
    seen = corefile.examine(keys, "ours.server", ("a.example", "b.example"))
    assert seen.shadowed == ("eu.b.example",)
    keys = {"x.server": "b.example:53 {\n    forward . 10.1.1.1\n}\n"}
    (conflict,) = corefile.examine(keys, "ours.server", ("a.example", "b.example")).conflicts
    assert "already serves b.example" in conflict


def test_the_plan_has_no_obstacle_in_the_links_own_zones(life: Life) -> None:
    """data.aws.corp.example lies in the first zone and is on the VPC: more specific, and meant to be."""
    life.link = config(zone(DATA), zone(OTHER), zone("third.example"))
    plan, _ = life.plan()
    assert {c.action for c in plan.writes} == {Action.CREATE, Action.UPDATE}
    assert [f.summary for f in life.found if f.severity is Severity.OBSTACLE] == []
    aws = life.clouds().aws
    vpc = {"VPCRegion": "eu-central-1", "VPCId": life.link.aws.vpc_id}
    made = aws.route53.create_hosted_zone(Name=f"n0.{DATA}", CallerReference="theirs", VPC=vpc)
    life.plan()
    (finding,) = (f for f in life.found if f.severity is Severity.OBSTACLE)
    assert (finding.summary, finding.key) == ("A more specific private zone is on the VPC", "dns.zones[0].hosts")
    aws.route53.delete_hosted_zone(Id=made["HostedZone"]["Id"])


def test_while_the_link_is_paused_every_zone_answers_so() -> None:
    for answer in ("servfail", "public", "10.1.1.1"):
        text = corefile.paused(owner_of(THREE), THREE.dns.zone_names, Pause(0.0, answer))
        assert f"\n{FIRST}:53 {DATA}:53 {OTHER}:53 {{\n" in text
        assert corefile.read(text) == corefile.Block(corefile.joined(THREE.dns.zone_names), (), options_of(answer))


def test_a_policy_names_every_adopted_zone_and_all_where_one_is_made() -> None:
    def zones_in(*ids: str | None) -> object:
        policy = iam_policy(["route53:ChangeResourceRecordSets"], link="demo", region="eu-west-1", zone_ids=ids)
        return policy["Statement"][0]["Resource"]

    arn = "arn:aws:route53:::hostedzone/"
    assert zones_in("Z1") == f"{arn}Z1"
    assert zones_in("Z2", "Z1") == [f"{arn}Z1", f"{arn}Z2"]
    assert zones_in("Z1", None) == f"{arn}*"
