"""What the steps decide from what was read, without any cloud: each test is red when that decision is gone."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.clouds.azure.parse_object import AzureObject
from cloudlink.clouds.kube import parse_pods
from cloudlink.clouds.kube.errors import KubeApiError, retryable, translate
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Adopted, Change, Plan, spec_hash
from cloudlink.core.resource import Ownership, Phase, Receipt, Receipts, Started
from cloudlink.errors import CloudError, ConflictError, CredentialsError
from cloudlink.link import AzureSubnet, NewNetwork
from cloudlink.steps import STEPS, step_names
from cloudlink.steps.aws_vpn.gateway import gateway_of_vpc, refuse_second_gateway
from cloudlink.steps.azure_vpn.gateway_subnet import MADE_SUBNET_TAG, GatewaySubnetResource
from cloudlink.steps.azure_vpn.virtual_network import NetworkSpec, NewVirtualNetwork
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.coredns import held_up
from cloudlink.steps.dns_forward.step import Forward, ForwardSpec
from cloudlink.steps.outputs import Endpoint
from cloudlink.sweep import leftovers, report
from tests.support.links import make_link

LINK = make_link(azure={"gateway_subnet": IPv4Network("10.1.255.0/27")})
VPC = LINK.aws.vpc_id
NETWORK = "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
SUBNET = f"{NETWORK}/subnets/GatewaySubnet"


# --- whose the gateway subnet is ----------------------------------------------------------------------------


class FakeAzure:
    """A VNet with a gateway subnet, and perhaps a gateway in it."""

    def __init__(self, prefix: str = "10.1.255.0/27", tags: dict[str, str] | None = None) -> None:
        self.prefix = prefix
        self.tags = tags

    def vnet(self, *, fresh: bool = False) -> dict[str, Any]:
        properties = {"addressPrefix": self.prefix, "provisioningState": "Succeeded"}
        return {"properties": {"subnets": [{"id": SUBNET, "name": "GatewaySubnet", "properties": properties}]}}

    def gateway(self) -> dict[str, Any] | None:
        return {"tags": self.tags} if self.tags is not None else None

    def vnet_of_gateway(self) -> str:
        return NETWORK.lower() if self.tags is not None else ""


def subnet_of(azure: FakeAzure, receipt: Receipt | None) -> Ownership:
    resource = GatewaySubnetResource(
        address="azure_vpn.gateway_subnet",
        title="",
        link=LINK,
        azure=azure,  # type: ignore[arg-type]
        network=None,  # type: ignore[arg-type]
    )
    found = resource.find(Receipts({receipt.address: receipt} if receipt else {}))
    assert found and found.outputs
    assert found.outputs.owned is (found.owned is Ownership.OWNED)
    return found.owned


def subnet_receipt(intent: str, owned: Ownership = Ownership.OWNED) -> Receipt:
    return Receipt("azure_vpn.gateway_subnet", SUBNET, "creating" if intent else "ready", "", owned, 0.0, intent)


OURS = {**owner_of(LINK).tags("azure_vpn.gateway"), MADE_SUBNET_TAG: "true"}


@pytest.mark.parametrize(
    ("azure", "receipt", "owned"),
    [
        (FakeAzure(), None, Ownership.ADOPTED),
        (FakeAzure(), subnet_receipt(""), Ownership.OWNED),
        (FakeAzure(), subnet_receipt("", Ownership.ADOPTED), Ownership.ADOPTED),
        (
            FakeAzure(),
            subnet_receipt("create"),
            Ownership.OWNED,
        ),  # killed after the call: it is what we would have made
        (FakeAzure("10.1.254.0/27"), subnet_receipt("create"), Ownership.ADOPTED),  # somebody was faster
        (FakeAzure("10.1.254.0/27"), subnet_receipt("delete"), Ownership.OWNED),
        (FakeAzure(tags=OURS), None, Ownership.OWNED),  # the state file is lost, the gateway's tag says it
        # found there because another machine had just made it, which wrote it on the gateway
        (FakeAzure(tags=OURS), subnet_receipt("", Ownership.ADOPTED), Ownership.OWNED),
        (FakeAzure(tags={**OURS, MADE_SUBNET_TAG: "false"}), None, Ownership.ADOPTED),
        (FakeAzure(tags={MADE_SUBNET_TAG: "true"}), None, Ownership.ADOPTED),
    ],
)
def test_whose_the_gateway_subnet_is(azure: FakeAzure, receipt: Receipt | None, owned: Ownership) -> None:
    assert subnet_of(azure, receipt) is owned


# --- what the PUT of a VNet keeps ---------------------------------------------------------------------------


class Written:
    """Takes what is written."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    def put_vnet(self, body: dict[str, Any]) -> Started:
        self.body = body
        return Started("vnet")


