"""What is asked of each cloud comes back as the same policy; what nobody asked for comes back different and readable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudlink.clouds.aws.parse_ipsec import policy_of, tunnel_options
from cloudlink.clouds.azure.parse_ipsec import azure_ipsec_policy, from_azure
from cloudlink.ipsec import (
    IpsecPolicy,
    for_aws,
    for_azure,
)

ciphers = st.sampled_from(["AES128", "AES256", "AES128-GCM", "AES256-GCM"])
groups = st.sampled_from([14, 19, 20, 24])
policies = st.builds(
    IpsecPolicy,
    ike_encryption=ciphers,
    ike_integrity=st.sampled_from(["SHA256", "SHA384"]),
    ike_group=groups,
    esp_encryption=ciphers,
    esp_integrity=st.just("SHA256"),
    pfs_group=groups,
    sa_lifetime=st.integers(900, 3600),
    sa_kilobytes=st.integers(1024, 2**31 - 1),
    dpd_timeout=st.integers(30, 3600),
)
plain = st.sampled_from([None, True, 0, -1, 14, 10**30, 1.5, float("nan"), "", "20", "²", "AES256", "\n", "a" * 99])
boxed = st.one_of(plain, st.fixed_dictionaries({"Value": plain}), st.fixed_dictionaries({"x": plain}))
junk = st.one_of(boxed, st.lists(st.one_of(boxed, st.lists(boxed, max_size=2)), max_size=3))


def as_answered(options: dict[str, object]) -> dict[str, object]:
    """AWS answers in other spellings than it is asked in."""
    renamed = {
        "IKEVersions": "IkeVersions",
        "DPDTimeoutSeconds": "DpdTimeoutSeconds",
        "DPDTimeoutAction": "DpdTimeoutAction",
    }
    return {renamed.get(name, name): value for name, value in options.items()} | {"OutsideIpAddress": "192.0.2.1"}


@given(policies)
def test_aws_gives_back_what_it_was_given(policy: IpsecPolicy):
    options = tunnel_options(policy)
    assert policy_of(options) == policy_of(as_answered(options)) == for_aws(policy)


@given(policies)
def test_azure_gives_back_what_it_was_given(policy: IpsecPolicy):
    wire = azure_ipsec_policy(policy)
    assert from_azure(wire, dpd_timeout=policy.dpd_timeout) == for_azure(policy)


@given(policies)
def test_the_normal_forms_are_normal(policy: IpsecPolicy):
    assert for_aws(for_aws(policy)) == for_aws(policy)
    assert for_azure(for_azure(policy)) == for_azure(policy)


@given(policies, policies)
def test_policies_that_a_cloud_can_tell_apart_stay_apart(one: IpsecPolicy, other: IpsecPolicy):
    assert (tunnel_options(one) == tunnel_options(other)) == (for_aws(one) == for_aws(other))
    one, other = replace(one, dpd_timeout=45), replace(other, dpd_timeout=45)
    assert (azure_ipsec_policy(one) == azure_ipsec_policy(other)) == (for_azure(one) == for_azure(other))


def test_the_spellings_of_the_default_policy():
    assert tunnel_options(IpsecPolicy()) == {
        "IKEVersions": [{"Value": "ikev2"}],
        "Phase1EncryptionAlgorithms": [{"Value": "AES256"}],
        "Phase1IntegrityAlgorithms": [{"Value": "SHA2-256"}],
        "Phase1DHGroupNumbers": [{"Value": 20}],
        "Phase1LifetimeSeconds": 28_800,
        "Phase2EncryptionAlgorithms": [{"Value": "AES256-GCM-16"}],
        "Phase2IntegrityAlgorithms": [{"Value": "SHA2-256"}],
        "Phase2DHGroupNumbers": [{"Value": 20}],
        "Phase2LifetimeSeconds": 3_600,
        "DPDTimeoutSeconds": 45,
        "DPDTimeoutAction": "restart",
        "StartupAction": "start",
        "RekeyMarginTimeSeconds": 270,
        "RekeyFuzzPercentage": 100,
        "ReplayWindowSize": 1_024,
        "EnableTunnelLifecycleControl": False,
    }
    assert azure_ipsec_policy(IpsecPolicy()) == {
        "saLifeTimeSeconds": 3_600,
        "saDataSizeKilobytes": 102_400_000,
        "ipsecEncryption": "GCMAES256",
        "ipsecIntegrity": "GCMAES256",
        "ikeEncryption": "AES256",
        "ikeIntegrity": "SHA256",
        "dhGroup": "ECP384",
        "pfsGroup": "ECP384",
    }


def test_azure_has_two_spellings_for_group_14_and_any_case():
    wire = azure_ipsec_policy(IpsecPolicy(ike_group=14, pfs_group=14))
    assert (wire["dhGroup"], wire["pfsGroup"]) == ("DHGroup14", "PFS14")
    other = {**wire, "dhGroup": "DHGroup2048", "pfsGroup": "PFS2048", "ipsecEncryption": "gcmaes256"}
    assert from_azure(other, dpd_timeout=45) == from_azure(wire, dpd_timeout=45)


@pytest.mark.parametrize(
    ("change", "field", "reads"),
    [
        ({"Phase1EncryptionAlgorithms": [{"Value": "AES512"}]}, "ike_encryption", "AES512"),
        ({"Phase2IntegrityAlgorithms": [{"Value": "SHA1"}, {"Value": "SHA2-256"}]}, "esp_integrity", "SHA1, SHA256"),
        ({"Phase2EncryptionAlgorithms": None}, "esp_encryption", "any"),
        ({"Phase1DHGroupNumbers": [{"Value": 2}, {"Value": 20}]}, "deviations", "Phase1DHGroupNumbers 2, 20"),
        ({"Phase2DHGroupNumbers": []}, "deviations", "Phase2DHGroupNumbers any"),
        ({"StartupAction": "add"}, "deviations", "StartupAction add (AWS waits for Azure to open the tunnel)"),
        (
            {"DpdTimeoutAction": None},
            "deviations",
            "DpdTimeoutAction is not set (AWS does not open the tunnel again after Azure was away)",
        ),
        (
            {"IkeVersions": [{"Value": "ikev1"}, {"Value": "ikev2"}]},
            "deviations",
            "IkeVersions ikev1, ikev2 (Azure speaks IKEv2 on this link)",
        ),
        (
            {"RekeyFuzzPercentage": 0},
            "deviations",
            "RekeyFuzzPercentage 0 (AWS renews keys at another time than was set up)",
        ),
        (
            {"EnableTunnelLifecycleControl": True},
            "deviations",
            "EnableTunnelLifecycleControl on (AWS's updates of the endpoint wait for somebody to accept them)",
        ),
        (
            {"Phase1AdditionalKeyExchanges": [{"AdditionalKeyExchangeRound": 1}]},
            "deviations",
            "Phase1AdditionalKeyExchanges is set (Azure has no additional key exchanges)",
        ),
        ({"Phase2LifetimeSeconds": None}, "deviations", "Phase2LifetimeSeconds is not set"),
        ({"DpdTimeoutSeconds": 30}, "dpd_timeout", 30),
    ],
)
def test_what_nobody_asked_for_is_different_on_aws(change: dict[str, object], field: str, reads: object):
    found = policy_of(as_answered(tunnel_options(IpsecPolicy())) | change)
    assert getattr(found, field) == reads
    assert found != for_aws(IpsecPolicy())


@pytest.mark.parametrize(
    ("change", "field", "reads"),
    [
        ({"ipsecEncryption": "GCMAES192", "ipsecIntegrity": "GCMAES192"}, "esp_encryption", "AES192-GCM"),
        ({"ipsecIntegrity": "SHA256"}, "esp_integrity", "SHA256"),
        ({"ikeEncryption": "ROT13"}, "ike_encryption", "ROT13"),
        ({"ikeIntegrity": None}, "ike_integrity", "not set"),
        ({"dhGroup": "DHGroup2"}, "ike_group", 2),
        ({"pfsGroup": "None"}, "deviations", "pfsGroup None"),
        ({"pfsGroup": "PFSMM"}, "deviations", "pfsGroup PFSMM"),
        ({"saLifeTimeSeconds": 27_000}, "sa_lifetime", 27_000),
        ({"saDataSizeKilobytes": 0}, "deviations", "saDataSizeKilobytes 0"),
    ],
)
def test_what_nobody_asked_for_is_different_on_azure(change: dict[str, object], field: str, reads: object):
    found = from_azure(azure_ipsec_policy(IpsecPolicy()) | change, dpd_timeout=45)
    assert getattr(found, field) == reads
    assert found != for_azure(IpsecPolicy())


def test_options_that_aws_leaves_out_are_at_its_defaults():
    """Of a connection that was made without them AWS does not say them, and nothing differs."""
    said = tunnel_options(IpsecPolicy())
    for name in ("RekeyMarginTimeSeconds", "RekeyFuzzPercentage", "ReplayWindowSize", "EnableTunnelLifecycleControl"):
        del said[name]
    assert policy_of(said) == for_aws(IpsecPolicy())


@pytest.mark.parametrize("name", list(tunnel_options(IpsecPolicy())))
def test_no_option_that_is_asked_for_can_be_changed_unseen(name: str):
    """Whatever the link asks of AWS is compared: another value of it is another policy."""
    said = tunnel_options(IpsecPolicy())
    now = said[name]
    other = [{"Value": "other"}] if isinstance(now, list) else not now if isinstance(now, bool) else 7
    assert policy_of({**said, name: other}) != for_aws(IpsecPolicy())


def test_a_connection_without_a_policy_says_so_once():
    found = from_azure(None, dpd_timeout=45)
    assert found.deviations == "no policy of its own (Azure's default)"
    assert found != for_azure(IpsecPolicy())


@given(st.dictionaries(st.sampled_from([*tunnel_options(IpsecPolicy()), "IkeVersions", "DpdTimeoutSeconds"]), junk))
def test_nothing_that_aws_says_is_a_reason_to_crash(found: dict[str, object]):
    assert isinstance(policy_of(found), IpsecPolicy)


@given(st.dictionaries(st.sampled_from([*azure_ipsec_policy(IpsecPolicy())]), junk), junk)
def test_nothing_that_azure_says_is_a_reason_to_crash(found: dict[str, object], dpd_timeout: object):
    assert isinstance(from_azure(found, dpd_timeout=dpd_timeout), IpsecPolicy)
