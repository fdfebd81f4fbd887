"""Names that lead to an application load balancer which does not know them: they resolve and connect, and HTTP gets the
listener's own fixed answer, mostly 404. The AWS Load Balancer Controller makes such listeners: each Ingress is a rule for its
hosts, and everything else is answered 404.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_balancers import (
    HostRule,
    Listener,
    LoadBalancer,
    host_rules,
    listeners,
    load_balancers,
)
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.outputs import Targets

TOPIC = "names"
RECORDS = "resolver.records"
_MOST_READ = 10  # load balancers: each takes a call, and one more for each listener that answers itself
_MOST_SHOWN = 4
_REFUSAL = 400  # statuses from here on say that nothing is there


@dataclass(frozen=True)
class Heard:
    """A listener of an application load balancer, with its rules."""

    balancer: str
    listener: Listener
    rules: tuple[HostRule, ...] = ()


@dataclass(frozen=True)
class Unanswered:
    """Names that a listener answers itself."""

    names: tuple[str, ...]
    balancer: str
    listener: Listener
    statuses: tuple[int, ...]
    known: tuple[str, ...]  # the hosts that it has rules for

    @property
    def said(self) -> str:
        many, port = len(self.names) > 1, self.listener.port
        hosts = f"Its rules are for {_listed(self.known)}." if self.known else "It has no rules for hosts."
        return (
            f"{_listed(self.names)} {'lead' if many else 'leads'} to {self.balancer}, whose listener on port {port} has nothing for "
            f"{'these hosts' if many else 'this host'} and answers HTTP with a fixed {' or '.join(map(str, self.statuses))}. "
            f"The {'names resolve and connect' if many else 'name resolves and connects'} all the same. {hosts}"
        )


def find(context: Context) -> Iterator[Finding]:
    """No call where no name of the plan's records leads to an application load balancer."""
    if context.writes(RECORDS) and context.targets is not None:
        led = leading(context.link, context.targets)
        yield from check(unanswered(read(context.aws, (arn for arn, _ in led.values())), led), context.link)


Led = Mapping[str, tuple[str, tuple[int, ...]]]
"""Full name -> ARN of its load balancer, and its ports."""


def leading(link: Link, targets: Targets) -> dict[str, tuple[str, tuple[int, ...]]]:
    hosts = {host.fqdn(zone.name): host.ports for zone, host in link.dns.all_hosts}
    return {name: (b.arn, hosts[name]) for name, b in targets.load_balancers.items() if name in hosts}


def read(aws: Aws, arns: Iterable[str]) -> dict[str, tuple[Heard, ...]]:
    """By ARN, the listeners of those that are application load balancers. Rules are read where it matters."""
    wanted = dict.fromkeys(arns)
    found = [b for b in load_balancers(aws.load_balancers()) if b.arn in wanted and b.kind == "application"]
    if not found:
        return {}
    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(lambda b: (b.arn, _heard(aws, b)), found[:_MOST_READ]))


def _heard(aws: Aws, balancer: LoadBalancer) -> tuple[Heard, ...]:
    return tuple(
        Heard(balancer.name, one, host_rules(aws.listener_rules(one.arn)) if one.fixed >= _REFUSAL else ())
        for one in listeners(aws.listeners(balancer.arn))
    )


def unanswered(heard: Mapping[str, Sequence[Heard]], led: Led) -> Iterator[Unanswered]:
    """Pure."""
    for arn, listeners_of_it in heard.items():
        for one in listeners_of_it:
            here = [name for name, (of, ports) in led.items() if of == arn and one.listener.port in ports]
            asked = [(name, answers) for name in here if (answers := _refused(name, one))]
            for statuses, names in groupby(sorted(asked, key=lambda a: a[1]), key=lambda a: a[1]):
                known = dict.fromkeys(h for r in one.rules for h in r.hosts)
                yield Unanswered(tuple(n for n, _ in names), one.balancer, one.listener, statuses, tuple(known))


def _refused(name: str, heard: Heard) -> tuple[int, ...]:
    """The statuses that a request for this host gets, whatever its path; none: it may be handed on."""
    possible = []
    for rule in heard.rules:
        if rule.unclear:
            return ()
        if not rule.hosts or any(_may_be(name, h) for h in rule.hosts):
            possible.append(rule.fixed)
            if rule.always and not name.startswith("*"):
                break
    else:
        possible.append(heard.listener.fixed)
    return tuple(sorted(set(possible))) if all(status >= _REFUSAL for status in possible) else ()


def _may_be(name: str, pattern: str) -> bool:
    """Whether the pattern is for the host, or, of a wildcard name, for some host below it."""
    if name.startswith("*."):
        below, literal = name[1:], re.split(r"[*?]", pattern)[-1]
        return literal.endswith(below) or (literal != pattern and below.endswith(literal))
    wanted = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(wanted, name.lower()) is not None


def check(found: Iterable[Unanswered], link: Link) -> Iterator[Finding]:
    for one in found:
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "A load balancer answers nothing for a host of that name",
            one.said,
            "Add the host to the Ingress (spec.rules) or to a rule of the listener, or point the name at another load balancer:\n"
            f"aws elbv2 describe-rules --region {link.aws.region} --listener-arn {one.listener.arn}",
            resource=RECORDS,
            key="dns.hosts",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    shown = ", ".join(names[:_MOST_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