def put_of(there: dict[str, Any] | None) -> dict[str, Any]:
    subnet, azure = AzureSubnet("nodes", IPv4Network("10.1.1.0/24")), Written()
    prefixes = (IPv4Network("10.1.0.0/16"),)
    resource = NewVirtualNetwork(
        address="azure_vpn.network",
        title="",
        link=LINK,
        azure=azure,  # type: ignore[arg-type]
        group=None,  # type: ignore[arg-type]
        wanted=NewNetwork(prefixes, subnet),
    )
    resource.put(NetworkSpec("westeurope", frozenset(prefixes), subnet), {"ours": "yes"}, there)
    return azure.body


def test_the_put_of_a_vnet_keeps_what_others_have_in_it() -> None:
    theirs = {"name": "db", "properties": {"addressPrefix": "10.1.8.0/24", "delegations": [{"name": "sql"}]}}
    peering = {"name": "hub", "properties": {"allowGatewayTransit": True}}
    ours = {"name": "Nodes", "properties": {"addressPrefixes": ["10.1.0.0/24"], "routeTable": {"id": "/r"}}}
    servers = {"dnsServers": ["10.1.0.4"]}
    held = {"subnets": [theirs, ours], "virtualNetworkPeerings": [peering], "dhcpOptions": servers}
    body = put_of({"properties": held})
    assert body["tags"] == {"ours": "yes"}
    assert body["properties"] == {
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
        "subnets": [theirs, {**ours, "properties": {"addressPrefix": "10.1.1.0/24", "routeTable": {"id": "/r"}}}],
        "virtualNetworkPeerings": [peering],
        "dhcpOptions": servers,
    }


def test_a_new_vnet_has_our_subnet_alone() -> None:
    assert put_of(None)["properties"] == {
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
        "subnets": [{"name": "nodes", "properties": {"defaultOutboundAccess": False, "addressPrefix": "10.1.1.0/24"}}],
    }


# --- a second gateway ---------------------------------------------------------------------------------------


class FakeGateways:
    """Another gateway was attached since the first read."""

    def __init__(self, *attachments: dict[str, str]) -> None:
        self.attachments = attachments

    def vpn_gateways(self, *, fresh: bool = False) -> list[dict[str, Any]]:
        attachments = list(self.attachments) if fresh else []
        return [{"VpnGatewayId": "vgw-theirs", "AmazonSideAsn": 65_100, "VpcAttachments": attachments}]


@pytest.mark.parametrize("state", ["attached", "attaching"])
def test_a_second_gateway_is_searched_for_in_a_fresh_read(state: str) -> None:
    with pytest.raises(ConflictError, match="another virtual private gateway") as raised:
        refuse_second_gateway(LINK, FakeGateways({"VpcId": VPC, "State": state}))  # type: ignore[arg-type]
    assert 'aws.gateway = "vgw-theirs"' in raised.value.hint


@pytest.mark.parametrize(
    "attachment",
    [
        {"VpcId": VPC, "State": "detached"},
        {"VpcId": VPC, "State": "detaching"},
        {"VpcId": "vpc-2", "State": "attached"},
    ],
)
def test_one_that_goes_or_is_elsewhere_is_no_second_gateway(attachment: dict[str, str]) -> None:
    refuse_second_gateway(LINK, FakeGateways(attachment))  # type: ignore[arg-type]


def test_our_own_is_no_second_gateway() -> None:
    there = FakeGateways({"VpcId": VPC, "State": "attached"})
    refuse_second_gateway(LINK, there, own="vgw-theirs")  # type: ignore[arg-type]
    assert gateway_of_vpc(there, VPC) is None  # type: ignore[arg-type]
    found = gateway_of_vpc(there, VPC, fresh=True)  # type: ignore[arg-type]
    assert found and found.id == "vgw-theirs"


# --- CoreDNS ------------------------------------------------------------------------------------------------


class FakeCache:
    def get(self, kind: str, call: Any, *, fresh: bool = False) -> Any:
        return call()


