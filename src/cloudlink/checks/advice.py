"""One cause, and one thing to do about it, from everything that status has found. Pure.

``cloudlink up`` is advised only where it would write something that the cause is about: else it would find nothing to do
and send people back. What no command of cloudlink can repair is a person's task, and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloudlink.checks.report import Advice, Check, Drift, Health, Outcome, Stage, TunnelStatus
from cloudlink.errors import MissingError
from cloudlink.link import Link

UP = "cloudlink up"
RESUME = "cloudlink resume"
TEARDOWN = "cloudlink teardown"
PLAN = "cloudlink plan"
_TARGETS = "resolver.targets"
_WAIT, _WAIT_LONG = "cloudlink status --wait 10m", "cloudlink status --wait 30m"
_NO_EFFECT = "changes nothing; ends as soon as the link is healthy"
_OUTAGE = 600.0  # seconds in which an outage mostly ends by itself
_COMMANDS = ("cloudlink ", "az ", "aws ", "kubectl ")
_TOGETHER = 120.0  # seconds: tunnels lost within them were lost together

# Where an ``up`` would have to write in order to repair what a check found: beginnings of addresses.
_REPAIRED_AT = {
    "tunnels": ("aws_vpn.", "azure_vpn."),
    "bgp": ("aws_vpn.", "azure_vpn."),
    "lasting": ("aws_vpn.connection", "azure_vpn.connection"),
    "transit": ("aws_vpn.",),
    "routes-azure": ("aws_vpn.", "azure_vpn."),
    "routes-aks": ("azure_vpn.",),
    "routes-aws": ("aws_vpn.",),
    "filters": ("resolver.ingress", "resolver.security_group"),
    "endpoint": ("resolver.",),
    "zone": ("resolver.",),
    "records": ("resolver.",),
    "targets": ("resolver.",),
    "rules": (),
    "forward": ("dns_forward.",),
    "names-back": ("resolver.back_", "dns_forward.inbound", "dns_forward.resolver"),
}
# What a failed check is called where only its name is given.
_SHORT = {
    "tunnels": "tunnels",
    "bgp": "BGP sessions",
    "lasting": "renewal of the tunnels' keys",
    "transit": "the transit gateway",
    "routes-azure": "routes on Azure",
    "routes-aks": "the cluster's way to the gateway",
    "routes-aws": "routes on AWS",
    "filters": "packet filters",
    "endpoint": "the inbound endpoint",
    "zone": "the zone",
    "records": "records",
    "targets": "what names point at",
    "rules": "a Resolver rule",
    "forward": "CoreDNS",
    "names-back": "names of Azure's zones",
}
_STAGES = (
    ("routes", ("routes-azure", "routes-aks", "routes-aws", "filters")),
    ("DNS", ("endpoint", "zone", "rules", "forward")),
    ("names", ("records", "targets", "names-back")),
)


@dataclass(frozen=True)
class Seen:
    """What the advice is made from."""

    link: Link
    health: Health
    tunnels: Sequence[TunnelStatus]
    checks: Sequence[Check]
    drift: Sequence[Drift] | None = ()  # what an ``up`` would write; None: it was not asked
    now: float | None = None  # seconds since the epoch, in the clouds' time; None: not known
    hints: Mapping[str, str] = field(default_factory=dict)  # check -> what to do so that it can be seen
    gateways: Mapping[int, str] = field(default_factory=dict)  # instance of Azure's gateway -> its public address


def repairable(check: str, drift: Sequence[Drift] | None) -> bool:
    """Whether an ``up`` would write something where this check looks, as far as is known."""
    return drift is None or any(d.address.startswith(_REPAIRED_AT.get(check, ())) for d in drift)


def advise(seen: Seen) -> Advice:
    if seen.health is Health.ABSENT:
        return Advice("", command=UP, effect="shows first what it builds and what that costs")
    down = [t for t in seen.tunnels if not t.up]
    blind = next((c for c in seen.checks if c.name == "tunnels" and c.outcome is Outcome.UNSEEN), None)
    if blind:
        return _unseen(seen, blind)
    failed = [c for c in seen.checks if c.outcome is Outcome.FAILED]
    beside = [c for c in failed if c.name not in _OF_TUNNELS and not _follows(c, seen)]
    if beside and len(down) < len(seen.tunnels):  # names fail now, and of the tunnels only the next loss would hurt
        return _of_check(seen, beside[0], beside[1:], down)
    if down:
        return _of_tunnels(seen, down)
    if failed:
        return _of_check(seen, failed[0], failed[1:])
    unseen = next((c for c in seen.checks if c.outcome is Outcome.UNSEEN), None)
    if unseen:
        return _unseen(seen, unseen)
    if seen.drift:
        said = f"Everything works, but {_count(len(seen.drift), 'object is', 'objects are')} not as configured."
        return Advice(said, command=UP, effect=_effect(seen), waiting="Safe to wait: everything works.")
    warned = next((c for c in seen.checks if c.outcome is Outcome.WARNING), None)
    if warned:
        said = f"{warned.title}: {_sentence(warned.detail)}"
        return replace(_typed(warned.fix), cause=said, waiting="Safe to wait.")
    return Advice("", command="cloudlink verify-dns", effect=_NOT_TRIED)


def before_up(told: Advice, gone: Mapping[str, MissingError], *, tunnels_down: bool) -> Advice:
    """With what has to be there before an ``up`` or ``resume``, which else would end with it and send people back.

    gone: address of what the configuration names and cloudlink does not make -> that it is not there.
    """
    if not gone:
        return told
    (where, error), *more = gone.items()
    cause = f"{error.summary}: {_sentence(error.detail)}"
    others = [_cut(f"{e.summary}: {e.detail}") for _, e in more if e.detail not in told.cause]
    writes = told.command in (UP, RESUME)
    if where.startswith(_TARGETS):  # a name leads nowhere, which its own check tells; the rest is as it is
        if not writes:
            return told
        task = f"{told.command} is refused until this is put right: {cause} {_sentence(error.hint)}"
        beside = tuple(o for o in told.others if o.removesuffix(" ...") not in error.detail)
        return replace(told, command="", effect="", task=task, others=beside)
    hidden = error.detail in told.cause or told.cause.startswith("Not seen: ")
    if not (writes or told.command == PLAN or hidden):
        return replace(told, others=(*told.others, _cut(cause), *others))
    typed = _typed(error.hint)
    makes, after = " create " in typed.command, told.command if writes else UP
    task = after if makes else f"Name what there is in the configuration, or have it made again; then {after}"
    also = ("tunnels", *told.consequences) if tunnels_down else told.consequences
    return replace(
        told,
        cause=cause,
        consequences=tuple(dict.fromkeys(also)),
        others=(*others, *(o for o in told.others if not o.startswith("not seen: "))),
        command=typed.command,
        effect="makes it again, empty" if makes else "",
        task=f"{typed.task} {task}. Where the link is not needed any more: {TEARDOWN}, which works all the same.".strip(),
    )


def path(tunnels: Sequence[TunnelStatus], checks: Sequence[Check], names: int) -> tuple[Stage, ...]:
    """From AKS to the names. What lies behind a stage through which nothing passes cannot be told to pass."""
    found = {c.name: c for c in checks}
    up = sum(t.up for t in tunnels)
    whole = found.get("tunnels")
    state = whole.outcome if whole else Outcome.PASSED if up == len(tunnels) else Outcome.FAILED
    if state is Outcome.FAILED and up:
        state = Outcome.WARNING
    stages = [Stage(f"tunnels {'?' if state is Outcome.UNSEEN else up}/{len(tunnels)}", state)]
    through = ((_SHORT["transit"].removeprefix("the "), ("transit",)),) if "transit" in found else ()
    for name, members in (*through, *_STAGES):
        outcomes = [found[m].outcome for m in members if m in found]
        worst = next((o for o in (Outcome.FAILED, Outcome.UNSEEN, Outcome.WARNING) if o in outcomes), Outcome.PASSED)
        if not outcomes or set(outcomes) == {Outcome.SKIPPED}:
            worst = Outcome.SKIPPED
        if not up and state is not Outcome.UNSEEN and (name == "routes" or worst is Outcome.PASSED):
            worst = Outcome.SKIPPED
        # what is read here is records; whether a name works is tried by verify-dns alone
        stages.append(Stage(name if name != "names" else _count(names, "record", "records"), worst))
    return tuple(stages)


def since(health: Health, tunnels: Sequence[TunnelStatus]) -> float | None:
    """When the link became what it is by its tunnels, as AWS says; None: that cannot be told, such as of a tunnel that AWS
    still calls up, or does not know any more."""
    lost = [t for t in tunnels if not t.up]
    down = [t.aws.since for t in lost if t.aws and t.aws.state != "UP" and t.aws.since is not None]
    if health is not Health.HEALTHY and len(down) < len(lost):
        return None
    if health is Health.DOWN or health is Health.NO_REDUNDANCY:
        return max(down, default=None)
    if health is Health.DEGRADED:
        return min(down, default=None)
    if health is Health.HEALTHY:
        return max((t.aws.since for t in tunnels if t.aws and t.aws.since is not None), default=None)
    return None


# --- tunnels ------------------------------------------------------------------------------------------------


def _of_tunnels(seen: Seen, down: Sequence[TunnelStatus]) -> Advice:
    groups = _alike(down)
    can_repair = repairable("tunnels", seen.drift)
    ranked = sorted(groups.items(), key=lambda g: (not (can_repair and g[0][0] == "repair"), -len(g[1])))
    (kind, _), chosen = ranked[0]
    others = [c for c in seen.checks if c.outcome is Outcome.FAILED and not _follows(c, seen)]
    more = tuple(_group(g, seen) for _, g in ranked[1:]) + tuple(_told(c, seen) for c in others) + _also_unseen(seen)
    base = Advice(
        f"{_sentence(_group(chosen, seen))}",
        tunnels=tuple(t.name for t in chosen),
        consequences=tuple(
            _short(c, seen)
            for c in seen.checks
            if c.outcome is Outcome.FAILED and c.name != "tunnels" and _follows(c, seen)
        ),
        others=more,
        waiting=_waiting(seen),
    )
    if kind == "repair" and can_repair:
        return replace(base, command=UP, effect=_effect(seen))
    if kind == "changing":
        return replace(
            base,
            command=_WAIT_LONG,
            effect=_NO_EFFECT,
            task="If it is still so after that: look at it in the cloud's console, or open a support case.",
            waiting="Safe to wait: a cloud is still working on it.",
        )
    if kind == "repair":
        return replace(base, task=_NO_TASK)
    if kind == "person":
        return replace(base, task=_sentence(chosen[0].fix))
    return _outage(seen, kind, chosen, replace(base, cause=_outage_cause(seen, kind, chosen)))


def _alike(down: Sequence[TunnelStatus]) -> dict[tuple[str, str], list[TunnelStatus]]:
    """Tunnels that are down for the same reason."""
    groups: dict[tuple[str, str], list[TunnelStatus]] = {}
    for tunnel in down:
        alike = tunnel.kind in ("silent", "session")
        groups.setdefault((tunnel.kind, "" if alike else tunnel.why), []).append(tunnel)
    return groups


def _group(chosen: Sequence[TunnelStatus], seen: Seen) -> str:
    kind, why = chosen[0].kind, chosen[0].why
    if kind in ("silent", "session"):
        return _outage_cause(seen, kind, chosen).rstrip(".")
    if len(chosen) > 1 and why.endswith(" for it"):
        why = f"{why[: -len(' it')]} them"
    return f"{_names(chosen, seen)}: {why}"


def _outage(seen: Seen, kind: str, chosen: Sequence[TunnelStatus], base: Advice) -> Advice:
    """Both sides are configured alike, or as far as can be seen, and something does not work all the same."""
    if _age(seen, chosen) < _OUTAGE:
        return replace(
            base,
            command=_WAIT,
            effect=_NO_EFFECT,
            task="If it is still so then, the same command names what to reset.",
            waiting="Safe to wait: nothing is being changed, and such outages mostly end by themselves.",
        )
    if kind == "hidden":
        return replace(base, task=_sentence(f"{chosen[0].fix}. Then look again: the keys can be compared"))
    azure = seen.link.azure
    instance = _whole_instance(seen, chosen)
    if len(chosen) > 1 and (instance is not None or len(chosen) == len(seen.tunnels)):
        vip = seen.gateways.get(instance, "") if instance is not None else ""
        name, group = seen.link.azure_gateway
        command = f"az network vnet-gateway reset --name {name} --resource-group {group}"
        command += f" --subscription {azure.subscription}" + (f" --gateway-vip {vip}" if vip else "")
        which = f"instance {instance + 1} only, the other stays up" if vip and instance is not None else "one instance"
        effect = f"restarts {which}; 8 to 15 min"
        if azure.adopt_gateway:
            effect += ". It is not the link's alone: ask those whose connections are on it"
    else:
        first = chosen[0]
        made = first.azure.connection if first.azure else f"cloudlink-{seen.link.name}-connection-{_number(first)}"
        command = (
            f"az resource invoke-action --action resetconnection --ids /subscriptions/{azure.subscription}/resourceGroups/"
            f"{azure.resource_group}/providers/Microsoft.Network/connections/{made}"
        )
        effect = f"touches {first.name} only, about a minute"
    waiting = "Waiting does no harm, but this lasts longer than such outages mostly do."
    return replace(base, command=command, effect=effect, task=_support(seen, chosen), waiting=waiting)


def _outage_cause(seen: Seen, kind: str, chosen: Sequence[TunnelStatus]) -> str:
    lost = "BGP, though IPsec is up" if kind == "session" else "IPsec"
    instance = _whole_instance(seen, chosen)
    times = [t.aws.since for t in chosen if t.aws and t.aws.since is not None]
    spread = max(times) - min(times) if len(times) == len(chosen) > 1 else None
    together = f", lost within {max(1, round(spread))} s" if spread is not None and spread <= _TOGETHER else ""
    alike = (
        "; both sides are configured alike." if kind != "hidden" else "; Azure does not show its key for comparison."
    )
    if instance is not None and len(chosen) < len(seen.tunnels):
        at = f" ({seen.gateways[instance]})" if instance in seen.gateways else ""
        return (
            f"Both tunnels of instance {instance + 1} of Azure's gateway{at} are without {lost}{together}{alike} "
            "The instance is down or being serviced."
        )
    return f"{_names(chosen, seen)} {'is' if len(chosen) == 1 else 'are'} without {lost}{together}{alike}"


def _whole_instance(seen: Seen, chosen: Sequence[TunnelStatus]) -> int | None:
    """The one instance of Azure's gateway all of whose tunnels these are."""
    instances = {t.instance for t in chosen}
    if len(instances) != 1:
        return None
    own = [t for t in seen.tunnels if t.instance in instances]
    return instances.pop() if len(own) == len(chosen) > 1 else None


