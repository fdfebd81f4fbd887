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
from tests.support import aws_sandbox, azure_sandbox
from tests.support.azure_sandbox import AWS_GATEWAY, AWS_VPNS, AzureSandbox
from tests.support.contract import NO_RECEIPTS, bring_up

TAGS = (("CostCenter", "4711"), ("owner", "Team A"))


def tagged(link: Link) -> Link:
    return dataclasses.replace(link, tags=TAGS)


# --- Azure ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def azure_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azure_sandbox.Server]:
    server = azure_sandbox.Server(tmp_path_factory.mktemp("sandbox"))
    yield server
    server.listener.stop()


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


def run(sandbox: AzureSandbox, link: Link, memory: Memory) -> dict[str, tuple[Action, str]]:
    azure, step = sandbox.reconnect(link)
    engine = Engine(
        (*step.nodes(), AWS_GATEWAY, *AWS_VPNS),
        clock=sandbox.time,
        store=memory,
        error_policy=ErrorPolicy(azure.translate, retryable, unknown_outcome),
        workers=4,
    )
    plan = engine.plan()
    for _ in engine.apply(plan):
        pass
    return {c.address: (c.action, c.why) for c in plan.changes}


def ours(sandbox: AzureSandbox) -> list[Any]:
    return [r for k, r in sandbox.cloud.store.resources.items() if "cloudlink-demo" in k and r.tags is not None]


def test_every_object_in_azure_has_them_from_its_create_call(azure_front: azure_sandbox.Server) -> None:
    sandbox = AzureSandbox(tagged(azure_sandbox.azure_link()), azure_front)
    for node in sandbox.step.nodes():
        sandbox.make(node.address)
    assert len(ours(sandbox)) == 11
    for record in ours(sandbox):
        assert record.tags.items() >= dict(TAGS).items(), record.id
    assert not [w for w in sandbox.writes() if w.startswith("PATCH tags")]


def test_a_run_with_new_tags_adds_them_and_nothing_else(azure_front: azure_sandbox.Server) -> None:
    sandbox = AzureSandbox(azure_sandbox.azure_link(), azure_front)
    run(sandbox, sandbox.link, memory := Memory())
    for record in ours(sandbox):
        record.tags["theirs"] = "kept"
        record.tags["costcenter"] = "old"  # the same key, for Azure
    sandbox.context.journal.clear()
    plan = run(sandbox, tagged(sandbox.link), memory)
    changed = {a: why for a, (action, why) in plan.items() if action is not Action.NO_OP}
    assert len(changed) == 11
    assert set(changed.values()) == {"not as configured: tag CostCenter, tag owner"}
    assert {w.partition("/")[0] for w in sandbox.writes()} == {"PATCH tags"}
    for record in ours(sandbox):
        assert record.tags["theirs"] == "kept"
        assert {k: v for k, v in record.tags.items() if k.lower() == "costcenter"} == {"CostCenter": "4711"}
    # others' tags are no difference, and a second run has nothing to do
    assert {action for action, _ in run(sandbox, tagged(sandbox.link), memory).values()} == {Action.NO_OP}


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
def aws_front() -> Iterator[tuple[aws_sandbox.Server, str]]:
    with aws_sandbox.listening() as pair:
        yield pair


@pytest.fixture
def sandbox(aws_front: tuple[aws_sandbox.Server, str], tmp_path: Path) -> aws_sandbox.AwsSandbox:
    return aws_sandbox.make_aws_sandbox(tagged(aws_sandbox.aws_link()), tmp_path, *aws_front)


def finished(sandbox: aws_sandbox.AwsSandbox, resource: Any, outputs: Any) -> Observed[Any, Any]:
    """Brought up as the engine does it: until neither a setting nor a tag differs."""
    bring_up(resource, outputs, sandbox.wait)
    for _ in range(5):
        sandbox.wait(3)
        found: Observed[Any, Any] = resource.find(NO_RECEIPTS, fresh=True)
        if found.phase.value == "ready" and not differences(found, resource.spec(outputs)):
            return found
        if found.incomplete:
            resource.complete_marks(found)
        sandbox.wait(60)
    raise AssertionError(f"{resource.address} still differs")


