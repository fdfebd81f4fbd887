"""A fault that cannot hit anything says so when it is added."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cloudlink_sandbox.faults import FaultKind, Scope, _meet
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import parse


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("sandbox"))
    made.seed(parse({"aws": {"load_balancers": [{"name": "nlb", "type": "network"}]}}))
    made.start()
    yield made
    made.stop()


def add(sandbox: Sandbox, kind: str, target: str) -> dict[str, Any]:
    address = sandbox.address()
    request = urllib.request.Request(
        f"{address['control']}/faults",
        data=json.dumps({"kind": kind, "target": target}).encode(),
        headers={"Authorization": f"Bearer {address['token']}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        added: dict[str, Any] = json.load(answer)
    assert sandbox.context.faults.remove(added["id"]), "it is in force, warned of or not"
    return added


@pytest.mark.own("A fault whose target can be hit is added without a warning")
@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("slow", "*"),
        ("throttled", "aws.CreateVpn*"),
        ("throttled", "AWS.createvpngateway"),
        ("cut-before", "aws.eu-central-1.*"),
        ("error", "aws.eu-central-1.DescribeVpcs"),
        ("busy", "azure.PUT:connections/*"),
        ("error", "azure.GET:operations"),
        ("expired", "entra.POST:token"),
        ("denied", "kube.PATCH:configmaps/coredns-custom"),
        ("error", "kube.POST:pods/*/exec"),
        ("pod-fails", "kube-system/coredns-*"),
        ("endpoint-ip-down", "10.10.*"),
    ],
)
def test_no_warning(sandbox: Sandbox, kind: str, target: str) -> None:
    assert add(sandbox, kind, target)["warning"] == ""


@pytest.mark.own("A fault whose target matches no call, or nothing that exists, is added with a warning that says so")
@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        ("throttled", "aws.CreateVpm*", "no call"),
        ("throttled", "RunInstances", "aws.*"),
        ("error", "aws.RunInstances", "no call"),
        ("busy", "aws.*", "azure.*"),
        ("unseen", "azure.PUT:connections/*", "aws.*"),
        ("denied", "kube.PATCH:configmap/coredns-custom", "kube.*"),
        ("tunnel-down", "198.51.100.11", "there is none yet"),
        ("instance-down", "192.0.2.1", "there is 20."),
        ("pod-fails", "default/nobody", "kube-system/coredns-"),
    ],
)
def test_a_warning(sandbox: Sandbox, kind: str, target: str, said: str) -> None:
    warning = add(sandbox, kind, target)["warning"]
    assert warning.startswith(f"{target} matches no")
    assert said in warning


@pytest.mark.own("Every kind of fault has a scope and a meaning")
def test_every_kind_has_a_scope_and_a_meaning() -> None:
    assert all(kind.meaning and kind.scope in Scope for kind in FaultKind)
    assert {kind for kind in FaultKind if kind.lasting} < {kind for kind in FaultKind if not kind.of_calls}


@pytest.mark.own("Two shell patterns meet where one text matches both")
@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a*", "ab", True),
        ("*b", "a*", True),
        ("a?c", "abc", True),
        ("[ab]c", "ac", True),
        ("a", "a*", True),
        ("", "*", True),
        ("a*b*c", "ac", False),
        ("a*", "b*", False),
        ("abc", "ab", False),
        ("", "a", False),
    ],
)
def test_patterns_that_meet(one: str, other: str, meet: bool) -> None:
    assert _meet(one, other) is _meet(other, one) is meet