def _support(seen: Seen, chosen: Sequence[TunnelStatus]) -> str:
    at = f" at {chosen[0].aws.outside_ip}" if len(chosen) == 1 and chosen[0].aws else ""
    ends = ", ".join(dict.fromkeys(t.aws.connection for t in chosen if t.aws)) + at
    gateway = " in ".join(seen.link.azure_gateway)
    return f"If that does not help: open a support case with Azure ({gateway}) and with AWS ({ends or 'the VPN'})."


def _age(seen: Seen, tunnels: Sequence[TunnelStatus]) -> float:
    """Seconds since the last of them changed; long, where it cannot be told."""
    times = [t.aws.since for t in tunnels if t.aws and t.aws.since is not None]
    return seen.now - max(times) if times and seen.now is not None else float("inf")


def _follows(check: Check, seen: Seen) -> bool:
    """Whether a failed check only says once more that tunnels are down."""
    if check.name in ("tunnels", "bgp"):
        return True
    return not any(t.up for t in seen.tunnels) and (
        check.name in ("lasting", "routes-azure") or (check.name == "routes-aws" and not check.fix)
    )


# --- beside the tunnels -------------------------------------------------------------------------------------


def _of_check(seen: Seen, check: Check, others: Sequence[Check], down: Sequence[TunnelStatus] = ()) -> Advice:
    """down: tunnels that are not up, beside which the others carry the traffic."""
    cause = _begun(_sentence(_of_many(check.detail)))
    more = tuple(_group(g, seen) for g in _alike(down).values()) + tuple(_told(c, seen) for c in others)
    more += _also_unseen(seen)
    waiting = _waiting(seen) if not down else "Waiting does not help. Traffic passes through the other tunnels."
    if check.name == "lasting":
        waiting = "Not for long: it is lost when its keys are renewed, which happens within hours."
    base = Advice(cause, others=more, waiting=waiting)
    if check.fix.startswith(UP) and repairable(check.name, seen.drift):
        return replace(base, command=UP, effect=_effect(seen))
    if check.fix and not check.fix.startswith(UP):
        typed = _typed(check.fix)
        return replace(base, command=typed.command, task=typed.task)
    by_vnet = check.name == "forward" and seen.link.dns.forward == "vnet"
    return replace(base, task=_VNET_TASK if by_vnet else _TASKS.get(check.name, _NO_TASK))


