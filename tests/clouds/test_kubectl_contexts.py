"""Commands of kubectl that are printed name the cluster that was asked, and how their context is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudlink.clouds.kube.contexts import in_context, made_together, of_link, only_context
from cloudlink.clouds.kube.errors import KubeApiError, translate
from cloudlink.config import load
from cloudlink.link import ClusterPlace, Link

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def link(*more: ClusterPlace, aks: str = "test", eks: str = "production") -> Link:
    found = load(EXAMPLE, sandbox=True)
    return replace(
        found,
        azure=replace(found.azure, aks_cluster=aks, more_clusters=more),
        aws=replace(found.aws, eks_cluster=eks),
    )


@pytest.mark.parametrize(
    ("text", "pasted"),
    [
        ("kubectl get pods -n x", "kubectl --context blue get pods -n x"),
        ("kubectl --namespace x edit y z", "kubectl --context blue --namespace x edit y z"),
        ("kubectl --context red get pods", "kubectl --context red get pods"),
        ("kubectl edit a; kubectl logs b", "kubectl --context blue edit a; kubectl --context blue logs b"),
        ("Check that kubectl reaches the cluster", "Check that kubectl reaches the cluster"),
    ],
)
def test_each_command_has_the_context_once(text: str, pasted: str) -> None:
    assert in_context(text, "blue") == pasted
    assert in_context(pasted, "blue") == pasted
    assert in_context(text, "") == text


def test_a_context_is_called_as_the_commands_that_make_it_call_it() -> None:
    aks, eks = of_link(link())
    assert (aks.name, eks.name) == ("test", "production")
    assert aks.made_by.startswith("az aks get-credentials --subscription ")
    assert aks.made_by.endswith("--name test")
    assert eks.made_by == "aws eks update-kubeconfig --region eu-central-1 --name production --alias production"


def test_two_clusters_of_one_name_have_two_contexts() -> None:
    other = ClusterPlace("prod", "elsewhere")
    contexts = of_link(link(other, aks="prod", eks="prod"))
    assert len({c.name for c in contexts}) == 3
    for context in contexts[:2]:
        assert context.made_by.endswith(f"--context {context.name}") or context.name == "prod"
    assert contexts[2].made_by.endswith(f"--alias {contexts[2].name}")


def test_where_there_are_several_none_of_them_is_meant_without_being_named() -> None:
    assert only_context(of_link(link())) == "test"
    assert only_context(of_link(link(ClusterPlace("green", "elsewhere")))) == ""


def test_in_the_sandbox_they_are_those_of_its_own_kubeconfig() -> None:
    contexts = of_link(link(ClusterPlace("green", "elsewhere")), sandbox=True)
    assert [c.name for c in contexts] == ["aks", "aks-green", "eks"]
    assert list(made_together(contexts)) == ['eval "$(cloudlink sandbox env)"']


# --- refusals name the cloud that the cluster is of -------------------------------------------------------

_DENIED = (
    'services "x" is forbidden: User "u" cannot {verb} resource "services" in API group "" in the namespace "shop"'
)


def said(status: int, message: str, kind: str) -> str:
    error = KubeApiError(status, "Forbidden" if status == 403 else "", message, "GET /x of cluster c")
    error.kind, error.context = kind, "ctx"
    found = translate(error)
    assert found is not None
    return f"{found.detail} {found.hint}"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Unauthorized"),
        (403, _DENIED.format(verb="get")),
        (403, _DENIED.format(verb="create")),
        (403, 'User "system:anonymous" cannot get path "/x"'),
        (500, "etcdserver: mvcc: database space exceeded"),
        (500, "error dialing backend: dial tcp 10.0.0.1:10250: i/o timeout"),
    ],
)
def test_a_refusal_of_one_clouds_cluster_names_nothing_of_the_other(status: int, message: str) -> None:
    of_eks, of_aks = said(status, message, "eks"), said(status, message, "aks")
    assert not any(word in of_eks for word in ("AKS", "az login", "Azure", "Entra", "konnectivity")), of_eks
    assert not any(word in of_aks for word in ("EKS", "aws ", "AWS", "access entry")), of_aks


@pytest.mark.parametrize(("verb", "policy"), [("get", "AmazonEKSViewPolicy"), ("create", "AmazonEKSEditPolicy")])
def test_what_eks_has_for_it_already_is_named(verb: str, policy: str) -> None:
    assert policy in said(403, _DENIED.format(verb=verb), "eks")


def test_a_refusal_tells_the_context() -> None:
    assert "kubectl --context ctx get namespaces" in said(404, 'namespaces "x" not found', "aks")
