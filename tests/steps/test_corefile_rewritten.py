"""A rewrite that makes a name of ours of another one: CoreDNS goes on with it in the same server block, which knows no AWS."""

from __future__ import annotations

import pytest

from cloudlink.steps.dns_forward.corefile import examine

KEY, ZONE = "cloudlink-demo.server", "prod.corp.example"


def warned(key: str, text: str) -> tuple[str, ...]:
    return examine({key: text, KEY: ""}, KEY, (ZONE,)).warnings


@pytest.mark.parametrize(
    "rule",
    [
        f"rewrite name db.internal db.{ZONE}",
        f"rewrite stop name exact db.internal db.{ZONE}.",
        f"rewrite name suffix .internal .{ZONE}",
        f"rewrite name regex (.*)\\.internal {{1}}.{ZONE} answer auto",
        f"rewrite stop {{\n    name regex (.*)\\.internal {{1}}.{ZONE.upper()}\n    answer auto\n}}",
    ],
)
def test_it_is_told(rule: str) -> None:
    (said,) = warned("rw.override", rule + "\n")
    assert said.startswith("The key rw.override makes ") and "there Azure's DNS answers, and not AWS" in said
    (said,) = warned("x.server", f"internal:53 {{\n{rule}\nforward . /etc/resolv.conf\n}}\n")
    assert "The key x.server makes" in said


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("rw.override", "rewrite name db.internal db.other.example\n"),
        ("rw.override", f"rewrite name db.{ZONE} db.internal\n"),
        ("rw.override", f"rewrite ttl db.{ZONE} 30\n"),
        ("rw.override", f"forward {ZONE} 10.0.0.10\nrewrite name db.internal db.{ZONE}\n"),  # goes round by the service
        ("x.server", f"internal:53 {{\nrewrite name db.internal db.{ZONE}\nforward . 10.0.0.10\n}}\n"),
    ],
)
def test_it_is_not(key: str, text: str) -> None:
    assert [w for w in warned(key, text) if "makes" in w] == []