_NO_TASK = (
    "Everything is as configured, so that cloudlink up has nothing to do: look at it in the cloud's console; if it stays "
    "so, open a support case."
)
_TASKS = {
    "bgp": "The tunnels are up and configured alike: wait some minutes; if it stays so, open a support case with Azure.",
    "routes-azure": "Sessions are up and nothing is in the way: wait some minutes; if it stays so, open a support case with Azure.",
    "endpoint": (
        "The endpoint is as configured, but AWS does not call it well: if it stays so for half an hour, look at its subnets "
        "and network interfaces, or open a support case with AWS."
    ),
    "forward": (
        "CoreDNS's key is as configured: look at its pods. kubectl get pods --namespace kube-system "
        "--selector k8s-app=kube-dns; kubectl logs --namespace kube-system --selector k8s-app=kube-dns"
    ),
}


_VNET_TASK = (
    "The forwarding rules are as configured: look at the resolver and its outbound endpoint in Azure's portal; if it stays so, "
    "open a support case with Azure."
)


def _unseen(seen: Seen, check: Check) -> Advice:
    hint = seen.hints.get(check.name, "")
    unseen = [c for c in seen.checks if c.outcome is Outcome.UNSEEN]
    alike = [c for c in unseen if _reason(c) == _reason(check)]
    said = f"Not seen: {', '.join(_short(c, seen) for c in alike)}. {_begun(_sentence(check.detail))}"
    more = _other_end(seen) if check.name == "tunnels" else ()
    more += tuple(
        _told(c, seen) for c in seen.checks if c.outcome is Outcome.FAILED and c.name not in ("tunnels", "bgp")
    )
    more += _also_unseen(seen, but=_reason(check))
    # nothing was being written
    said = said.replace(": It is not known whether the call had its effect", "")
    hint = re.sub(r"; (?:it checks before|what was begun)\b.*", ".", hint)
    typed = _typed(hint or "Remove what keeps it from being read, then look again.")
    return replace(typed, cause=said, others=more, waiting="Safe to wait: nothing is being changed.")


