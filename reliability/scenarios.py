"""The worlds in which a command is run, killed or disturbed: name, the command, and how the world comes about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudlink_sandbox.kube.kinds import CONFIGMAPS
from reliability.harness import Harness
from reliability.link_kinds import EXAMPLE, LinkKind
from reliability.snapshot import Snapshots


@dataclass(frozen=True)
class Scenario:
    """after: what is run to see that nothing is left to do; it must not write."""

    name: str
    world: str
    command: tuple[str, ...]
    again: tuple[str, ...]
    after: tuple[str, ...]
    title: str


SCENARIOS = {
    s.name: s
    for s in (
        Scenario("fresh", "empty", ("up",), ("up", "--no-verify"), ("up", "--no-verify"), "up on nothing"),
        Scenario(
            "changed",
            "changed",
            ("up",),
            ("up", "--no-verify"),
            ("up", "--no-verify"),
            "up with a changed configuration",
        ),
        Scenario(
            "drifted", "drifted", ("up",), ("up", "--no-verify"), ("up", "--no-verify"), "up after changes by hand"
        ),
        Scenario("teardown", "built", ("teardown",), ("teardown",), ("teardown",), "teardown"),
        Scenario("pause", "built", ("pause", "--deep"), ("pause", "--deep"), ("pause", "--deep"), "pause --deep"),
        Scenario(
            "resume", "paused", ("resume", "--no-verify"), ("resume", "--no-verify"), ("up", "--no-verify"), "resume"
        ),
        Scenario("verify-dns", "built", ("verify-dns",), ("verify-dns",), ("up", "--no-verify"), "verify-dns"),
    )
}


OF_EACH_KIND = ("fresh", "changed", "teardown")
"""Those that every kind of link has."""


def prepare(harness: Harness, snapshots: Snapshots, kind: LinkKind = EXAMPLE) -> None:
    """Make and keep the worlds. kind: has begun in this harness."""
    harness.keep("empty")
    made = harness.run("up", "--no-verify")
    assert made.code == 0, str(made)
    harness.settle()
    harness.keep("built")
    if kind is not EXAMPLE:
        kind.edit(harness, kind.changed)
        harness.keep("changed")
        return
    paused = harness.run("pause", "--deep")
    assert paused.code == 0, str(paused)
    harness.keep("paused")
    harness.back_to("built")
    _change(harness)
    harness.keep("changed")
    harness.back_to("built")
    drift(harness, snapshots)
    harness.keep("drifted")


def _change(harness: Harness) -> None:
    text = harness.config.read_text()
    changes = (
        ("# ttl = 60", "ttl = 30"),
        ('addresses = ["10.10.8.15", "10.10.24.15"]', 'addresses = ["10.10.8.15", "10.10.24.16"]'),
        (
            '[[dns.hosts]]\nname = "sentry"\nload_balancer = "sentry-internal"   # an internal NLB or ALB, by name or ARN\n',
            "",
        ),
        (
            "ports = [8200]\ntls_ports = [8200]\n",
            'ports = [8200]\n\n[[dns.hosts]]\nname = "mysql"\naddresses = ["10.10.8.17"]\n',
        ),
    )
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    harness.config.write_text(text)


def drift(harness: Harness, snapshots: Snapshots) -> None:
    """What people do by hand: rules, records and objects deleted, options changed."""
    ec2, route53 = snapshots.client("ec2"), snapshots.client("route53")
    link = harness.link
    group = next(
        g
        for g in ec2.describe_security_groups()["SecurityGroups"]
        if g["GroupName"].startswith(f"cloudlink-{link.name}")
    )
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"][:1])
    zone = next(
        z["Id"]
        for z in route53.list_hosted_zones()["HostedZones"]
        if z["Name"] == f"{link.dns.zone}." and z["Id"].rpartition("/")[2] not in snapshots.known
    )
    record = next(
        r
        for r in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if r["Name"].startswith("postgres")
    )
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    )
    ec2.modify_vpc_attribute(VpcId=link.aws.vpc_id, EnableDnsHostnames={"Value": False})
    with harness.sandbox.context.lock:
        store = harness.sandbox.azure.store
        connection = next(k for k in store.resources if "/connections/" in k and f"cloudlink-{link.name}" in k)
        store.drop(connection)
        cluster = next(iter(harness.sandbox.aks.clusters.values()))
        custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
        custom["data"] = {k: v.replace("cache 30", "cache 300") for k, v in custom["data"].items()}
        cluster.store.replace(CONFIGMAPS, custom)
        harness.sandbox.context.touch()


Step = Callable[[], None]
