"""The configured tags: on every object of both clouds from its first moment, compared by themselves, others' untouched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.azure.client import retryable, unknown_outcome
from cloudlink.clouds.ownership import Owner, merged
from cloudlink.core.engine import Engine
from cloudlink.core.plan import Action, differences
from cloudlink.core.ports import ErrorPolicy
from cloudlink.core.resource import Observed, Receipt, Receipts
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.step import AwsVpn
from cloudlink.steps.outputs import EksCluster
from cloudlink.steps.resolver.step import Resolver
from tests.steps import aws_ground, azure_bench
from tests.steps.azure_bench import AWS_GATEWAY, AWS_VPNS, Bench
from tests.steps.contract import NO_RECEIPTS, bring_up

TAGS = (("CostCenter", "4711"), ("owner", "Team A"))


def tagged(link: Link) -> Link:
    return dataclasses.replace(link, tags=TAGS)


# --- Azure ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def azure_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azure_bench.Front]:
    front = azure_bench.Front(tmp_path_factory.mktemp("sandbox"))
    yield front
    front.listener.stop()


class Memory:
    lost = False

    def __init__(self) -> None:
        self.held: dict[str, Receipt] = {}

    def receipts(self) -> Receipts:
        return Receipts(self.held)

    def put(self, receipt: Receipt) -> None:
        self.held[receipt.address] = receipt

    def remove(self, address: str) -> None:
        self.held.pop(address, None)


def run(bench: Bench, link: Link, memory: Memory) -> dict[str, tuple[Action, str]]:
    azure, step = bench.look_anew(link)
    engine = Engine(
        (*step.nodes(), AWS_GATEWAY, *AWS_VPNS),
        clock=bench.time,
        store=memory,
        error_policy=ErrorPolicy(azure.translate, retryable, unknown_outcome),
        workers=4,
    )
    plan = engine.plan()
    for _ in engine.apply(plan):
        pass
    return {c.address: (c.action, c.why) for c in plan.changes}


def ours(bench: Bench) -> list[Any]:
    return [r for k, r in bench.cloud.store.resources.items() if "cloudlink-demo" in k and r.tags is not None]


def test_every_object_in_azure_has_them_from_its_create_call(azure_front: azure_bench.Front) -> None:
    bench = Bench(tagged(azure_bench.a_link()), azure_front)
    for node in bench.step.nodes():
        bench.make(node.address)
    assert len(ours(bench)) == 11
    for record in ours(bench):
        assert record.tags.items() >= dict(TAGS).items(), record.id
    assert not [w for w in bench.writes() if w.startswith("PATCH tags")]


def test_a_run_with_new_tags_adds_them_and_nothing_else(azure_front: azure_bench.Front) -> None:
    bench = Bench(azure_bench.a_link(), azure_front)
    run(bench, bench.link, memory := Memory())
    for record in ours(bench):
        record.tags["theirs"] = "kept"
        record.tags["costcenter"] = "old"  # the same key, for Azure
    bench.context.journal.clear()
    plan = run(bench, tagged(bench.link), memory)
    changed = {a: why for a, (action, why) in plan.items() if action is not Action.NO_OP}
    assert len(changed) == 11
    assert set(changed.values()) == {"not as configured: tag CostCenter, tag owner"}
    assert {w.partition("/")[0] for w in bench.writes()} == {"PATCH tags"}
    for record in ours(bench):
        assert record.tags["theirs"] == "kept"
        assert {k: v for k, v in record.tags.items() if k.lower() == "costcenter"} == {"CostCenter": "4711"}
    # others' tags are no difference, and a second run has nothing to do
    assert {action for action, _ in run(bench, tagged(bench.link), memory).values()} == {Action.NO_OP}


def test_an_update_keeps_others_tags_and_writes_no_key_twice() -> None:
    assert merged({"costcenter": "1", "x": "y"}, {"CostCenter": "2"}) == {"x": "y", "CostCenter": "2"}


def test_only_the_configured_tags_are_compared() -> None:
    owner = Owner("demo", "vpc-1", "s/g/v", TAGS)
    held = {"costcenter": "4711", "owner": "Team A", "other": "z"}
    assert owner.lacking(held, fold=True) == ()
    (change,) = owner.lacking(held)  # AWS tells keys by their case
    assert (change.field, change.old, change.new) == ("tag CostCenter", "(none)", "4711")
    assert [c.field for c in owner.lacking(None)] == ["tag CostCenter", "tag owner"]


# --- AWS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws_front() -> Iterator[tuple[aws_ground.Front, str]]:
    with aws_ground.listening() as pair:
        yield pair


@pytest.fixture
def ground(aws_front: tuple[aws_ground.Front, str], tmp_path: Path) -> aws_ground.Ground:
    return aws_ground.a_ground(tagged(aws_ground.a_link()), tmp_path, *aws_front)


def finished(ground: aws_ground.Ground, resource: Any, outputs: Any) -> Observed[Any, Any]:
    """Brought up as the engine does it: until neither a setting nor a tag differs."""
    bring_up(resource, outputs, ground.wait)
    for _ in range(5):
        ground.wait(3)
        found: Observed[Any, Any] = resource.find(NO_RECEIPTS, fresh=True)
        if found.phase.value == "ready" and not differences(found, resource.spec(outputs)):
            return found
        if found.incomplete:
            resource.complete_marks(found)
        ground.wait(60)
    raise AssertionError(f"{resource.address} still differs")


def test_the_vpn_in_aws_has_them_from_its_create_call(ground: aws_ground.Ground) -> None:
    step = AwsVpn(ground.link, ground.aws, aws_ground.PUBLIC_IPS)
    outputs = aws_ground.from_azure()
    for node in step.nodes():
        read = hasattr(node, "read")
        outputs = ground.read(outputs, node) if read else outputs.with_(node, finished(ground, node, outputs).outputs)
    assert ground.calls("CreateTags") == 0
    lists = (
        ground.hand.describe_vpn_gateways()["VpnGateways"],
        ground.hand.describe_customer_gateways()["CustomerGateways"],
        ground.hand.describe_vpn_connections()["VpnConnections"],
    )
    for items in lists:
        mine = [i for i in items if any(t["Key"] == "cloudlink-link" for t in i.get("Tags") or ())]
        assert mine
        for item in mine:
            assert {t["Key"]: t["Value"] for t in item["Tags"]}.items() >= dict(TAGS).items()


LOSE: dict[str, Callable[[aws_ground.Ground, str], object]] = {
    "zone": lambda g, id_: g.aws.route53.change_tags_for_resource(
        ResourceType="hostedzone",
        ResourceId=id_,
        RemoveTagKeys=["CostCenter"],
        AddTags=[{"Key": "theirs", "Value": "x"}],
    ),
    "security_group": lambda g, id_: g.hand.delete_tags(Resources=[id_], Tags=[{"Key": "CostCenter"}]),
}


def names(ground: aws_ground.Ground) -> tuple[Resolver, Any]:
    cluster = aws_ground.Fixed(address="aws_vpn.cluster", title="EKS cluster")
    resolver = Resolver(ground.link, ground.aws, cluster, aws_ground.NETWORK, lambda _: None)
    subnets = ground.aws.eks_cluster("prod")["resourcesVpcConfig"]["subnetIds"]  # type: ignore[index]
    given = aws_ground.from_azure().with_(cluster, EksCluster("prod", aws_ground.VPC, tuple(subnets), None, "", "", ""))
    return resolver, given


def test_zone_group_and_endpoint_have_them(ground: aws_ground.Ground) -> None:
    resolver, outputs = names(ground)
    found: dict[str, Observed[Any, Any]] = {}
    outputs = ground.read(outputs, resolver.subnets)
    for name in ("vpc_dns", "zone", "security_group", "endpoint"):
        node: Any = getattr(resolver, name)
        bring = bring_up if name == "vpc_dns" else None
        found[name] = bring(node, outputs, ground.wait) if bring else finished(ground, node, outputs)
        outputs = outputs.with_(node, found[name].outputs)
    zone, group, endpoint = (found[n].id for n in ("zone", "security_group", "endpoint"))
    assert ground.aws.zone_tags(zone, fresh=True) == dict(TAGS)
    (shown,) = ground.hand.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert {t["Key"]: t["Value"] for t in shown["Tags"]}.items() >= dict(TAGS).items()
    arn = next(e["Arn"] for e in ground.aws.resolver_endpoints() if e["Id"] == endpoint)
    assert ground.aws.endpoint_tags(arn, fresh=True).items() >= dict(TAGS).items()
    assert ground.calls("TagResource") == 0  # the endpoint had them at once
    for name, lose in LOSE.items():
        node = getattr(resolver, name)
        lose(ground, found[name].id)
        ground.wait(60)
        lacking = node.find(NO_RECEIPTS, fresh=True).lacking
        assert [c.field for c in lacking] == ["tag CostCenter"], name
        finished(ground, node, outputs)
    assert ground.aws.zone_tags(zone, fresh=True) == {**dict(TAGS), "theirs": "x"}


def test_without_configured_tags_nobody_asks_for_them(aws_front: tuple[aws_ground.Front, str], tmp_path: Path) -> None:
    ground = aws_ground.a_ground(aws_ground.a_link(), tmp_path, *aws_front)
    resolver, outputs = names(ground)
    for name in ("vpc_dns", "zone"):
        node: Any = getattr(resolver, name)
        outputs = outputs.with_(node, bring_up(node, outputs, ground.wait).outputs)
    assert ground.calls("ListTagsForResource") == 0