class FakeKube:
    name = "aks"
    cache = FakeCache()

    def __init__(self, **status: Any) -> None:
        self.status = status
        self.text = corefile.written(
            owner_of(LINK), corefile.block(LINK.dns.zone_names, tuple(Endpoint("e", {}).addresses.values()))
        )

    def config_map(self, namespace: str, name: str) -> dict[str, Any]:
        return {"data": {corefile.key_of(LINK.name): self.text}}

    def deployment(self, namespace: str, name: str) -> dict[str, Any]:
        template = {"metadata": {"annotations": {f"cloudlink.dev/{LINK.name}": "another text"}}}
        spec = {"replicas": 2, "template": template}
        return {"metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 1}}

    def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        annotations = {f"cloudlink.dev/{LINK.name}": "another text"}
        return [
            {
                "metadata": {"name": "coredns-1", "annotations": annotations},
                "status": {"containerStatuses": [self.status]},
            }
        ]

    def pod_log(self, namespace: str, name: str, *, tail: int | None = None, previous: bool = False) -> str:
        return "plugin/forward: not an IP address\n"


def forward(kube: FakeKube) -> Forward:
    return Forward(address="dns_forward.forward", title="", link=LINK, kube=kube, endpoint=None)  # type: ignore[arg-type]


def crash(**status: Any) -> str:
    resource = forward(FakeKube(**status))
    return resource.coredns.crash(resource.coredns.state(fresh=True))


def test_one_restart_of_coredns_is_no_crash() -> None:
    assert crash(restartCount=1, ready=False, state={"running": {}}) == ""
    assert crash(restartCount=5, ready=True, state={"running": {}}) == ""
    assert "not an IP address" in crash(restartCount=2, ready=False, state={"running": {}})
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert "not an IP address" in crash(restartCount=1, ready=False, state=waiting)
    assert crash(restartCount=0, ready=False, state={"waiting": {"reason": "ContainerCreating"}}) == ""


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: Insufficient cpu",
                    }
                ]
            },
            "no node takes the new pod coredns-1: 0/3 nodes are available: Insufficient cpu",
        ),
        (
            {
                "containerStatuses": [
                    {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling mcr"}}}
                ]
            },
            "the new pod coredns-1 does not begin: ImagePullBackOff: Back-off pulling mcr",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        (  # as the node controller leaves a pod whose node is silent
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}],
                "containerStatuses": [{"name": "coredns", "ready": True, "state": {"running": {}}}],
            },
            "the node aks-1 of coredns-1 is not ready: kubectl describe node aks-1",
        ),
        (
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "coredns", "ready": False, "state": {"running": {}}}],
            },
            "",
        ),
    ],
)
def test_why_a_new_pod_of_coredns_does_not_begin(status: dict[str, Any], said: str) -> None:
    metadata = {"name": "coredns-1", "annotations": {"cloudlink.dev/x": "new"}}
    one = parse_pods.pod({"metadata": metadata, "spec": {"nodeName": "aks-1"}, "status": status})
    assert held_up((one,), "cloudlink.dev/x", "new") == said
    assert held_up((one,), "cloudlink.dev/x", "of an older text") == ""


@pytest.mark.parametrize(
    ("phase", "intent", "believed"),
    [("ready", "", True), ("creating", "", False), ("ready", "update", False), ("deleting", "delete", False)],
)
def test_only_a_receipt_of_something_finished_stands_in_for_a_look_at_coredns(
    phase: str, intent: str, believed: bool
) -> None:
    kube = FakeKube()
    resource = forward(kube)
    block = corefile.read(kube.text)
    spec = ForwardSpec(block.zone, block.upstreams, block.options, restarted=True)
    receipt = Receipt(resource.address, "id", phase, spec_hash(spec), Ownership.OWNED, 0.0, intent)
    found = resource.find(Receipts({receipt.address: receipt}))
    assert found and found.spec
    # CoreDNS was not restarted with it, which only a look at the Deployment shows
    assert found.spec.restarted is believed
    assert found.phase is Phase.READY


# --- refusals of a cluster ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "validation.gatekeeper.sh" denied the request: no',
        'pods "probe" is forbidden: violates PodSecurity "restricted:latest"',
        'pods "probe" is forbidden: exceeded quota: small',
    ],
)
def test_a_refusal_of_a_policy_is_not_told_as_a_sign_in(message: str) -> None:
    ours = translate(KubeApiError(403, "Forbidden", message, "POST /pods"))
    assert isinstance(ours, CloudError) and not isinstance(ours, CredentialsError)
    assert message in ours.detail