def test_the_vpn_in_aws_has_them_from_its_create_call(sandbox: aws_sandbox.AwsSandbox) -> None:
    step = AwsVpn(sandbox.link, sandbox.aws, aws_sandbox.PUBLIC_IPS)
    outputs = aws_sandbox.from_azure()
    for node in step.nodes():
        read = hasattr(node, "read")
        outputs = sandbox.read(outputs, node) if read else outputs.with_(node, finished(sandbox, node, outputs).outputs)
    assert sandbox.calls("CreateTags") == 0
    lists = (
        sandbox.hand.describe_vpn_gateways()["VpnGateways"],
        sandbox.hand.describe_customer_gateways()["CustomerGateways"],
        sandbox.hand.describe_vpn_connections()["VpnConnections"],
    )
    for items in lists:
        mine = [i for i in items if any(t["Key"] == "cloudlink-link" for t in i.get("Tags") or ())]
        assert mine
        for item in mine:
            assert {t["Key"]: t["Value"] for t in item["Tags"]}.items() >= dict(TAGS).items()


LOSE: dict[str, Callable[[aws_sandbox.AwsSandbox, str], object]] = {
    "zone": lambda g, id_: g.aws.route53.change_tags_for_resource(
        ResourceType="hostedzone",
        ResourceId=id_,
        RemoveTagKeys=["CostCenter"],
        AddTags=[{"Key": "theirs", "Value": "x"}],
    ),
    "security_group": lambda g, id_: g.hand.delete_tags(Resources=[id_], Tags=[{"Key": "CostCenter"}]),
}


def names(sandbox: aws_sandbox.AwsSandbox) -> tuple[Resolver, Any]:
    cluster = aws_sandbox.Fixed(address="aws_vpn.cluster", title="EKS cluster")
    resolver = Resolver(sandbox.link, sandbox.aws, cluster, aws_sandbox.NETWORK, lambda _: None)
    subnets = sandbox.aws.eks_cluster("prod")["resourcesVpcConfig"]["subnetIds"]  # type: ignore[index]
    outputs = aws_sandbox.from_azure().with_(
        cluster, EksCluster("prod", aws_sandbox.VPC, tuple(subnets), None, "", "", "")
    )
    return resolver, outputs


def test_zone_group_and_endpoint_have_them(sandbox: aws_sandbox.AwsSandbox) -> None:
    resolver, outputs = names(sandbox)
    found: dict[str, Observed[Any, Any]] = {}
    outputs = sandbox.read(outputs, resolver.subnets)
    for name in ("vpc_dns", "zone", "security_group", "endpoint"):
        node: Any = getattr(resolver, name)
        bring = bring_up if name == "vpc_dns" else None
        found[name] = bring(node, outputs, sandbox.wait) if bring else finished(sandbox, node, outputs)
        outputs = outputs.with_(node, found[name].outputs)
    zone, group, endpoint = (found[n].id for n in ("zone", "security_group", "endpoint"))
    assert sandbox.aws.zone_tags(zone, fresh=True) == dict(TAGS)
    (shown,) = sandbox.hand.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert {t["Key"]: t["Value"] for t in shown["Tags"]}.items() >= dict(TAGS).items()
    arn = next(e["Arn"] for e in sandbox.aws.resolver_endpoints() if e["Id"] == endpoint)
    assert sandbox.aws.endpoint_tags(arn, fresh=True).items() >= dict(TAGS).items()
    assert sandbox.calls("TagResource") == 0  # the endpoint had them at once
    for name, lose in LOSE.items():
        node = getattr(resolver, name)
        lose(sandbox, found[name].id)
        sandbox.wait(60)
        lacking = node.find(NO_RECEIPTS, fresh=True).lacking
        assert [c.field for c in lacking] == ["tag CostCenter"], name
        finished(sandbox, node, outputs)
    assert sandbox.aws.zone_tags(zone, fresh=True) == {**dict(TAGS), "theirs": "x"}


def test_without_configured_tags_nobody_asks_for_them(
    aws_front: tuple[aws_sandbox.Server, str], tmp_path: Path
) -> None:
    sandbox = aws_sandbox.make_aws_sandbox(aws_sandbox.aws_link(), tmp_path, *aws_front)
    resolver, outputs = names(sandbox)
    for name in ("vpc_dns", "zone"):
        node: Any = getattr(resolver, name)
        outputs = outputs.with_(node, bring_up(node, outputs, sandbox.wait).outputs)
    assert sandbox.calls("ListTagsForResource") == 0
