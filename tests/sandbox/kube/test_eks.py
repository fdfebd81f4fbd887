"""The EKS cluster: the load balancers of the Services and Ingresses of the world file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from cloudlink_sandbox.kube.server import KubeCloud
from cloudlink_sandbox.world_file import Aws, KubernetesService
from tests.sandbox.kube.conftest import api_client


def with_services(*services: KubernetesService) -> Aws:
    return Aws(eks_cluster="eks-one", services=services)


SERVICE = KubernetesService("web", "apps", ports=(443, 8443))
INGRESS = KubernetesService("shop", "edge", "ingress")


@pytest.mark.documentation("A Service and an Ingress show their load balancer's name in their status")
def test_targets_have_their_load_balancers(eks: KubeCloud, certificate: Path) -> None:
    services = with_services(SERVICE, INGRESS)
    eks.seed(services, lambda kind, namespace, name: f"{kind}-{namespace}-{name}.elb.amazonaws.com")
    api = api_client(eks.url_of("eu-central-1/eks-one"), certificate)
    service = client.CoreV1Api(api).read_namespaced_service("web", "apps")
    assert service.status.load_balancer.ingress[0].hostname == "service-apps-web.elb.amazonaws.com"
    assert [p.port for p in service.spec.ports] == [443, 8443]
    ingress = client.NetworkingV1Api(api).read_namespaced_ingress("shop", "edge")
    assert ingress.status.load_balancer.ingress[0].hostname == "ingress-edge-shop.elb.amazonaws.com"


@pytest.mark.own("Seeding again adds and keeps")
def test_seeding_again_adds_and_keeps(eks: KubeCloud, certificate: Path) -> None:
    eks.seed(with_services(SERVICE), lambda *_: "first")
    eks.seed(with_services(SERVICE, INGRESS), lambda *_: "second")
    api = api_client(eks.url_of("eu-central-1/eks-one"), certificate)
    assert (
        client.CoreV1Api(api).read_namespaced_service("web", "apps").status.load_balancer.ingress[0].hostname == "first"
    )
    assert len(client.NetworkingV1Api(api).list_ingress_for_all_namespaces().items) == 1


@pytest.mark.documentation("A bad token is 401 and an unknown cluster 404, as Status objects")
def test_a_bad_token_and_an_unknown_cluster(eks: KubeCloud, certificate: Path) -> None:
    eks.seed(with_services(), lambda *_: "")
    for url, token, code in (
        (eks.url_of("eu-central-1/eks-one"), "k8s-aws-v1.bad", 401),
        (eks.url_of("eu-west-1/eks-one"), "a-good-token", 404),
    ):
        with pytest.raises(ApiException) as e:
            client.CoreV1Api(api_client(url, certificate, token)).list_namespace()
        assert e.value.status == code
        assert json.loads(e.value.body)["kind"] == "Status"


@pytest.mark.own("Only EKS is seeded with Services and Ingresses")
def test_an_aks_cloud_is_not_seeded(eks: KubeCloud) -> None:
    other = KubeCloud(eks.context, name="aks", authenticate=lambda _: None)
    with pytest.raises(ValueError, match="only EKS"):
        other.seed(with_services(), lambda *_: "")
