"""The probe's pod on the sandbox's AKS: the script runs there unchanged, its packets go where the sandbox's world lets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.names import verify
from cloudlink.checks.names.answers import Question, request
from cloudlink.checks.names.diagnose import works
from cloudlink.checks.names.pod import gone, manifest, not_placed, on_cluster, trouble
from cloudlink.checks.names.probe import Probe
from cloudlink.checks.report import DnsReport, Health, NameReport
from cloudlink.clouds.kube import parse_pods
from cloudlink.core.polling import Stopped
from cloudlink.errors import CloudError
from cloudlink.link import ProbeSettings
from cloudlink_sandbox.facts import Rule
from cloudlink_sandbox.faults import Fault
from tests.sandbox.kube.small_world import BALANCER, RESOLVERS, ZONE
from tests.support.kube_sandbox import HOSTS, KubeSandbox

EXPECTED = {f"app.{ZONE}": (BALANCER,), f"*.wild.{ZONE}": (BALANCER,)}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KubeSandbox]:
    made = KubeSandbox(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def probe(sandbox: KubeSandbox, **changed: Any) -> Probe:
    link = dataclasses.replace(sandbox.link, probe=dataclasses.replace(sandbox.link.probe, **changed))
    return Probe(link, sandbox.kube, sandbox.time)


def verified(
    sandbox: KubeSandbox, *asked: str, addresses: dict[str, tuple[IPv4Address, ...]] | None = None
) -> DnsReport:
    expected = EXPECTED if addresses is None else addresses
    view = sandbox.forward.status(RESOLVERS)
    return verify.dns(
        sandbox.link,
        probe(sandbox),
        endpoint=RESOLVERS,
        addresses=expected,
        asked=asked or (f"app.{ZONE}",),
        forward=view,
    )


def test_it_is_told_how_the_pod_stands(sandbox: KubeSandbox) -> None:
    told: list[str] = []
    asked = verify.questions(sandbox.link, EXPECTED)
    dataclasses.replace(probe(sandbox), tell=told.append).run([question for question, _ in asked], RESOLVERS)
    assert told[-1] == "pod Succeeded, Completed"
    assert any("Pending" in word or "Running" in word for word in told)


def test_its_first_state_is_the_creates_own_answer_and_it_is_not_asked_for_before_it_can_have_ended(
    sandbox: KubeSandbox,
) -> None:
    told: list[tuple[float, str]] = []
    dataclasses.replace(probe(sandbox), tell=lambda word: told.append((sandbox.time.now(), word))).run((), RESOLVERS)
    (begun, first), (looked, _) = told[:2]
    assert first.startswith("pod Pending")
    assert looked - begun >= 6


def the_name(report: DnsReport) -> NameReport:
    (name,) = report.names
    return name


def change(sandbox: KubeSandbox, **fields: Any) -> None:
    """Change all Resolver addresses' facts."""
    interfaces = tuple(
        dataclasses.replace(i, **fields) if i.kind == "resolver" else i for i in sandbox.world.aws.interfaces
    )
    sandbox.world.aws = dataclasses.replace(sandbox.world.aws, interfaces=interfaces)


def pods(sandbox: KubeSandbox) -> list[Any]:
    return sandbox.kube.pods("default", "app.kubernetes.io/managed-by=cloudlink")


# --- a link that works ------------------------------------------------------------------------------------


def test_all_hops_are_right(sandbox: KubeSandbox) -> None:
    sandbox.up()
    report = verified(sandbox, f"app.{ZONE}", f"x.wild.{ZONE}")
    assert report.health is Health.HEALTHY
    assert [n.verdict for n in report.names] == ["ok", "ok"]
    hops = [h.hop for h in report.names[0].hops]
    assert hops == [
        "cluster-dns",
        "endpoint 10.1.1.10 udp",
        "endpoint 10.1.1.10 tcp",
        "endpoint 10.1.2.10 udp",
        "endpoint 10.1.2.10 tcp",
        "connect 10.1.1.50:80",
        "connect 10.1.1.50:443",
        "tls 10.1.1.50:443",
    ]
    assert report.names[0].answers == ("10.1.1.50",)
    assert pods(sandbox) == []


def test_without_names_every_host_is_asked_for(sandbox: KubeSandbox) -> None:
    sandbox.up()
    report = verify.dns(sandbox.link, probe(sandbox), endpoint=RESOLVERS, addresses=EXPECTED)
    assert [n.name for n in report.names] == [f"app.{ZONE}", f"cloudlink-check.wild.{ZONE}"]
    assert report.health is Health.HEALTHY


# --- each fault turns its own verdict ---------------------------------------------------------------------