def _also_unseen(seen: Seen, but: str = "") -> tuple[str, ...]:
    """What could not be read beside the cause, each reason once. but: a reason that is told already."""
    reasons: dict[str, list[str]] = {}
    for check in seen.checks:
        if check.outcome is Outcome.UNSEEN and _reason(check) != but:
            reasons.setdefault(_reason(check), []).append(_short(check, seen))
    return tuple(_cut(f"not seen: {', '.join(names)}: {why}") for why, names in reasons.items())


def _reason(check: Check) -> str:
    """Why it could not be read, without which call told so; permissions are each its own."""
    where, colon, why = check.detail.partition(": ") if "KS cluster " in check.detail[:12] else ("", "", check.detail)
    summary = why.partition(": ")[0]
    return check.detail if "ermission" in summary else f"{where}{colon}{summary}"


def _other_end(seen: Seen) -> tuple[str, ...]:
    """What one cloud says of the tunnels, where the other could not be read."""
    known = [t for t in seen.tunnels if t.azure and not t.aws and t.azure.status not in ("", "Connected")]
    azure = tuple(dict.fromkeys(t.azure.status for t in known if t.azure))
    lost = [t for t in seen.tunnels if t.aws and not t.azure and t.aws.state != "UP"]
    said = [f"Azure reports {_names(known, seen).lower()} {' and '.join(azure)}"] if known else []
    said += [f"AWS reports {_names(lost, seen).lower()} down"] if lost else []
    return tuple(said)


