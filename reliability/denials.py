"""One denial at a time: an action that a role lacks in AWS, Azure or a cluster, a policy, a lock; told before the first write
where a cloud can be asked, met in the middle of a run where it cannot.

However it is met, the run stops with the right code and names what is missing; nothing more is begun than what was under way;
no object of others is changed; and once it is granted, the same command goes on to the same end.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cloudlink.connect import topology_unasked
from cloudlink.steps.least_permissions import Where, least
from cloudlink_sandbox.azure.governance import AUTHORIZATION
from cloudlink_sandbox.azure.policies import Policies
from reliability.fork_server import Ended
from reliability.harness import Harness
from reliability.kill import TrialRunner
from reliability.least_permissions import NOT_IN_THESE_WORLDS, granted, named
from reliability.ownership import by_id, same, touched
from reliability.results import Point, Results

TYPES = "6c112d4e-5bc7-47ae-a041-ea2d9dccd749"  # Azure's own policies: resource types that are not allowed,
TAG = "871b6d14-10aa-478d-b590-94f262ecfa99"  # and a tag that is required
_LOCK = "The lock keep"
_OWN_KINDS = ("publicIPAddresses", "virtualNetworkGateways", "localNetworkGateways", "connections")


@dataclass(frozen=True)
class Denial:
    """apply: puts it in force; lift: takes it back. asked: whether the caller may ask the clouds beforehand. says: whether what
    was shown names it."""

    kind: str
    name: str
    command: tuple[str, ...]
    asked: bool
    apply: Callable[[], None]
    lift: Callable[[], None]
    says: Callable[[Ended], bool]

    def __str__(self) -> str:
        return (
            f"{self.command[0]}, {self.kind}, {self.name}, {'asked beforehand' if self.asked else 'met in the middle'}"
        )


def told(*words: str) -> Callable[[Ended], bool]:
    def says(ended: Ended) -> bool:
        text = re.sub(r"\s+", " ", ended.out + ended.err).lower()
        return all(word.lower() in text for word in words)

    return says


class Denials:
    """All that can be denied, on the worlds of one harness."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.link = harness.link
        self.nodes = topology_unasked(harness.link).nodes()
        self.grants = harness.sandbox.context.grants
        self.store = harness.sandbox.azure.store
        side = self.link.azure
        self.group = f"/subscriptions/{side.subscription}/resourceGroups/{side.resource_group}"
        self.network = (
            f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}"
            f"/providers/Microsoft.Network/virtualNetworks/{side.vnet}"
        )

    def all(self) -> Iterator[Denial]:
        for asked in (True, False):
            yield from self._permissions(asked)
            yield from self._policies(asked)
            yield from self._locks(asked)

    # --- roles ----------------------------------------------------------------------------------------------

    def _permissions(self, asked: bool) -> Iterator[Denial]:
        """AWS's policies, Azure's roles and the roles of both clusters: each action of ``up`` and of ``teardown``."""
        for command in (("up", "--no-verify"), ("teardown", "--yes")):
            every = least(self.link, self.nodes, command[:1], checks=asked)
            for one in least(self.link, self.nodes, command[:1]):
                if one.action in NOT_IN_THESE_WORLDS.get(command[0], ()):
                    continue
                kind = {Where.AWS: "an AWS policy", Where.AZURE: "an Azure role"}.get(one.where, "a cluster's role")
                left = [granted(a) for a in every if a != one]
                yield Denial(
                    kind,
                    str(one),
                    command,
                    asked,
                    lambda left=left: self.grants.limit(left),  # type: ignore[misc]
                    self.grants.allow_all,
                    lambda ended, one=one: named(one, ended),  # type: ignore[misc]
                )

    def _blind(self, asked: bool, command: str) -> None:
        """Where nothing may be asked beforehand, all else may be done."""
        if not asked:
            self.grants.limit(granted(a) for a in least(self.link, self.nodes, [command]))

    # --- policies -------------------------------------------------------------------------------------------

    def _policies(self, asked: bool) -> Iterator[Denial]:
        for kind in _OWN_KINDS:
            listed = {"listOfResourceTypesNotAllowed": {"value": [f"Microsoft.Network/{kind}"]}}
            yield self._policy(f"no {kind}", TYPES, listed, asked, told("policy", "books"))
        yield self._policy("a tag", TAG, {"tagName": {"value": "CostCenter"}}, asked, told("policy", "books", "[tags]"))

    def _policy(
        self, name: str, definition: str, parameters: dict[str, Any], asked: bool, says: Callable[[Ended], bool]
    ) -> Denial:
        id_ = f"{self.group}/providers/{AUTHORIZATION}/policyAssignments/books"
        body = {
            "properties": {
                "policyDefinitionId": f"/providers/{AUTHORIZATION}/policyDefinitions/{definition}",
                "parameters": parameters,
            }
        }

        def apply() -> None:
            self.store.policies[id_.lower()] = Policies(self.store).assignment(id_, self.group, "books", body)
            self._blind(asked, "up")

        def lift() -> None:
            self.store.policies.pop(id_.lower())
            self.grants.allow_all()

        return Denial("an Azure policy", name, ("up", "--no-verify"), asked, apply, lift, says)

    # --- locks ----------------------------------------------------------------------------------------------

    def _locks(self, asked: bool) -> Iterator[Denial]:
        for scope in (self.group, self.network):
            yield self._lock(scope, "ReadOnly", ("up", "--no-verify"), asked)
        net = f"{self.group}/providers/Microsoft.Network"
        own = (
            f"{net}/publicIPAddresses/cloudlink-{self.link.name}-public-ip-1",
            f"{net}/virtualNetworkGateways/cloudlink-{self.link.name}-gateway",
            f"{net}/localNetworkGateways/cloudlink-{self.link.name}-local-gateway-2",
            f"{net}/connections/cloudlink-{self.link.name}-connection-3",
            f"{self.network}/subnets/GatewaySubnet",
        )
        for scope in (self.group, self.network, *own):
            yield self._lock(scope, "CanNotDelete", ("teardown", "--yes"), asked)

    def _lock(self, scope: str, level: str, command: tuple[str, ...], asked: bool) -> Denial:
        id_ = f"{scope}/providers/{AUTHORIZATION}/locks/keep"
        lock = {"properties": {"level": level}, "id": id_, "type": f"{AUTHORIZATION}/locks", "name": "keep"}

        def apply() -> None:
            self.store.locks[id_.lower()] = lock
            self._blind(asked, command[0])

        def lift() -> None:
            self.store.locks.pop(id_.lower())
            self.grants.allow_all()

        where = scope.rpartition("/")[2]
        return Denial(
            "a lock", f"{level} on {where}", command, asked, apply, lift, told(_LOCK) if asked else told("lock", where)
        )


