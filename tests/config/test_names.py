"""Names that the clouds, Kubernetes and DNS accept: the shortest and longest of each, and what was meant by others."""

from __future__ import annotations

from typing import Any

import pytest

from cloudlink.config import names, pods
from cloudlink.config.value_types import ValidationError, ValueType
from cloudlink.link import KubernetesTarget, StateLocation, Toleration

KINDS: dict[str, ValueType[Any]] = {
    "link": names.LINK_NAME,
    "region": names.AWS_REGION,
    "profile": names.AWS_PROFILE,
    "vpc": names.VPC_ID,
    "gateway": names.GATEWAY_OF_AWS,
    "subnet": names.SUBNET_ID,
    "table": names.ROUTE_TABLE_ID,
    "eks": names.EKS_CLUSTER,
    "hosted zone": names.HOSTED_ZONE_ID,
    "balancer": names.LOAD_BALANCER,
    "guid": names.GUID,
    "location": names.AZURE_LOCATION,
    "group": names.RESOURCE_GROUP,
    "vnet": names.VNET_NAME,
    "azure subnet": names.SUBNET_NAME,
    "aks": names.AKS_CLUSTER,
    "size": names.NODE_SIZE,
    "version": names.KUBERNETES_VERSION,
    "namespace": names.NAMESPACE,
    "kubernetes": names.KUBERNETES_NAME,
    "image": names.IMAGE,
    "host": names.HOST_LABEL,
    "zone": names.ZONE,
}
GUID = "00000000-1111-2222-3333-44444444444a"
ARN = "arn:aws:elasticloadbalancing:eu-central-1:111111111111:loadbalancer/{}/x/aaaaaaaaaaaaaaaa"

