"""What the configuration says exists and does not: told by name before anything is created, all of it at once.

The sandbox is furnished with whatever its configuration names, so the links here differ from that of the sandbox, and
the commands' inner half is driven with them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudlink import sandbox_client as client
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudlinkError
from cloudlink.link import Host, Link, LoadBalancerTarget
from cloudlink.secret import Secret
from cloudlink.session import Session
from cloudlink.state import StateFile
from cloudlink.view import open_view
from tests.support.cli import Cli, make_cli


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("missing"), speed=200) as made:
        assert made.sandbox("start").code == 0
        yield made


def refusal(place: Cli, link: Link, **endpoints: Any) -> CloudlinkError:
    """What showing the plan of this link ends with; nothing may have been written."""
    running = client.find(place.home)
    assert running is not None
    clock = WallClock(200)
    out = io.StringIO()
    view = open_view("json", out=out, err=out, color=None, clock=clock, command="up", link=link.name, sandbox_speed=200)
    state = StateFile(place.folder / "missing.state.json", link.name, command="test", readonly=True)
    before = place.writes()
    with state, pytest.raises(CloudlinkError) as caught:
        session = Session(link, clock, view, state, replace(running.endpoints(), **endpoints), "up")
        session.show_plan(session.make_plan())
    assert place.writes() == before
    return caught.value


def aws(**changes: Any) -> Callable[[Link], Link]:
    return lambda link: replace(link, aws=replace(link.aws, **changes))


def azure(**changes: Any) -> Callable[[Link], Link]:
    return lambda link: replace(link, azure=replace(link.azure, **changes))


def host(target: LoadBalancerTarget) -> Callable[[Link], Link]:
    return lambda link: replace(link, dns=replace(link.dns, hosts=(Host("app", target),)))


CASES: dict[str, tuple[Callable[[Link], Link], str]] = {
    "VPC": (aws(vpc_id="vpc-0000000000000dead"), "vpc-0000000000000dead"),
    "EKS cluster": (aws(eks_cluster="nowhere"), "nowhere"),
    "virtual private gateway": (aws(gateway="vgw-0000000000000dead"), "vgw-0000000000000dead"),
    "route table": (aws(route_tables=("rtb-0000000000000dead",)), "rtb-0000000000000dead"),
    "resource group": (azure(resource_group="nowhere"), "nowhere"),
    "VNet": (azure(vnet="nowhere"), "nowhere"),
    "VNet's resource group": (azure(vnet_resource_group="nowhere"), "nowhere"),
    "AKS cluster": (azure(aks_cluster="nowhere"), "nowhere"),
    "load balancer": (host(LoadBalancerTarget("nowhere")), "app.prod.corp.example points at nowhere"),
    "hosted zone": (lambda link: replace(link, dns=replace(link.dns, adopt_zone="Z0DEAD")), "Z0DEAD"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_named_and_nothing_is_written(place: Cli, case: str) -> None:
    change, name = CASES[case]
    error = refusal(place, change(place.link))
    assert error.exit_code == 3
    assert any(name in found.detail and found.hint for found in error.findings), error.findings


def test_all_that_is_missing_is_named_at_once(place: Cli) -> None:
    link = aws(route_tables=("rtb-0000000000000dead",))(azure(vnet="nowhere")(place.link))
    link = host(LoadBalancerTarget("gone"))(link)
    told = " ".join(found.detail for found in refusal(place, link).findings)
    assert all(name in told for name in ("rtb-0000000000000dead", "nowhere", "app.prod.corp.example points at gone"))


def test_a_load_balancer_that_faces_the_internet(place: Cli) -> None:
    clouds = place.clouds()
    subnets = [s["SubnetId"] for s in clouds.aws.subnets(place.link.aws.vpc_id)]
    clouds.aws.client("elbv2").create_load_balancer(
        Name="shop", Subnets=subnets, Scheme="internet-facing", Type="network"
    )
    error = refusal(place, host(LoadBalancerTarget("shop"))(place.link))
    assert (error.exit_code, [f.summary for f in error.findings]) == (3, ["The load balancer is not internal"])


def test_all_targets_that_cannot_be_reached_are_named_at_once(place: Cli) -> None:
    clouds = place.clouds()
    vpcs = [v["VpcId"] for v in clouds.aws.ec2.describe_vpcs()["Vpcs"]]
    elsewhere = next(v for v in vpcs if v != place.link.aws.vpc_id)
    subnets = {
        v: [
            s["SubnetId"]
            for s in clouds.aws.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [v]}])["Subnets"]
        ][:2]
        for v in (elsewhere, place.link.aws.vpc_id)
    }
    make = clouds.aws.client("elbv2").create_load_balancer
    make(Name="outside", Subnets=subnets[place.link.aws.vpc_id], Scheme="internet-facing", Type="network")
    make(Name="beyond", Subnets=subnets[elsewhere], Scheme="internal", Type="network")
    hosts = tuple(Host(n, LoadBalancerTarget(n)) for n in ("gone", "outside", "beyond"))
    error = refusal(place, replace(place.link, dns=replace(place.link.dns, hosts=hosts)))
    assert error.exit_code == 3
    assert [f.summary for f in error.findings] == [
        "The load balancer does not exist",
        "The load balancer is not internal",
        "The load balancer is in another VPC",
    ]
    assert elsewhere in error.findings[2].detail


@pytest.mark.parametrize(
    "endpoints",
    [
        {"aws_secret_key": Secret("wrong")},
        {"aws_access_key": "SOMEBODYELSE00000000"},
        {"azure_client_secret": Secret("wrong")},
    ],
    ids=["AWS secret", "AWS key", "Azure secret"],
)
def test_wrong_credentials(place: Cli, endpoints: dict[str, Any]) -> None:
    error = refusal(place, place.link, **endpoints)
    assert error.exit_code == 4
    assert error.hint
    assert "wrong" not in str(error)