class Trial:
    def __init__(self, runner: TrialRunner) -> None:
        self.runner, self.harness = runner, runner.harness
        self.grants = self.harness.sandbox.context.grants
        self.harness.back_to("empty")
        self.empty = self._world()

    def _world(self) -> dict[tuple[str, str], str]:
        return by_id(self.runner.snapshots.raw())

    def run(self, denial: Denial) -> Point:
        wrong = self._run(denial)
        what = "told before the first write" if denial.asked else "met in the middle"
        return Point("denials", f"{denial.kind}: {what}", str(denial), wrong)

    def _run(self, denial: Denial) -> str:
        harness, up = self.harness, denial.command[0] == "up"
        harness.back_to("empty" if up else "built")
        writes = harness.writes()
        with harness.sandbox.context.lock:
            denial.apply()
        try:
            planned = harness.run("plan") if up else None
            ended = harness.run(*denial.command)
            met = ended.code != 0  # else nothing in this world needs it
            wrote = harness.writes() - writes
        finally:
            with harness.sandbox.context.lock:
                denial.lift()
        harness.settle()
        shown = f"\nplan: {planned}\n{denial.command[0]}: {ended}"
        for one in (planned, ended):
            if one is not None and "Traceback" in one.out + one.err:
                return f"a traceback{shown}"
        if wrong := touched(self.empty, self._world()):
            return f"of others: {wrong}{shown}"
        if met and (wrong := self._stopped(denial, planned, ended, wrote)):
            return f"{wrong}{shown}"
        return self._goes_on(denial)

    def _stopped(self, denial: Denial, planned: Ended | None, ended: Ended, wrote: int) -> str:
        if ended.code not in (3, 4, 5, 8):
            return f"ended with {ended.code}"
        if not denial.says(ended):
            return "what is missing is not named"
        if planned is not None and planned.code in (3, 4):
            if ended.code != planned.code:
                return f"plan ended with {planned.code}, up with {ended.code}"
            return f"the plan refuses, and {wrote} writes were made" if wrote else ""
        if denial.asked and planned is not None and denial.kind != "an AWS policy":
            return "it could have been asked beforehand"  # AWS's tags and dependent actions cannot all be
        if planned is not None and wrote and "Nothing more was begun" not in re.sub(r"\s+", " ", ended.out + ended.err):
            return "it does not say that nothing more was begun"
        return ""

    def _goes_on(self, denial: Denial) -> str:
        """The same command, once it is allowed: it comes to its end, and another one has nothing to do."""
        harness = self.harness
        again = harness.run(*denial.command)
        harness.settle()
        if again.code != 0:
            return f"once it is granted: {again}"
        if denial.command[0] == "teardown":
            left = same(self.empty, self._world())
            return f"after the teardown: {left}" if left else ""
        before = harness.writes()
        further = harness.run(*denial.command)
        if further.code != 0 or harness.writes() != before:
            return f"a further run made {harness.writes() - before} writes: {further}"
        wrong = touched(self.empty, self._world())
        return f"of others, in the end: {wrong}" if wrong else ""


def run(
    results: Results,
    *,
    seed: int,
    part: int = 0,
    of: int = 1,
    most: int = 0,
    only: tuple[str, ...] = (),
) -> int:
    """Returns the number of denials that there are. only: those whose words hold one of these."""
    with Harness() as harness:
        runner = TrialRunner(harness)
        trial = Trial(runner)
        found = list(Denials(harness).all())
        mine = [d for d in found if zlib.crc32(str(d).encode()) % of == part]
        mine = [d for d in mine if not only or any(word in str(d) for word in only)]
        random.Random(seed).shuffle(mine)
        for denial in results.in_time(mine, most):
            if str(denial) not in results.done:
                results.add(trial.run(denial))
        return len(found)