# --- words --------------------------------------------------------------------------------------------------


def _short(check: Check, seen: Seen) -> str:
    by_vnet = check.name == "forward" and seen.link.dns.forward == "vnet"
    return "the VNet's forwarding rules" if by_vnet else _SHORT[check.name]


_MOST_OF_CAUSE = 420  # characters
_MOST = 120  # characters of what is told beside the cause


def _told(check: Check, seen: Seen) -> str:
    """A failed check in one line."""
    return _cut(check.detail or _short(check, seen))


def _of_many(detail: str) -> str:
    """The first sentences of a long detail, as many as a small screen has room for."""
    if len(detail) <= _MOST_OF_CAUSE:
        return detail
    kept = re.match(rf"(.{{80,{_MOST_OF_CAUSE}}})[.;](?= )", detail, re.S)
    return f"{kept[1] if kept else detail[:_MOST_OF_CAUSE].rpartition(' ')[0]}. There is more: cloudlink status --all"


def _cut(text: str) -> str:
    text = text.strip().rstrip(".")
    return text if len(text) <= _MOST else f"{text[:_MOST].rpartition(' ')[0].rstrip(',;:')} ..."


def time_of(drift: Iterable[Drift]) -> str:
    """How long an ``up`` that puts all of it right usually takes."""
    longest = max((d.seconds for d in drift), default=0.0)
    return f"about {max(1, round((longest + 60) / 60))} min"


