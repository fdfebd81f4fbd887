"""The places where the sandbox holds on to moto's internals. When moto moves one of them, this fails first."""

from __future__ import annotations

import inspect

import moto
import pytest
from aws_account import Account, refused
from hypothesis import given
from hypothesis import strategies as st
from moto.core.base_backend import BackendDict
from moto.core.responses import ActionResult, BaseResponse
from moto.core.serialize import EC2Serializer
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses import EC2Response
from moto.utilities import utils

from cloudlink_sandbox.aws import from_moto
from cloudlink_sandbox.aws.backend import SandboxEc2
from cloudlink_sandbox.aws.ec2 import HANDLERS, Ec2Handlers
from cloudlink_sandbox.aws.ec2_xml import Ec2Xml
from cloudlink_sandbox.aws.handlers import Handlers


@pytest.mark.own("moto has the version that the sandbox was made for")
def test_the_version_that_the_seams_were_made_for() -> None:
    assert moto.__version__ == "5.2.5"


@pytest.mark.own("The store of EC2 is the sandbox's, with the tables it relies on")
def test_the_store_is_ours(account: Account) -> None:
    assert isinstance(ec2_backends, BackendDict)
    assert ec2_backends.backend is SandboxEc2
    account.client("ec2").describe_vpcs()
    assert [type(n) for n in account.cloud.networks()] == [SandboxEc2]
    fresh = vars(EC2Backend("eu-central-1", "1"))
    assert {"vpn_gateways", "customer_gateways", "vpn_connections", "route_tables", "enis", "groups", "tags"} <= set(
        fresh
    )


@pytest.mark.own("Operations that moto lacks are answered")
@pytest.mark.documentation("An operation that EC2 does not know is InvalidAction")
def test_a_request_goes_through_our_dispatch(account: Account) -> None:
    assert BaseResponse.call_action is not Handlers.call_action is Ec2Handlers.call_action
    assert "self.call_action()" in inspect.getsource(BaseResponse._dispatch)
    assert list(inspect.signature(BaseResponse.serialized).parameters) == ["self", "action_result"]
    assert ActionResult({"a": 1}).result == {"a": 1}
    # an operation that moto lacks answers, one that nobody has is refused in EC2's own words
    assert not hasattr(EC2Response, "enable_vgw_route_propagation")
    refused(
        "InvalidRouteTableID.NotFound", 400, account.client("ec2").enable_vgw_route_propagation,
        GatewayId="vgw-0123456789abcdef0", RouteTableId="rtb-0123456789abcdef0",
    )  # fmt: skip
    refused("InvalidAction", 400, account.client("ec2").describe_verified_access_groups)


@pytest.mark.own("Every VPN operation is the sandbox's own")
def test_ours_come_before_motos() -> None:
    of_vpn = [n for n in get_service_model("ec2").operation_names if "Vpn" in n and Ec2Handlers.answers(n)]
    assert len(of_vpn) > 15
    assert set(of_vpn) <= set(HANDLERS)


@pytest.mark.own("Every entry of EC2's table is an operation of EC2, and what is said to be moto's is moto's")
def test_the_table_holds_operations_of_ec2() -> None:
    known = set(get_service_model("ec2").operation_names)
    assert set(HANDLERS) <= known
    assert known >= from_moto.EC2
    assert not from_moto.EC2 & set(HANDLERS)
    for name in from_moto.EC2:
        assert getattr(EC2Response, camelcase_to_underscores(name)).__module__.startswith("moto."), name


@pytest.mark.own("moto's catalogue of instances is not loaded")
def test_the_lean_import_left_nothing_behind() -> None:
    assert INSTANCE_TYPES == {}
    assert utils.load_resource.__module__ == "moto.utilities.utils"
    import boto3

    assert boto3.Session.__module__ == "boto3.session"


members = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))
    ),
    lambda inner: st.one_of(
        st.lists(inner.filter(lambda item: not isinstance(item, list)), max_size=3),
        st.dictionaries(st.sampled_from(["item", "vpnId", "@xmlns"]), inner, max_size=3).map(
            lambda made: {k: v for k, v in made.items() if k != "@xmlns" or isinstance(v, str)}
        ),
    ),
    max_leaves=12,
)


@pytest.mark.own("EC2's answers are written as moto would write them")
@given(members.filter(lambda made: not isinstance(made, list)))
def test_the_quick_xml_is_motos(value: object) -> None:
    model = get_service_model("ec2").operation_model("DescribeVpnConnections")
    body = {"DescribeVpnConnectionsResponse": value}
    assert Ec2Xml(model)._serialize_body(body) == EC2Serializer(model)._serialize_body(body)
