"""The worlds in which a command is run, killed or disturbed: name, the command, and how the world comes about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudlink_sandbox.kube.kinds import CONFIGMAPS
from prove.ground import Ground
from prove.picture import Pictures


@dataclass(frozen=True)
class Scene:
    """after: what is run to see that nothing is left to do; it must not write."""

    name: str
    world: str
    command: tuple[str, ...]
    again: tuple[str, ...]
    after: tuple[str, ...]
    title: str


SCENES = {
    s.name: s
    for s in (
        Scene("fresh", "empty", ("up",), ("up", "--no-verify"), ("up", "--no-verify"), "up on nothing"),
        Scene(
            "changed",
            "changed",
            ("up",),
            ("up", "--no-verify"),
            ("up", "--no-verify"),
            "up with a changed configuration",
        ),
        Scene("drifted", "drifted", ("up",), ("up", "--no-verify"), ("up", "--no-verify"), "up after changes by hand"),
        Scene("teardown", "built", ("teardown",), ("teardown",), ("teardown",), "teardown"),
        Scene("verify-dns", "built", ("verify-dns",), ("verify-dns",), ("up", "--no-verify"), "verify-dns"),
    )
}


def prepare(ground: Ground, pictures: Pictures) -> None:
    """Make and keep the worlds."""
    ground.keep("empty")
    made = ground.run("up", "--no-verify")
    assert made.code == 0, str(made)
    ground.settle()
    ground.keep("built")
    _change(ground)
    ground.keep("changed")
    ground.back_to("built")
    drift(ground, pictures)
    ground.keep("drifted")


def _change(ground: Ground) -> None:
    text = ground.config.read_text()
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
    ground.config.write_text(text)


def drift(ground: Ground, pictures: Pictures) -> None:
    """What people do by hand: rules, records and objects deleted, options changed."""
    ec2, route53 = pictures.client("ec2"), pictures.client("route53")
    link = ground.link
    group = next(
        g
        for g in ec2.describe_security_groups()["SecurityGroups"]
        if g["GroupName"].startswith(f"cloudlink-{link.name}")
    )
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"][:1])
    zone = next(
        z["Id"]
        for z in route53.list_hosted_zones()["HostedZones"]
        if z["Name"] == f"{link.dns.zone}." and z["Id"].rpartition("/")[2] not in pictures.known
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
    with ground.sandbox.context.lock:
        store = ground.sandbox.azure.store
        connection = next(k for k in store.resources if "/connections/" in k and f"cloudlink-{link.name}" in k)
        store.drop(connection)
        cluster = next(iter(ground.sandbox.aks.clusters.values()))
        custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
        custom["data"] = {k: v.replace("cache 30", "cache 300") for k, v in custom["data"].items()}
        cluster.store.replace(CONFIGMAPS, custom)
        ground.sandbox.context.touch()


Step = Callable[[], None]