ACCEPTED: dict[str, tuple[str, ...]] = {
    "link": ("a", "a1", "a-b", "a" * 30),
    "region": ("eu-central-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "ap-southeast-12"),
    "profile": ("x", "any text", "x" * 128),
    "vpc": ("vpc-0123abcd", "vpc-0123456789abcdef0"),
    "gateway": ("vgw-0123abcd", "vgw-0123456789abcdef0", "tgw-0123abcd", "tgw-0123456789abcdef0", "create-transit"),
    "subnet": ("subnet-0123abcd", "subnet-0123456789abcdef0"),
    "table": ("rtb-0123abcd", "rtb-0123456789abcdef0"),
    "eks": ("a", "9_-A", "a" * 100),
    "hosted zone": ("Z0AB", "Z" + "A" * 31),
    "balancer": (
        "a",
        "a-B-9",
        "a" * 32,
        ARN.format("app"),
        ARN.format("net"),
        ARN.format("net").replace("aws:", "aws-cn:"),
    ),
    "guid": (GUID,),
    "location": ("asia", "westeurope", "eastus2", "a" * 30 + "1"),
    "group": ("a", "_", "a.b(c)-d", "ü" * 90),
    "vnet": ("ab", "a.b-c_", "a" * 64),
    "azure subnet": ("a", "a_", "a.b-c_d", "a" * 80, "gatewaysubnet2"),
    "aks": ("a", "a_b-c", "a" * 63),
    "size": ("Standard_D2s_v5", "Standard_B2s", "Standard_E4-2s_v5", "Standard_" + "a" * 55),
    "version": ("1.33", "1.33.2", "1.33.123"),
    "namespace": ("a", "a-1", "a" * 63),
    "kubernetes": ("a", "a-1", "a" * 63),
    "image": ("python", "python:3.12", "r.example:5000/a/b-c_d.e:T_1", f"r/a@sha256:{'a' * 64}", f"r/a:{'t' * 128}"),
    "host": ("app", "a.b", "*", "*.a", "@", "a" * 63),
    "zone": ("a.b", "corp.example", "a." + "b" * 63, "1.a"),
}

# what is refused, and what it was probably meant to be
REFUSED: dict[str, dict[str, str]] = {
    "link": {"": "", "A": "a", "1a": "", "a-": "a", "My  Link!": "my-link", "a" * 31: ""},
    "region": {
        "eu-central-1a": "eu-central-1",
        "EU_Central_1": "eu-central-1",
        "eu-centrl-1": "eu-central-1",
        "us-goov-west-1": "us-gov-west-1",
        "eu-central": "",
        "eu-central-123": "",
        "nowhere": "",
    },
    "profile": {"": "", "x" * 129: "", "a\tb": ""},
    "vpc": {"vpc-0123abc": "", "vpc-0123abcde": "", "VPC-0123ABCD": "vpc-0123abcd", " vpc-0123abcd": "vpc-0123abcd"},
    "gateway": {"vpc-0123abcd": "", "vgw-0123abcg": ""},
    "subnet": {"subnet0123abcd": "", "subnet-0123456789abcdef01": ""},
    "table": {"rtb-": "", "rtb-0123abcd.": "rtb-0123abcd"},
    "eks": {"": "", "-a": "", "a" * 101: "", "a b": ""},
    "hosted zone": {"/hostedzone/Z0ABC": "Z0ABC", "z0abc": "Z0ABC", "Z0A": "", "A0BC": "", "Z" + "A" * 32: ""},
    "balancer": {
        "internal-a": "",
        "a-": "",
        "a" * 33: "",
        ARN.format("gwy"): "",
        ARN.format("net")[:-1]: "",
        "internal-web-app-123.eu-central-1.elb.amazonaws.com": "web-app",
        "web-0123.elb.cn-north-1.amazonaws.com.cn": "web",
        "web.amazonaws.com": "",
        "web.amazonaws.example": "",
    },
    "guid": {
        f"/subscriptions/{GUID}/resourceGroups/x": GUID,
        f" {{{GUID}}} ": GUID,
        GUID[:-1]: "",
        GUID.replace("-", ""): "",
    },
    "location": {"West Europe": "westeurope", "East US 2": "eastus2", "abc": "", "a" * 31: "", "eastus22": ""},
    "group": {"": "", "a.": "a", "a/b": "", "a" * 91: "", "a b": ""},
    "vnet": {"a": "", "a-": "", "-a": "", "a" * 65: "", "a.": ""},
    "azure subnet": {"GatewaySubnet": "", "gatewaysubnet": "", "_a": "", "a-": "", "a" * 81: ""},
    "aks": {"a_": "", "_a": "", "a" * 64: ""},
    "size": {
        "D2s_v5": "Standard_D2s_v5",
        "standard D2s_v5": "Standard_D2s_v5",
        "STANDARD-D2s_v5": "Standard_D2s_v5",
        "standardD2s": "Standard_D2s",
        "D 2": "",
        "Standard_" + "a" * 56: "",
    },
    "version": {"1": "", "1.3": "", "2.33": "", "1.33.": "1.33", "1.33.1234": ""},
    "namespace": {"A": "a", "a_b": "", "-a": "", "a" * 64: ""},
    "kubernetes": {"A": "a", "a.b": "", "a" * 64: ""},
    "image": {"A/b": "a/b", "a b": "", f"a:{'t' * 129}": "", "a@sha256:abc": ""},
    "host": {"App": "app", "a.": "a", "a*": "", "*.": "*", "": "", "a" * 64: ""},
    "zone": {"example": "", "a.b.": "a.b", "A.b": "a.b", "a..b": "", "10.0.0.1": "", "a.b.local.": "a.b.local"},
}


def test_the_tables_have_every_kind() -> None:
    assert KINDS.keys() == ACCEPTED.keys() == REFUSED.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_accepted(kind: str) -> None:
    for name in ACCEPTED[kind]:
        assert KINDS[kind].read(name) == name


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_refused(kind: str) -> None:
    for name, meant in REFUSED[kind].items():
        with pytest.raises(ValidationError) as caught:
            KINDS[kind].read(name)
        assert [m.near_miss for m in caught.value.mistakes] == [meant], name


def test_the_case_of_a_guid_is_dropped() -> None:
    assert names.GUID.read(GUID.upper()) == GUID


def why(kind: ValueType[Any], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        kind.read(value)
    return caught.value.mistakes[0].allowed


def test_zones_that_a_cluster_or_a_cloud_resolves_itself() -> None:
    for taken in (
        *("cluster.local", "in-addr.arpa", "ip6.arpa", "internal.cloudapp.net", "reddog.microsoft.com", "azmk8s.io"),
    ):
        assert why(names.ZONE, taken) == f"another zone: AKS or Azure resolves {taken} itself"
        assert why(names.ZONE, f"a.{taken}") == f"another zone: AKS or Azure resolves {taken} itself"
        assert names.ZONE.read(f"my{taken}") == f"my{taken}"
    assert why(names.ZONE, "cloudapp.net") == "another zone: AKS or Azure resolves internal.cloudapp.net itself"
    assert why(names.ZONE, "a.1") == "another zone: an address is not a zone"


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("s3://abc/k", StateLocation("s3", "", "abc", "k")),
        (f"s3://a.b-{'c' * 59}/a/b.json", StateLocation("s3", "", f"a.b-{'c' * 59}", "a/b.json")),
        ("s3://abc/a@b=c+d_e", StateLocation("s3", "", "abc", "a@b=c+d_e")),
        ("azblob://abc/def/k", StateLocation("azblob", "abc", "def", "k")),
        (f"azblob://{'a' * 24}/a-{'b' * 61}/k/l", StateLocation("azblob", "a" * 24, f"a-{'b' * 61}", "k/l")),
    ],
)
def test_places_of_the_state(text: str, is_: StateLocation) -> None:
    assert names.STATE_LOCATION.read(text) == is_
    assert str(is_) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(("s3://abc", ""), ("s3://abc/", ""), ("s3://ab/k", ""), ("s3://a..b/k", ""), (f"s3://{'a' * 64}/k", "")),
        *(("s3://abc/a//b", ""), ("s3://abc/./a", ""), ("s3://abc/..", ""), ("S3://abc/k", ""), ("s3://abc/a b", "")),
        *(
            ("azblob://ab/def/k", ""),
            ("azblob://abc/d--f/k", ""),
            ("azblob://abc/def", ""),
            (f"azblob://{'a' * 25}/d/k", ""),
        ),
        *(("azblob://abc/def/../k", ""), ("https://abc.blob.core.windows.net/def/k", "azblob://abc/def/k")),
        *(("https://abc.blob.core.chinacloudapi.cn/def/k", "azblob://abc/def/k"), ("https://abc.example/def/k", "")),
        ("https://abc.blob.core.windows.net/def", ""),
    ],
)
def test_places_that_are_refused(text: str, meant: str) -> None:
    with pytest.raises(ValidationError) as caught:
        names.STATE_LOCATION.read(text)
    (mistake,) = caught.value.mistakes
    assert (mistake.allowed, mistake.near_miss) == ("s3://BUCKET/KEY or azblob://ACCOUNT/CONTAINER/KEY", meant)


