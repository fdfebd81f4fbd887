"""The first screen of ``status`` on a terminal of 80x24, with each of these in force: it names the cause, and fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.kube.kinds import PODS
from tests.cli import test_advice_followed as followed
from tests.support.kept_link import KeptLink, kept_link
from tests.support.manual_edits import ManualEdits

COLUMNS, ROWS = 80, 24
Change = Callable[[KeptLink], object]


@dataclass(frozen=True)
class Situation:
    """words: what the screen says of the cause. next: the command that it gives, or what a person does."""

    change: Change
    words: tuple[str, ...]
    next: str = "cloudlink up"
    code: int = 8
    health: str = "DEGRADED"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptLink]:
    with kept_link(tmp_path_factory.mktemp("kept")) as link:
        yield link


@pytest.fixture
def link(built: KeptLink) -> KeptLink:
    built.back()
    return built


def edit(change: Callable[[ManualEdits], object]) -> Change:
    def changed(link: KeptLink) -> None:
        hand = ManualEdits(link)
        change(hand)
        hand.later()

    return changed


def fault(kind: str, target: str, after: float = 120.0) -> Change:
    def added(link: KeptLink) -> None:
        link.running.context.faults.add(Fault(kind, target, times=None))
        link.later(after)

    return added


def both(*changes: Change) -> Change:
    def changed(link: KeptLink) -> None:
        for change in changes:
            change(link)

    return changed


def instance_down(link: KeptLink) -> None:
    fault("instance-down", followed.public(link))(link)


def tunnel_down(link: KeptLink) -> None:
    fault("tunnel-down", followed.outside(link), 7200)(link)


def coredns_to_no_pods(link: KeptLink) -> None:
    hand = ManualEdits(link)
    hand.clouds.aks.patch_deployment("kube-system", "coredns", {"spec": {"replicas": 0}})
    hand.later()


def nodes_are_lost(link: KeptLink) -> None:
    """As the node controller leaves the pods of nodes that are silent: not ready, their containers as they were last seen."""
    for cluster in link.running.aks.clusters.values():
        for pod in cluster.store.all(PODS):
            if pod["metadata"]["namespace"] == "kube-system":
                for condition in pod["status"]["conditions"]:
                    if condition["type"] == "Ready":
                        condition["status"] = "False"
                cluster.store.replace(PODS, pod, bump=False)
        cluster.deployments.sync("kube-system", "coredns")
    link.later(120)


def broken_key_of_others(link: KeptLink) -> None:
    ManualEdits(link).coredns_key("other.server", "foo.example:53 {\n  frobnicate\n}\n")
    link.later(300)


def acl_shuts_azure_out(link: KeptLink) -> None:
    hand = ManualEdits(link)
    for acl in hand.ec2.describe_network_acls()["NetworkAcls"]:
        if acl["VpcId"] == link.link.aws.vpc_id:
            hand.ec2.create_network_acl_entry(
                NetworkAclId=acl["NetworkAclId"],
                RuleNumber=1,
                Protocol="-1",
                RuleAction="deny",
                Egress=False,
                CidrBlock="10.20.0.0/16",
            )


def no_dns_at_all(hand: ManualEdits) -> None:
    group = hand.security_group()
    hand.ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])


def foreign_cname(hand: ManualEdits) -> None:
    record = next(r for r in hand.records() if r["Name"].startswith("postgres") and r["Type"] == "A")
    hand.change_record("DELETE", record)
    values = [{"Value": "db.other.example"}]
    hand.change_record("UPSERT", {"Name": record["Name"], "Type": "CNAME", "TTL": 60, "ResourceRecords": values})


def cluster_stops(link: KeptLink) -> None:
    hand = ManualEdits(link)
    hand.clouds.azure.containers.managed_clusters.begin_stop("test", "test", polling=False)
    hand.later(600)


def all_connections_go(link: KeptLink) -> None:
    hand = ManualEdits(link)
    for number in range(1, 5):
        name = f"cloudlink-demo-connection-{number}"
        hand.network.virtual_network_gateway_connections.begin_delete("cloudlink-demo", name, polling=False)
        hand.later()


def group_goes(link: KeptLink) -> None:
    hand = ManualEdits(link)
    hand.clouds.azure.resources.resource_groups.begin_delete("cloudlink-demo", polling=False)
    for _ in range(2):
        hand.later(3600)


def aks_goes(link: KeptLink) -> None:
    hand = ManualEdits(link)
    hand.clouds.azure.containers.managed_clusters.begin_delete("test", "test", polling=False)
    hand.later(3600)


def network_goes(link: KeptLink) -> None:
    """It cannot go before the gateway and the cluster in it."""
    hand = ManualEdits(link)
    all_connections_go(link)
    hand.network.virtual_network_gateways.begin_delete("cloudlink-demo", "cloudlink-demo-gateway", polling=False)
    aks_goes(link)
    hand.network.virtual_networks.begin_delete("test", "test-vnet", polling=False)
    hand.later(300)


def eks_goes(link: KeptLink) -> None:
    link.running.aws.clusters.clear()


def balancer_goes(link: KeptLink) -> None:
    balancers = ManualEdits(link).clouds.aws.client("elbv2")
    found = balancers.describe_load_balancers(Names=["sentry-internal"])["LoadBalancers"][0]
    balancers.delete_load_balancer(LoadBalancerArn=found["LoadBalancerArn"])


RECORD_GOES = edit(lambda h: h.remove_records("sentry.prod.corp.example."))
NO_RECORD = "No record for sentry.prod.corp.example"
EXPIRED = fault("expired", "aws.*")
SITUATIONS: dict[str, Situation] = {
    "DNS over UDP is shut out": Situation(edit(lambda h: h.shut_out("udp")), ("lets no udp/53 in", "in front of the Resolver endpoint")),
    "all of DNS is shut out": Situation(edit(no_dns_at_all), ("lets no tcp/53, udp/53 in",)),
    "a record leads elsewhere": Situation(edit(followed.wrong_record), ("leads to 10.10.8.99 instead of 10.10.8.15",)),
    "somebody's CNAME": Situation(edit(foreign_cname), ("somebody else's to db.other.example",), "Delete that record"),
    "the VPC forgets names": Situation(edit(followed.vpc_forgets_names), ("DNS hostnames are off in vpc-",)),
    "CoreDNS has no pods": Situation(coredns_to_no_pods, ("scaled to 0 pods",), "kubectl --context aks scale deployment coredns"),
    "the AKS nodes are lost": Situation(
        nodes_are_lost, ("0 of 2 CoreDNS pods are ready", "the node aks-nodepool1-", "is not ready"), "kubectl --context aks describe node aks-nodepool1"
    ),
    "another key is broken": Situation(
        broken_key_of_others, ("The key other.server cannot be read", "no plugin frobnicate"), "kubectl --context aks edit configmap"
    ),
    "an address of the endpoint goes": Situation(
        edit(followed.endpoint_address_goes), ("which the inbound endpoint has no more",)
    ),
    "a network ACL": Situation(
        acl_shuts_azure_out, ("the network ACL of the subnets of the Resolver endpoint", "the load balancer of sentry"), "aws ec2"
    ),
    "a VPN connection goes": Situation(
        edit(followed.vpn_connection_goes), ("Tunnels 3 and 4: AWS has no VPN connection for them",), health="NO REDUNDANCY"
    ),
    "all of Azure's connections go": Situation(
        all_connections_go, ("Azure has no connection for them", "4 times, last"), health="DOWN"
    ),
    "an option of one tunnel": Situation(
        edit(lambda h: h.tunnel_options(2, DPDTimeoutSeconds=60)), ("tunnel 3: dpd timeout 60", "touches tunnel 3 only"), code=0,
        health="HEALTHY",
    ),
    "the AKS cluster is stopped": Situation(
        cluster_stops, ("The AKS cluster test is stopped",), "az aks start", health="UNKNOWN"
    ),
    "a permission is missing": Situation(
        fault("denied", "aws.DescribeVpnConnections"), ("ec2:DescribeVpnConnections is not allowed", "see above"),
        "Ask the account's administrator", 4, "UNKNOWN",
    ),
    "the sign-in to AWS expired": Situation(EXPIRED, ("The sign-in to AWS has expired",), "aws sso login", 4, "UNKNOWN"),
    "AWS asks to slow down": Situation(
        fault("throttled", "aws.DescribeLoadBalancers"), ("Not seen: packet filters, what names point at", "AWS is called too often"),
        "Wait a minute", health="UNKNOWN",
    ),
    # --- what the configuration names and cloudlink does not make is gone: an up would end with that
    "the resource group goes": Situation(
        group_goes, ("The resource group was not found", "so also tunnels", "then cloudlink up", "cloudlink teardown"),
        "az group create --name cloudlink-demo --location westeurope", health="DOWN",
    ),
    "the AKS cluster goes": Situation(
        aks_goes, ("The AKS cluster was not found", "have it made again; then cloudlink up"), "az aks list", health="UNKNOWN"
    ),
    "the VNet goes": Situation(
        network_goes, ("The VNet was not found", "besides The AKS cluster was not found"), "az network vnet list", health="DOWN"
    ),
    "the EKS cluster goes": Situation(eks_goes, ("The EKS cluster does not exist",), "aws eks list-clusters", health="UNKNOWN"),
    "a load balancer goes": Situation(balancer_goes, ("points at sentry-internal",), "Have it made again, or name another one"),
    "a load balancer and all tunnels": Situation(
        both(balancer_goes, all_connections_go),
        ("All 4 tunnels: Azure has no connection", "cloudlink up --sandbox is refused until this is put right"),
        "Have it made again, or name another one", health="DOWN",
    ),
    # --- two at once: the more severe first, none hidden
    "a tunnel and a record": Situation(both(tunnel_down, RECORD_GOES), (NO_RECORD, "besides Tunnel 2 is without IPsec")),
    "an instance and the sign-in": Situation(
        both(instance_down, EXPIRED), ("The sign-in to AWS has expired", "Azure reports tunnels 1 and 2 NotConnected"),
        "aws sso login", 4, "UNKNOWN",
    ),
    "both sign-ins": Situation(
        both(EXPIRED, fault("expired", "azure.*")), ("The sign-in to AWS has expired", "The Azure token has expired"),
        "aws sso login", 4, "Access to the accounts is missing",
    ),
    "a key and a cluster that is closed": Situation(
        both(fault("denied", "kube.*"), edit(followed.wrong_key)), ("the pre-shared keys differ", "not seen: CoreDNS")
    ),
    "an ACL and a tunnel": Situation(both(acl_shuts_azure_out, tunnel_down), ("the network ACL", "Tunnel 2 is without IPsec"), "aws ec2"),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_screen_names_the_cause(link: KeptLink, name: str) -> None:
    situation = SITUATIONS[name]
    situation.change(link)
    done = link.screen("status", columns=COLUMNS)
    written = done.out + done.err
    said = " ".join(written.split())
    assert done.code == situation.code, written
    assert situation.health in said.partition(" cause ")[0], written
    assert not [words for words in (*situation.words, situation.next) if words not in said], written
    assert sum(max(1, -(-len(row) // COLUMNS)) for row in written.splitlines()) < ROWS, f"it scrolls away:\n{written}"


@pytest.mark.long
def test_what_up_can_repair_ends_in_health(link: KeptLink) -> None:
    """Several edits at once, and one up."""
    for change in (
        edit(lambda h: h.shut_out("udp")),
        edit(followed.wrong_record),
        edit(followed.wrong_key),
        RECORD_GOES,
    ):
        change(link)
    edit(followed.vpc_forgets_names)(link)
    assert "cloudlink up" in link.screen("status").out
    assert link.cloudlink("up", "--yes", "--no-verify").code == 0
    link.later(900)
    assert json.loads(link.cloudlink("status", "--json").out)["health"] == "healthy"


GONE = ("the resource group", "the AKS cluster", "the VNet", "the EKS cluster", "a load balancer")


@pytest.mark.long
@pytest.mark.parametrize("name", [f"{what} goes" for what in GONE])
def test_what_up_ends_with_is_what_status_says_to_do_first(link: KeptLink, name: str) -> None:
    """Else the two send people to each other."""
    SITUATIONS[name].change(link)
    told = json.loads(link.cloudlink("status", "--json").out)["advice"]
    up = link.cloudlink("up", "--yes", "--no-verify")
    said = " ".join((up.out + up.err).split())
    assert up.code == 3, said
    assert (told["command"] or told["task"].removesuffix(".")) in said, told


@pytest.mark.long
def test_a_paused_link_whose_resource_group_is_gone_is_not_sent_to_resume(link: KeptLink) -> None:
    assert link.cloudlink("pause", "--yes").code == 0
    group_goes(link)
    told = json.loads(link.cloudlink("status", "--json").out)["advice"]
    assert told["command"].startswith("az group create")
    assert told["task"].startswith("cloudlink resume --sandbox. ")


@pytest.mark.long
def test_a_pause_of_a_link_whose_cluster_is_gone_does_not_begin(link: KeptLink) -> None:
    """It would write its note, change nothing, and leave a link that is told to be paused."""
    aks_goes(link)
    paused = link.cloudlink("pause", "--yes")
    said = " ".join((paused.out + paused.err).split())
    assert paused.code == 5 and "has no AKS cluster test" in said and "az aks list" in said, said
    assert json.loads(link.cloudlink("status", "--json").out)["health"] != "paused"
    checked = {c["name"]: c["outcome"] for c in json.loads(link.cloudlink("doctor", "--json").out)["checks"]}
    assert checked["coredns"] == "not seen"
