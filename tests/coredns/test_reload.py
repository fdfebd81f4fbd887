"""A broken coredns-custom goes unseen while CoreDNS runs, and takes it down at its next start."""

from __future__ import annotations

import pytest

from cloudlink.steps.dns_forward import corefile
from tests.coredns.conftest import FROM_AZURE, Starter
from tests.coredns.process import Refused
from tests.coredns.test_written_block import ENDPOINT, KEY, ZONE, Serve, our_key, started
from tests.coredns.upstreams import Upstream, addressed, free_port

# AKS's line is `reload`: every 30 s, give or take 15. These are the shortest that it takes.
OFTEN = "reload 2s 1s"


@pytest.fixture
def port(resolver: Upstream) -> int:
    return free_port(*ENDPOINT)


@pytest.mark.program("A running CoreDNS takes up a new key by reload")
def test_our_key_is_taken_up_by_a_running_one(begin: Starter, serve: Serve, port: int) -> None:
    serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    running = started(begin({}, OFTEN))
    assert running.addresses(f"before.{ZONE}") == [FROM_AZURE]
    running.mount(our_key(port, ENDPOINT[0]))
    running.wait_for_log("Reloading complete")
    assert running.addresses(f"after.{ZONE}") == ["10.1.1.50"]


@pytest.mark.program(
    "A broken key is refused by a running CoreDNS and stops a new one, with the lines that the sandbox writes"
)
def test_a_broken_key_is_refused_by_a_running_one_and_stops_a_new_one(begin: Starter, serve: Serve, port: int) -> None:
    serve(ENDPOINT[0], port, addressed("10.1.1.50"))
    ours = our_key(port, ENDPOINT[0])
    running = started(begin(ours, OFTEN))
    broken = {**ours, "x.server": "other.example:53 {\n    nonsense\n}\n"}
    running.mount(broken)
    running.wait_for_log("Corefile changed but reload failed")
    for line in (
        "starting with listener file descriptors: ",
        "[INFO] Reloading\n",
        "[ERROR] Restart failed: ",
        "Unknown directive 'nonsense'",
    ):
        assert line in running.log
    for tcp in (False, True):
        assert running.addresses(f"still-{tcp}.{ZONE}", tcp=tcp) == ["10.1.1.50"]
        assert running.addresses(f"still-{tcp}.example.", tcp=tcp) == [FROM_AZURE]
    assert running.is_alive

    new = begin(broken)
    assert isinstance(new, Refused)
    assert "Unknown directive 'nonsense'" in new.log
    assert corefile.examine(broken, KEY, (ZONE,)).conflicts

    running.mount(ours)  # and back: it goes on as if nothing had been
    running.mount({**ours, "x.server": "other.example:53 {\n    whoami\n}\n"})
    running.wait_for_log("Reloading complete")
    assert running.addresses(f"at-the-end.{ZONE}") == ["10.1.1.50"]
