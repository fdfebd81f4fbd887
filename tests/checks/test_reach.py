"""What a pod's answers say of the way to the endpoint, before CoreDNS gets the zone."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from cloudlink.checks.names import reach
from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Query
from cloudlink.errors import UnhealthyError
from cloudlink.link import ClusterPlace
from tests.support.links import make_link

LINK = make_link(transport="existing")
ADDRESSES = (IPv4Address("10.10.1.4"), IPv4Address("10.10.2.4"))


def seen(*outcomes: str) -> ProbeFacts:
    ways = [(str(a), p) for a in ADDRESSES for p in ("udp", "tcp")]
    queries = tuple(
        Query("endpoint", server, protocol, outcome, 3 if outcome == "answer" else None, (), (), False, "", 1.0)
        for (server, protocol), outcome in zip(ways, outcomes, strict=False)
    )
    cluster = Query("cluster", "10.0.0.10", "udp", "timeout", None, (), (), False, "", 1.0)
    return ProbeFacts(("10.0.0.10",), (), (NameFacts("n", (cluster, *queries), ()),), None)


def test_any_answer_will_do() -> None:
    reach.refuse_silent(LINK, seen("answer", "answer", "answer", "answer"), ADDRESSES)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (("timeout",) * 4, "none of the questions"),
        (("answer", "timeout", "answer", "answer"), "1 of 4 questions"),
        (("answer", "answer", "refused", "answer"), "10.10.2.4 udp: refused"),
        ((), "nothing was asked"),
    ],
)
def test_one_that_is_silent_is_named(outcomes: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnhealthyError) as raised:
        reach.refuse_silent(LINK, seen(*outcomes), ADDRESSES)
    assert said in raised.value.detail
    assert "CoreDNS was not told" in raised.value.detail
    assert raised.value.hint.startswith("cloudlink status")
    assert raised.value.resource == "dns_forward.forward"


def test_another_cluster_whose_pod_gets_no_answer_is_told_by_its_own_key() -> None:
    link = LINK.on(ClusterPlace("green", "demo"))
    with pytest.raises(UnhealthyError, match="From a pod on green") as raised:
        reach.refuse_silent(link, seen(*("timeout",) * 4), ADDRESSES, "dns_forward.forward[green]")
    assert raised.value.resource == "dns_forward.forward[green]"
