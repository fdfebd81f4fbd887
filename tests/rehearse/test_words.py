"""The protocols that a rehearsal speaks with its daemons, and what it reads in their answers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cloudlink.cli import schema
from cloudlink.cli.commands import run
from cloudlink.clouds.aws.parse_offers import tunnel_offers, without_keys
from cloudlink.clouds.azure.parse_offers import connection_offer
from cloudlink.errors import UsageError
from cloudlink.rehearse import performance, programs, stage
from cloudlink.rehearse.lab import parsed_sessions, reason
from cloudlink.rehearse.report import report
from cloudlink.rehearse.traffic import parsed, pcap, zone_file
from cloudlink.rehearse.vici import decoded, encoded
from cloudlink.view import rehearsal
from tests.support import rehearsal as link

SESSIONS = """2002-Name       Proto      Table      State  Since         Info
1002-aws0       BGP        ---        up     10:00:00.000  Established
1006-  BGP state:          Established
     Routes:         2 imported, 1 exported, 2 preferred
 
1002-aws1       BGP        ---        start  10:00:00.000  Active        Received: Bad peer AS
1006-  BGP state:          Active
     Last error:       Received: Bad peer AS
0000 
"""  # noqa: W291, W293


def test_a_message_comes_back() -> None:
    message = {"a": "b", "section": {"list": ["x", "y"], "none": []}, "last": "ü"}
    assert decoded(encoded(message)) == message


def test_birds_sessions() -> None:
    found = parsed_sessions(SESSIONS)
    assert (found["aws0"]["up"], found["aws0"]["routes"]) == (True, 2)
    assert (found["aws1"]["up"], found["aws1"]["error"]) == (False, "Received: Bad peer AS")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("11[IKE] tried 1 shared key for 'a' - 'b', but MAC mismatched", "the keys differ"),
        ("11[IKE] generating IKE_SA_INIT response 0 [ N(NO_PROP) ]", ""),
        ("11[IKE] received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built", "no proposal in common"),
        ("11[IKE] no IKE config found for a...b, sending NO_PROPOSAL_CHOSEN", ""),
        ("11[IKE] giving up after 3 retransmits", "no answer from the other end"),
        ("11[IKE] CHILD_SA c{1} established", ""),
    ],
)
def test_reasons(log: str, said: str) -> None:
    assert reason(log) == said


def test_a_dns_answer() -> None:
    name = b"\3app\4corp\7example\0"
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0) + name + b"\0\1\0\1"
    answer = parsed(head + b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + bytes([10, 0, 0, 1]))
    assert (answer.code, answer.addresses, answer.truncated) == ("NOERROR", ("10.0.0.1",), False)
    assert parsed(struct.pack(">HHHHHH", 1, 0x8383, 0, 0, 0, 0)).code == "NXDOMAIN"
    assert parsed(struct.pack(">HHHHHH", 1, 0x8380, 0, 0, 0, 0)).truncated


def test_the_zones_large_answer_does_not_fit_into_a_datagram() -> None:
    text = zone_file("corp.example", {"app.corp.example": ("10.0.0.1",)})
    assert "app.corp.example. A 10.0.0.1\n" in text
    assert text.count(stage.LARGE) * 16 > 512


def test_a_capture_is_as_others_read_it() -> None:
    made = pcap([(1.5, b"abc")])
    assert struct.unpack("<IHH", made[:8]) == (0xA1B2C3D4, 2, 4)
    assert struct.unpack("<IIII", made[24:40]) == (1, 500_000, 3, 3)


# --- answers ----------------------------------------------------------------------------------------------------

DOCUMENT = """<vpn_connection><ipsec_tunnel>
<customer_gateway><tunnel_outside_address><ip_address>203.0.113.9</ip_address></tunnel_outside_address>
<tunnel_inside_address><ip_address>169.254.21.2</ip_address></tunnel_inside_address><bgp><asn>65001</asn></bgp></customer_gateway>
<vpn_gateway><tunnel_outside_address><ip_address>198.51.100.11</ip_address></tunnel_outside_address>
<tunnel_inside_address><ip_address>169.254.21.1</ip_address></tunnel_inside_address>
<bgp><asn>64513</asn><hold_time>15</hold_time></bgp></vpn_gateway>
<ike><pre_shared_key>hush</pre_shared_key></ike><ipsec><tcp_mss_adjustment>1379</tcp_mss_adjustment></ipsec>
</ipsec_tunnel></vpn_connection>"""


def test_aws_own_document_counts_and_its_key_is_taken_out() -> None:
    clean = without_keys(DOCUMENT)
    assert "hush" not in clean
    raw = {
        "VpnConnectionId": "vpn-1",
        "CustomerGatewayId": "cgw-1",
        "VpnGatewayId": "vgw-1",
        "CustomerGatewayConfiguration": clean,
        "Options": {"TunnelOptions": [{"TunnelInsideCidr": "169.254.21.0/30", "OutsideIpAddress": "198.51.100.11"}]},
    }
    (offer,) = tunnel_offers([raw], {"cgw-1": ("203.0.113.1", 65000)}, {"vgw-1": 64512})
    assert (offer.customer, offer.asn, offer.peer_asn, offer.hold_time) == ("203.0.113.9", 64513, 65001, 15)
    assert offer.key is None
    assert 24 in offer.ike.groups, "AWS's whole list is in force where it says none"
    assert not offer.opens


def test_a_document_whose_keys_cannot_be_told_is_dropped() -> None:
    assert without_keys("<pre_shared_key><b>hush</b></pre_shared_key>") == ""


def test_a_connection_without_a_policy_has_azures() -> None:
    offer = connection_offer({"name": "c", "properties": {"sharedKey": "k", "enableBGP": True}})
    assert (offer.policy, offer.bgp, offer.mode) == (None, True, "Default")


# --- what is shown ----------------------------------------------------------------------------------------------

EVENTS = [
    {
        "event": "tunnel",
        "at": 1.0,
        "tunnel": "1-1",
        "up": True,
        "ike": "AES_CBC/256",
        "esp": "AES_GCM_16/256",
        "why": "",
    },
    {"event": "tunnel", "at": 1.0, "tunnel": "1-2", "up": False, "ike": "", "esp": "", "why": "the keys differ"},
    {"event": "bgp", "at": 2.0, "tunnel": "1-1", "up": True, "routes": 1, "learned": 1, "announced": 1, "why": ""},
    {
        "event": "bgp",
        "at": 2.0,
        "tunnel": "1-2",
        "up": False,
        "routes": 0,
        "learned": 0,
        "announced": 1,
        "why": "the session stays Connect",
    },
    {
        "event": "renewal",
        "at": 3.0,
        "tunnel": "1-1",
        "side": "aws",
        "what": "child",
        "good": False,
        "why": "no proposal",
    },
    {"event": "end", "at": 3.5},
]


def test_a_report() -> None:
    made = report("demo", stage.of(link.answers()), EVENTS)
    assert (made["health"], made["seconds"]) == ("degraded", 3.5)
    assert made["tunnels"][0]["largest_packet"] == 1446
    text = rehearsal.text(made)
    assert "BAD  1-2  198.51.100.12    down: the keys differ" in text
    assert "BAD  1-1  ESP keys, asked by AWS: no proposal" in text


def test_what_is_printed_is_as_its_schema_says() -> None:
    validator = Draft202012Validator(schema.found("rehearse"))
    seen = [
        *EVENTS[:-1],
        {"event": "name", "at": 3.0, "name": "a", "good": True, "by": {"UDP": "right"}, "addresses": ["10.0.0.1"], "why": ""},
        {"event": "request", "at": 3.0, "target": "10.0.0.1", "port": 80, "scheme": "http", "good": True, "why": ""},
        {"event": "capture", "at": 3.0, "good": True, "packets": 9, "esp": 5, "marker": 0, "control": 2, "why": ""},
        {"event": "loss", "at": 3.0, "what": "w", "sent": 2, "lost": 1, "seconds": 0.1, "died": 0, "back": 1,
         "marks": [0.5, 0], "good": True},
        {"event": "endpoint", "at": 3.0, "address": "10.0.0.9", "good": True, "by": {"UDP": "NOERROR"}, "why": ""},
        {"event": "skipped", "at": 3.0, "what": "names", "why": "no CoreDNS"},
        EVENTS[-1],
    ]  # fmt: skip
    made = report("demo", stage.of(link.answers()), seen)
    assert [e.message for e in validator.iter_errors(made)] == []
    for list_ in ("renewals", "endpoints", "names", "requests", "losses", "skipped"):
        assert made[list_], list_
    assert [e.message for e in validator.iter_errors(report("demo", stage.of(link.answers()), EVENTS[:1]))] == []
    del made["tunnels"][0]["bgp"]["learned"]
    assert list(validator.iter_errors(made))


def test_losses_are_drawn() -> None:
    assert rehearsal.bars([0, 0.01, 0.5, 1]) == " ▁▄█"
    drawn = rehearsal.svg([{"what": "w", "lost": 1, "sent": 2, "marks": [0, 1], "died": 0, "back": 1}])
    assert drawn.count("<rect") == 2
    assert drawn.endswith("</svg>\n")


def test_what_is_missing_is_one_message_with_one_line_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(programs, "_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        programs.found("1.12.1")
    assert "strongSwan is not on this machine" in caught.value.detail
    assert "BIRD is not on this machine" in caught.value.detail
    assert caught.value.hint == "cloudlink rehearse --install"


def test_a_strongswan_without_its_control_socket_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As an older cloudlink unpacked it: the plugin vici lies in a package of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(programs, "_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    root = tmp_path / "cloudlink" / "rehearsal" / "root"
    plugins = root / "usr/lib/ipsec/plugins"
    plugins.mkdir(parents=True)
    (root / "usr/sbin").mkdir()
    for name in ("charon-systemd", "bird"):
        (root / "usr/sbin" / name).touch()
    (plugins / "libstrongswan-kernel-libipsec.so").touch()
    with pytest.raises(UsageError, match="strongSwan is not on this machine") as caught:
        programs.found("1.12.1")
    assert "BIRD" not in caught.value.detail
    (plugins / "libstrongswan-vici.so").touch()
    with pytest.raises(UsageError) as caught:
        programs.found("1.12.1")
    assert "strongSwan" not in caught.value.detail


@pytest.mark.parametrize(
    ("opened", "code", "problem", "typed"),
    [
        (False, 0, "/dev/net/tun cannot be opened (", "sudo sh -c 'modprobe tun && chmod 666 /dev/net/tun'"),
        (True, 1, "namespaces may not be made by this user", "sudo sysctl kernel.unprivileged_userns_clone=1"),
    ],
)
def test_what_is_forbidden_is_one_message_with_one_line_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: bool, code: int, problem: str, typed: str
) -> None:
    """A machine that has everything: a folder of programs, of which ``unshare`` says what the kernel would."""
    for name in ("ip", "unshare", "nsenter", "mount", "charon-systemd", "bird"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(programs, "_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    device = tmp_path / "tun"
    if opened:
        device.touch()
    monkeypatch.setattr(programs, "TUN", str(device))
    with pytest.raises(UsageError) as caught:
        programs.found("1.12.1")
    assert problem.replace("/dev/net/tun", str(device)) in caught.value.detail
    assert caught.value.detail.endswith("Nothing was started.")
    assert caught.value.hint.startswith(typed)


@pytest.mark.parametrize("given", [[], ["--sandbox", "--from-clouds"]])
def test_which_link_must_be_said(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rehearse", *given]) == 2
    assert "--from-clouds the real one" in " ".join(capsys.readouterr().err.split())


def test_which_of_several_clusters_was_rehearsed_is_said_with_how_to_rehearse_another() -> None:
    said = "of the AKS clusters green is rehearsed; another one by --cluster test"
    assert performance.of_one("green", ["test", "green", "red"]) == said