def test_targets_on_kubernetes() -> None:
    service, ingress = names.KUBERNETES_SERVICE, names.KUBERNETES_INGRESS
    assert service.read("a/b") == KubernetesTarget("service", "a", "b")
    assert ingress.read("a/b.c-d") == KubernetesTarget("ingress", "a", "b.c-d")
    long = ".".join(["x" * 63] * 3) + "." + "x" * 61
    assert ingress.read(f"{'n' * 63}/{long}") == KubernetesTarget("ingress", "n" * 63, long)
    assert why(ingress, f"{'n' * 63}/{long}xx") == '"namespace/name" of an Ingress on EKS'
    assert why(service, "a/b.c") == '"namespace/name" of a Service on EKS'
    assert why(service, "a") == '"namespace/name" of a Service on EKS'


# --- tags ---------------------------------------------------------------------------------------------------

KEY = "a key of 1 to 128 letters, digits, spaces and _ . : = + - @, as both clouds take it"
VALUE = "0 to 256 letters, digits, spaces and _ . : / = + - @, as both clouds take them"


@pytest.mark.parametrize(
    ("key", "value"), [("a", ""), ("ä b.c:d=e+f@g", "x/y z"), ("k" * 128, "v" * 256), ("my-aws:", "x"), ("names", "x")]
)
def test_tags_that_are_accepted(key: str, value: str) -> None:
    assert names.TAGS.read({key: value}) == ((key, value),)


@pytest.mark.parametrize(
    ("key", "value", "at", "allowed"),
    [
        ("AWS:x", "x", '."AWS:x"', "another key: AWS keeps keys that start so to itself"),
        ("Microsoft", "x", ".Microsoft", "another key: Azure keeps keys that start so to itself"),
        ("azure-x", "x", ".azure-x", "another key: Azure keeps keys that start so to itself"),
        ("windows", "x", ".windows", "another key: Azure keeps keys that start so to itself"),
        ("CloudLink-x", "x", ".CloudLink-x", "another key: by keys that start so cloudlink knows its own objects"),
        ("NAME", "x", ".NAME", "another key: cloudlink gives each object a name in AWS's console by it"),
        (" a", "x", '." a"', KEY),
        ("a ", "x", '."a "', KEY),
        ("a/b", "x", '."a/b"', KEY),
        ("k" * 129, "x", f'."{"k" * 60}…"', KEY),
        ("a", "v" * 257, ".a", VALUE),
        ("a", "x\n", ".a", VALUE),
        ("a", "?", ".a", VALUE),
        ("a", [], ".a", "a string"),
    ],
)
def test_tags_that_are_refused(key: str, value: object, at: str, allowed: str) -> None:
    with pytest.raises(ValidationError) as caught:
        names.TAGS.read({key: value})
    assert [(m.path, m.allowed, m.near_miss) for m in caught.value.mistakes] == [(at, allowed, "")]