def test_a_missing_permission_is_told_as_one() -> None:
    said = KubeApiError(403, "Forbidden", 'User "u" cannot patch resource "deployments"', "PATCH /x")
    assert isinstance(translate(said), CredentialsError)
    assert retryable(said) is None


# --- the sweep ----------------------------------------------------------------------------------------------


class Tagged:
    def __init__(self, *found: Any) -> None:
        self.found = list(found)

    def tagged(self, owner: Any) -> list[tuple[str, str]]:
        assert owner == owner_of(LINK)
        return self.found

    def resources_by_tag(self) -> list[AzureObject]:
        return self.found


def test_the_sweep_asks_both_clouds() -> None:
    aws = Tagged(("vgw-1", "virtual private gateway"))
    azure = Tagged(
        AzureObject("/subscriptions/s/ip", "ip", "westeurope", "", {}, "Microsoft.Network/publicIPAddresses")
    )
    rows = list(leftovers(LINK, aws, azure))  # type: ignore[arg-type]
    assert [(id_, kind) for id_, kind, _ in rows] == [
        ("vgw-1", "virtual private gateway"),
        ("/subscriptions/s/ip", "Microsoft.Network/publicIPAddresses"),
    ]
    assert list(leftovers(LINK, Tagged(), Tagged())) == []  # type: ignore[arg-type]


def test_a_teardown_tells_what_was_restored_from_what_was_deleted() -> None:
    plan = Plan(
        (
            Change("a.made", "Made", Action.DELETE, "restored is a word in this reason", id="1"),
            Change("a.shared", "Shared", Action.RESTORE, "whatever it says", id="2"),
            Change("a.kept", "Kept", Action.NO_OP, "restored as it was", id="3"),
        ),
        kept=(Adopted("a.kept", "Kept", "3"),),
    )
    said = report(LINK, Tagged(), Tagged(), plan)  # type: ignore[arg-type]
    assert (said.deleted, said.restored, said.kept) == (
        (("a.made", "Made", "1"),),
        (("a.shared", "Shared", "2"),),
        (("a.kept", "Kept", "3"),),
    )


# --- malformed answers and bugs -----------------------------------------------------------------------------


NOTHING: dict[str, Any] = {"list": [], "none": None}


@pytest.mark.parametrize(
    "read",
    [
        lambda: {}["State"],
        lambda: NOTHING["list"][0],
        lambda: NOTHING["none"]["State"],
        lambda: "text".get("x"),  # type: ignore[attr-defined]
        lambda: NOTHING["none"].get("x"),
        lambda: int("many"),
        lambda: IPv4Network("10.0.0.0/99"),
    ],
)
def test_an_answer_of_another_form_is_malformed(read: Any) -> None:
    with pytest.raises(CloudError, match="malformed") as raised, parsing("AWS's VPN gateways"):
        read()
    assert raised.value.detail.startswith("AWS's VPN gateways do not have the documented form")
    assert raised.value.exit_code == 5
    assert raised.value.__cause__ is not None


class Typo:
    def known(self, one: int) -> None: ...


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: Typo().unknown,  # type: ignore[attr-defined]
        lambda: Typo().known(),  # type: ignore[call-arg]
        lambda: Typo().known(1, 2),  # type: ignore[call-arg]
        lambda: Typo().known(two=2),  # type: ignore[call-arg]
        lambda: 1 / 0,
        lambda: undefined,  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_a_mistake_of_our_own_is_never_told_as_the_clouds(mistake: Any) -> None:
    with pytest.raises((AttributeError, TypeError, ZeroDivisionError, NameError)), parsing("AWS's VPN gateways"):
        mistake()


def test_what_an_sdk_raises_is_left_to_the_error_policy() -> None:
    import ssl

    for error in (ssl.SSLCertVerificationError("no"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")):
        with pytest.raises(type(error)), parsing("Azure's answers"):
            raise error


# --- steps are named once -----------------------------------------------------------------------------------


def test_every_step_is_named_in_one_place() -> None:
    from cloudlink.cli.options import Only
    from cloudlink.view import words

    assert step_names() == ("aws_vpn", "azure_vpn", "resolver", "dns_forward", "verify")
    assert [words.step_title(name) for name in step_names()] == [s.title for s in STEPS]
    help_text = Only.__metadata__[0].help  # type: ignore[attr-defined]
    assert all(f"{s.name}: {s.help}" in help_text for s in STEPS)