def _effect(seen: Seen) -> str:
    """What ``up`` would do: which tunnels it takes down for a while, and for how long."""
    drift = seen.drift or ()
    there = {_number(t) for t in seen.tunnels}  # over a gateway of one instance two
    touched = sorted({n for d in drift for n in _touched_by(d)} & there)
    took = time_of(drift)
    up = [t for t in seen.tunnels if t.up and _number(t) not in touched]
    if not touched:
        return f"touches no tunnel; {took}"
    if len(touched) == len(seen.tunnels):
        return f"touches all tunnels; {took}"
    which = f"tunnel{'s' * (len(touched) > 1)} {_listed(touched)}"
    return f"touches {which} only; {took}" + ("; the others stay up" if up else "")


_NOT_TRIED = "tries what no cloud tells: asks each name from a pod that lives for half a minute"
_OF_TUNNELS = ("tunnels", "bgp", "lasting")
_UNDER_ALL = (
    "aws_vpn.gateway",
    "aws_vpn.attachment",
    "azure_vpn.gateway",
    "azure_vpn.gateway_subnet",
    "azure_vpn.inside_addresses",  # Azure may open BGP sessions again while it changes the gateway
)


def _touched_by(drift: Drift) -> tuple[int, ...]:
    """Numbers of the tunnels that are taken down when it is put right: AWS changes the options of each by itself."""
    numbers = _tunnels_of(drift.address)
    of_one = drift.address.startswith("aws_vpn.connection") and drift.what.startswith("policies: ")
    if not of_one or re.search(r"; (?:azure range|aws range|bandwidth|insides|bgp|psk storage): ", drift.what):
        return numbers
    named = {int(n) for n in re.findall(r"\btunnel (\d):", drift.what)}
    return tuple(n for n in numbers if n in named) or numbers


def _tunnels_of(address: str) -> tuple[int, ...]:
    """Numbers of the tunnels that are taken down when this is written."""
    match = re.fullmatch(r"(\w+)\.(\w+?)(?:\[(\d+)\])?", address)
    if match is None:
        return ()
    step, name, index = match[1], match[2], int(match[3] or 0)
    if step == "azure_vpn" and name in ("connection", "local_gateway"):
        return (index + 1,)
    if (step, name) in (("aws_vpn", "connection"), ("aws_vpn", "customer_gateway"), ("azure_vpn", "public_ip")):
        return (2 * index + 1, 2 * index + 2)
    return (1, 2, 3, 4) if address in _UNDER_ALL else ()


def _waiting(seen: Seen) -> str:
    if seen.health is Health.DOWN:
        return "Waiting does not help: nothing passes until this is repaired."
    if seen.health is Health.NO_REDUNDANCY:
        return "Traffic passes, but the next fault takes the whole link down."
    if seen.health is Health.DEGRADED and any(not t.up for t in seen.tunnels):
        return "Safe to wait: traffic passes through the other tunnels."
    return "Waiting does not help. The tunnels are not concerned."


def _typed(fix: str) -> Advice:
    """A fix as a command, or as what a person has to do."""
    if fix.startswith(_COMMANDS) and ";" not in fix and ". " not in fix and "\n" not in fix:
        return Advice("", command=fix)
    return Advice("", task=_sentence(fix))


def _names(tunnels: Sequence[TunnelStatus], seen: Seen) -> str:
    if len(tunnels) == len(seen.tunnels) > 1:
        return f"All {len(tunnels)} tunnels"
    return f"Tunnel{'s' * (len(tunnels) > 1)} {_listed([_number(t) for t in tunnels])}"


def _number(tunnel: TunnelStatus) -> int:
    return int(tunnel.name.rpartition(" ")[2]) if tunnel.name.startswith("tunnel ") else 0


def _listed(numbers: Sequence[int]) -> str:
    said = [str(n) for n in numbers]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _begun(sentence: str) -> str:
    """With a capital, unless an id or a name comes first."""
    first = sentence.partition(" ")[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