def test_tags_several_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        names.TAGS.read({"a": 1, "A": "x", "b": True, "c": 1.5, "d": "ok"})
    assert [(m.path, m.found, m.allowed, m.near_miss) for m in caught.value.mistakes] == [
        (".a", "1", "a string", '"1"'),
        (".A", '"A"', 'each key once; Azure does not tell it from "a"', ""),
        (".b", "true", "a string", '"true"'),
        (".c", "1.5", "a string", '"1.5"'),
    ]
    assert len(names.TAGS.read({f"k{n}": "x" for n in range(40)})) == 40
    with pytest.raises(ValidationError) as caught:
        names.TAGS.read({f"k{n}": n for n in range(41)})
    assert [(m.path, m.found, m.allowed) for m in caught.value.mistakes] == [("", "41 tags", "at most 40")]


# --- what a pod is given ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taint", "read"),
    [
        ("*", Toleration("", None, "")),
        ("*:NoExecute", Toleration("", None, "NoExecute")),
        ("a", Toleration("a", None, "")),
        ("a=", Toleration("a", "", "")),
        ("a=b", Toleration("a", "b", "")),
        ("x.example/a=b:PreferNoSchedule", Toleration("x.example/a", "b", "PreferNoSchedule")),
        ("a:NoSchedule", Toleration("a", None, "NoSchedule")),
        *((wrong, None) for wrong in ("", "a:", "a=b:Never", "-a", "a=b c", "*=a", "a:NoSchedule ", 5, None)),
    ],
)
def test_taints(taint: object, read: Toleration | None) -> None:
    if read is not None:
        assert pods.TOLERATION.read(taint) == read
    else:
        assert why(pods.TOLERATION, taint) == (
            'a taint as kubectl writes it: "key=value:NoSchedule", "key:NoExecute", "key", or "*" for every taint'
        )


@pytest.mark.parametrize(
    ("kind", "key", "value", "fits"),
    [
        ("labels", "a", "", True),
        ("labels", "x.example/A_b.c", "v-1", True),
        ("labels", "a" * 63, "v" * 63, True),
        ("labels", "a" * 64, "v", False),
        ("labels", "a", "v" * 64, False),
        ("labels", "a", "v-", False),
        ("labels", "X/a", "v", False),
        ("labels", "x/y/z", "v", False),
        ("labels", "app.kubernetes.io/managed-by", "v", False),
        ("labels", "cloudlink-link", "v", False),
        ("labels", "kubernetes.azure.com/mode", "v", False),
        ("selector", "kubernetes.azure.com/mode", "system", True),
        ("selector", "cloudlink-link", "v", True),
        ("annotations", "a/b", "any \n text", True),
        ("annotations", "a", "v" * 1024, True),
        ("annotations", "a", "v" * 1025, False),
        *(("resources", name, "1", True) for name in ("cpu", "memory", "ephemeral-storage")),
        ("resources", "gpu", "1", False),
        *(("resources", "cpu", text, True) for text in ("1.5", "100m", "1k", "1Ki", "1M", "1Mi", "1G", "1Gi", "1.123")),
        *(("resources", "cpu", text, False) for text in ("", "m", "1.1234", "1K", "1g", "-1", "1 m", "1234567890")),
    ],
)
def test_pairs_of_a_pod(kind: str, key: str, value: str, fits: bool) -> None:
    kinds = {
        "labels": pods.LABELS,
        "selector": pods.NODE_SELECTOR,
        "annotations": pods.ANNOTATIONS,
        "resources": pods.RESOURCES,
    }
    if fits:
        assert kinds[kind].read({key: value}) == ((key, value),)
    else:
        with pytest.raises(ValidationError):
            kinds[kind].read({key: value})
