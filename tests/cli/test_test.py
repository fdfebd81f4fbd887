"""``cloudlink test`` as a user runs it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from ipaddress import IPv4Address

from cloudlink.checks.names.gap import GapMeter
from cloudlink.core.polling import WallClock
from tests.support.cli import Cli


def test_names_and_path_and_a_failover(linked: Cli) -> None:
    done = linked.cloudlink("test", "--failover", "--junit", "t.xml", "--report", "t.md", "--json")
    assert done.code == 0, done.out + done.err
    groups = {t["group"] for t in done.json["trials"]}
    assert groups == {"names", "path", "failover"}
    (failed_over,) = [t for t in done.json["trials"] if t["group"] == "failover"]
    assert "flows" in failed_over["detail"], "for how long nothing passed was measured from a pod"
    assert not linked.clouds().aks.pods("default", ""), "its pod is gone"
    suites = ET.fromstring((linked.folder / "t.xml").read_text())
    assert sum(int(s.get("tests", 0)) for s in suites) == len(done.json["trials"])
    assert sum(int(s.get("failures", 0)) for s in suites) == 0
    assert "cloudlink test" in (linked.folder / "t.md").read_text()


def test_a_name_that_does_not_answer_fails(linked: Cli) -> None:
    for address in linked.clouds().aws.ec2.describe_network_interfaces()["NetworkInterfaces"]:
        linked.control(
            "POST", "faults", {"kind": "endpoint-ip-down", "target": address["PrivateIpAddress"], "times": None}
        )
    done = linked.cloudlink("test", "--junit", "t.xml")
    assert done.code == 8, done.out + done.err
    assert "<failure " in (linked.folder / "t.xml").read_text()
    assert "failed." in done.out


def test_what_it_does_not_take(linked: Cli) -> None:
    assert linked.cloudlink("test", "--aws-end").code == 2
    assert linked.cloudlink("test", "--junit", "no/such/folder/t.xml").code == 2


def test_a_silence_is_measured_by_the_pod_that_watches(linked: Cli) -> None:
    clouds = linked.clouds()
    resolver = clouds.aws.route53resolver
    endpoint = resolver.list_resolver_endpoints()["ResolverEndpoints"][0]["Id"]
    found = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"]
    addresses = tuple(IPv4Address(a["Ip"]) for a in found)
    speed = float(linked.control("GET", "status")["speed"])
    clock = WallClock(speed, float(linked.control("GET", "status")["now"]))
    meter = GapMeter(linked.link, clouds.aks, clock, addresses, "postgres.prod.corp.example", speed)
    with meter.watching() as gap:
        clock.wait(0.5 * speed)
        linked.control("POST", "faults", {"kind": "endpoint-ip-down", "target": str(addresses[0]), "times": None})
        clock.wait(1.5 * speed)
        linked.control("DELETE", "faults")
        clock.wait(0.5 * speed)
    assert gap.facts is not None, gap.why
    assert gap.facts.flows == 8 and 0 < gap.facts.felt < 8, "the flows to one address of the endpoint"
    assert 0.4 * speed < gap.facts.longest < 6 * speed
    assert not clouds.aks.pods("default", "")


def test_a_pod_that_may_not_run_leaves_the_failover_unmeasured_and_says_why(linked: Cli) -> None:
    clouds = linked.clouds()
    linked.control("POST", "faults", {"kind": "denied", "target": "kube.POST:pods/*", "times": None})
    with GapMeter(linked.link, clouds.aks, WallClock(200.0), (), "app.prod.corp.example", 200.0).watching() as gap:
        pass
    assert gap.facts is None and "did not run" in gap.why
