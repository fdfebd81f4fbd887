"""What plugins take: by cloudlink's check and by the sandbox, over the table that tests/coredns puts to the real CoreDNS."""

from __future__ import annotations

import pytest

from cloudlink.steps.dns_forward import corefile, corefile_plugins
from cloudlink.steps.dns_forward.corefile_grammar import Directive
from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS
from cloudlink_sandbox.kube.corefile import BrokenCorefile
from cloudlink_sandbox.kube.plugins import configure
from tests.coredns.catalogue import ALWAYS, REWRITES, ZONE, Case
from tests.coredns.catalogue_plugins import MORE

KEY = "cloudlink-demo.server"
BASE = ADDON_CONFIGMAPS["coredns"]["data"]["Corefile"]
VERSION = (1, 14, 3)


@pytest.mark.parametrize("case", (*MORE, *REWRITES), ids=lambda c: c.name)
def test_a_key_with_which_coredns_would_not_start_is_named(case: Case) -> None:
    starts = case.starts <= VERSION
    found = corefile.examine({**case.keys, KEY: ""}, KEY, (ZONE,), VERSION)
    assert (not found.conflicts) == starts, found.conflicts
    assert all(any(key in sentence for key in case.keys) for sentence in found.conflicts)


@pytest.mark.parametrize("case", MORE, ids=lambda c: c.name)
def test_the_sandboxs_coredns_ends_with_the_same(case: Case) -> None:
    keys = {f"custom/{k}": v for k, v in case.keys.items()} | {f"custom/{KEY}": f"{ZONE}:53 {{\n    errors\n}}\n"}
    try:
        configure({"Corefile": BASE} | keys, "1.14.3")
    except BrokenCorefile:
        assert case.starts > VERSION
    else:
        assert case.starts <= VERSION


@pytest.mark.parametrize(
    ("plugin", "option"),
    [("template", "new"), ("log", "new"), ("errors", "new"), ("acl", "new")],
)
def test_a_newer_coredns_may_know_more_words(plugin: str, option: str) -> None:
    arguments = ("IN", "A") if plugin == "template" else ()
    line = Directive(plugin, arguments, ((option,),), "k")
    assert list(corefile_plugins.problems(line)) != []
    assert list(corefile_plugins.problems(line, newer=True)) == []


def test_what_no_version_takes_is_named_for_a_newer_one_too() -> None:
    line = Directive("hosts", (), (("ttl", "30s"),), "k")
    (why,) = corefile_plugins.problems(line, newer=True)
    assert why == "hosts does not take ttl 30s (seconds, from 1 on, without a unit)"
    assert ALWAYS < VERSION