def test_coredns_does_not_know_the_zone(sandbox: KubeSandbox) -> None:
    name = the_name(verified(sandbox))
    assert name.verdict == "nxdomain"
    assert [h.result for h in name.hops[1:5]] == ["ok"] * 4
    assert "has no key cloudlink-demo.server" in name.cause
    assert "cloudlink up" in name.fix


def test_the_zone_is_shadowed_by_another_key(sandbox: KubeSandbox) -> None:
    sandbox.set_key("team.server", f"app.{ZONE}:53 {{\n template ANY ANY {{\n rcode NXDOMAIN\n }}\n}}\n")
    sandbox.up()
    name = the_name(verified(sandbox))
    assert name.verdict == "nxdomain"
    assert f"serves app.{ZONE}, which is more specific" in name.cause


def test_no_way_to_the_vpc(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.fault("tunnel-down", "52.0.0.1", None)
    sandbox.time.wait(60)
    report = verified(sandbox)
    name = the_name(report)
    assert report.health is Health.DOWN
    assert {h.result for h in name.hops[1:5]} == {"timeout"}
    assert "No endpoint address answers" in name.cause


@pytest.mark.parametrize(("kept", "lost"), [("udp", "tcp"), ("tcp", "udp")])
def test_one_transport_only(sandbox: KubeSandbox, kept: str, lost: str) -> None:
    sandbox.up()
    source = sandbox.world.aws.interfaces[0].rules[0].source  # type: ignore[index]
    change(sandbox, rules=(Rule(kept, 53, 53, source),))
    name = the_name(verified(sandbox))
    assert {h.hop.split()[-1] for h in name.hops[1:5] if h.result == "timeout"} == {lost}
    assert f"{kept.upper()} only" in name.cause


def test_one_endpoint_address_is_silent(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.fault("endpoint-ip-down", "10.1.2.10", None)
    report = verified(sandbox)
    name = the_name(report)
    assert report.health in (Health.DEGRADED, Health.DOWN)
    assert {h.hop.split()[1] for h in name.hops[1:5] if h.result == "timeout"} == {"10.1.2.10"}
    assert name.cause.startswith("10.1.2.10 does not answer")


def test_no_such_record(sandbox: KubeSandbox) -> None:
    sandbox.up()
    name = the_name(verified(sandbox, f"nobody.{ZONE}"))
    assert {h.result for h in name.hops[:5]} == {"nxdomain"}
    assert f"nobody.{ZONE} is not in the configuration" in name.cause


def test_a_name_without_address(sandbox: KubeSandbox) -> None:
    sandbox.up()
    name = the_name(verified(sandbox, f"big.{ZONE}"))
    assert name.verdict == "nodata"
    assert "no address" in name.cause


def test_a_stale_record(sandbox: KubeSandbox) -> None:
    sandbox.up()
    name = the_name(verified(sandbox, addresses={f"app.{ZONE}": (IPv4Address("10.1.2.50"),)}))
    assert name.verdict == "stale-address"
    assert "not the target's any more" in name.cause


def test_the_load_balancer_lets_nobody_in(sandbox: KubeSandbox) -> None:
    sandbox.up()
    interfaces = tuple(
        dataclasses.replace(i, rules=()) if i.kind == "load-balancer" else i for i in sandbox.world.aws.interfaces
    )
    sandbox.world.aws = dataclasses.replace(sandbox.world.aws, interfaces=interfaces)
    name = the_name(verified(sandbox))
    assert name.verdict == "timeout"
    assert "does not let the Azure ranges in" in name.cause


def test_nothing_listens(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.link = dataclasses.replace(
        sandbox.link,
        dns=dataclasses.replace(sandbox.link.dns, hosts=(dataclasses.replace(HOSTS[0], ports=(8443,), tls_ports=()),)),
    )
    name = the_name(verified(sandbox))
    assert name.verdict == "refused"
    assert "nothing listens at 10.1.1.50:8443" in name.cause


def test_a_port_without_tls(sandbox: KubeSandbox) -> None:
    sandbox.up()
    host = dataclasses.replace(HOSTS[0], ports=(80,), tls_ports=(80,))
    sandbox.link = dataclasses.replace(sandbox.link, dns=dataclasses.replace(sandbox.link.dns, hosts=(host,)))
    report = verified(sandbox)
    assert "does not speak TLS" in the_name(report).cause
    assert works(the_name(report))
    assert report.health is Health.DEGRADED


# --- the pod ----------------------------------------------------------------------------------------------


def test_the_pod_meets_the_restricted_standard(sandbox: KubeSandbox) -> None:
    pod = manifest(sandbox.link, "p", request([Question("a.b")], RESOLVERS))
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert (
        spec["securityContext"]["runAsNonRoot"]
        and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    )
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["activeDeadlineSeconds"] == 600 and spec["restartPolicy"] == "Never"
    # nothing that a cloud answered is part of a command
    assert container["command"][:2] == ["python3", "-c"] and "a.b" not in container["command"][2]


def test_leftovers_of_earlier_runs_are_swept(sandbox: KubeSandbox) -> None:
    asked = request([Question(f"app.{ZONE}")], RESOLVERS)
    sandbox.kube.create_pod("default", manifest(sandbox.link, "cloudlink-probe-demo-old", asked))
    assert probe(sandbox).sweep() == ()  # it may be another run's, at work
    sandbox.time.wait(700)
    assert probe(sandbox).sweep() == ("cloudlink-probe-demo-old",)
    assert pods(sandbox) == []


@pytest.mark.parametrize("place", ["kube.GET:pods", "kube.POST:pods/*", "kube.GET:pods/*", "kube.DELETE:pods/*"])
def test_a_cluster_that_is_called_too_often_is_asked_again(sandbox: KubeSandbox, place: str) -> None:
    sandbox.up()
    throttled = sandbox.world.context.faults.add(Fault("throttled", place, times=2))
    assert verified(sandbox).health is Health.HEALTHY
    assert throttled.hits == 2


def test_a_cluster_that_is_too_busy_for_minutes_is_waited_for_and_named(sandbox: KubeSandbox) -> None:
    sandbox.up()
    throttled = sandbox.world.context.faults.add(Fault("throttled", "kube.POST:pods/*", times=45))  # some three minutes
    told: list[str] = []
    facts = dataclasses.replace(probe(sandbox), tell=told.append).run([Question(f"app.{ZONE}")], RESOLVERS)
    assert facts is not None
    assert throttled.hits == 45
    assert told[0] == "waiting: the cluster is asked too often"


def test_the_pod_is_removed_when_the_user_stops(sandbox: KubeSandbox) -> None:
    sandbox.time.stopped = True
    with pytest.raises(Stopped):
        probe(sandbox).run([Question(f"app.{ZONE}")], RESOLVERS)
    assert pods(sandbox) == []


def test_a_pod_that_crashes(sandbox: KubeSandbox) -> None:
    sandbox.fault("pod-fails", "default/cloudlink-probe-*", None)
    with pytest.raises(CloudError, match="no result"):
        probe(sandbox).run([Question(f"app.{ZONE}")], RESOLVERS)
    assert pods(sandbox) == []


def test_a_namespace_that_is_not_there(sandbox: KubeSandbox) -> None:
    from cloudlink.clouds.kube.errors import KubeApiError

    with pytest.raises((CloudError, KubeApiError)):
        probe(sandbox, namespace="nowhere").run([Question(f"app.{ZONE}")], RESOLVERS)


def test_an_image_that_cannot_be_pulled_is_said_so() -> None:
    def waits(**container: Any) -> CloudError | None:
        return trouble(parse_pods.pod({"metadata": {"name": "p"}, "status": {"containerStatuses": [container]}}))

    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    found = waits(image="nowhere/nothing", state=waiting)
    assert found is not None and "nowhere/nothing" in found.detail and "[probe] image" in found.hint
    assert waits(state={"waiting": {"reason": "ErrImagePull"}}) is None


def test_the_configuration_names_image_and_namespace(sandbox: KubeSandbox) -> None:
    link = dataclasses.replace(sandbox.link, probe=ProbeSettings("registry.example/python:3", "checks"))
    pod = manifest(link, "p", {})
    assert pod["spec"]["containers"][0]["image"] == "registry.example/python:3"
    assert pod["metadata"]["namespace"] == "checks"


def test_of_a_pod_on_eks_the_words_name_that_cluster_and_awss_ways_out() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "failed to authorize: 401"}
    container = {"name": "probe", "image": "registry.example/python", "state": {"waiting": waiting}}
    stuck = parse_pods.pod({"metadata": {"name": "p"}, "status": {"containerStatuses": [container]}})
    found = trouble(stuck)
    assert found is not None and "the AKS cluster cannot pull" in found.detail
    assert on_cluster(found, "AKS cluster test") is found
    told = on_cluster(found, "EKS cluster production")
    assert "The nodes of the EKS cluster production cannot pull registry.example/python" in told.detail
    assert "AmazonEC2ContainerRegistryPullOnly" in told.hint and "az aks" not in told.hint
    assert (type(told), told.code) == (type(found), found.code)
    away = on_cluster(gone("p", "default"), "EKS cluster production")
    assert away.detail.startswith("On the EKS cluster production: Pod p in namespace default was deleted")
    full = parse_pods.pod({"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [UNPLACED]}})
    room = on_cluster(not_placed(full, "p", "default", 500.0), "EKS cluster production")
    assert "aws eks update-nodegroup-config" in room.hint and "az " not in room.hint


UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient cpu.",
}
