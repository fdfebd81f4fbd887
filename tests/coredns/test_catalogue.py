"""Three readers of one table: the real CoreDNS, cloudlink's own check, and the sandbox."""

from __future__ import annotations

import pytest

from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile_rules import version_of
from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS
from cloudlink_sandbox.kube.corefile import BrokenCorefile
from cloudlink_sandbox.kube.plugins import configure
from tests.coredns.catalogue import CASES, ZONE, Case
from tests.coredns.catalogue_plugins import MORE
from tests.coredns.conftest import Starter
from tests.coredns.process import Running
from tests.coredns.test_written_block import KEY, our_key

BASE = ADDON_CONFIGMAPS["coredns"]["data"]["Corefile"]


def sandbox_says(keys: dict[str, str], version: str) -> str:
    """Why the sandbox's CoreDNS does not start; empty when it does."""
    try:
        configure({"Corefile": BASE} | {f"custom/{k}": v for k, v in keys.items()}, version)
    except BrokenCorefile as error:
        return str(error)
    return ""


@pytest.mark.program("Of every file of the failure catalogue the sandbox says what the real CoreDNS does")
@pytest.mark.parametrize("case", (*CASES, *MORE), ids=lambda c: c.name)
def test_all_three_agree(begin: Starter, version: str, case: Case) -> None:
    keys = {**case.keys, **our_key(53, "127.0.0.11")}
    begun = begin(keys)
    starts = isinstance(begun, Running)
    # The rest of the log says why, should this fail.
    assert starts == case.starts_with(version), begun.log
    conflicts = corefile.examine(keys, KEY, (ZONE,), version_of(version)).conflicts
    sandbox = sandbox_says(keys, version)
    assert (not conflicts, not sandbox) == (starts, starts), f"{conflicts}\n{sandbox}\n{begun.log}"
