"""What all EC2 objects with our tags have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.tags import Mark, find_owned, foreign_object, is_unmarked, name_for, without_our_tags
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.resource import Observed, OutT, Ownership, Phase, Receipts, Resource, SpecT, Started
from cloudlink.link import Link
from cloudlink.steps.permissions import DryRunnable


def gateway_phase(state: str) -> Phase:
    """Of AWS's word for a gateway or an attachment: pending, pendingAcceptance, available, modifying, deleting."""
    return {"available": Phase.READY, "deleting": Phase.DELETING}.get(state, Phase.CREATING)


def started_unless_gone(aws: Aws, id_: str, delete: Callable[[], object]) -> Started | None:
    """A deletion that goes on in the cloud; None where the object is gone already."""
    try:
        delete()
    except Exception as error:
        if aws.missing(error):
            return None
        raise
    return Started(id_)


@dataclass(frozen=True)
class Parsed:
    """An object of AWS's in our words."""

    phase: Phase
    spec: Any
    outputs: Any
    detail: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class AwsResource(Resource[SpecT, OutT], DryRunnable):
    """An object that is tagged in its create call, and found by its tags."""

    link: Link
    aws: Aws
    foreign_stays: bool = False  # one of our state without our tags is left, not refused: so that a teardown goes on

    @abstractmethod
    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        """All objects of the kind, ours or not."""

    @abstractmethod
    def vpc_of(self, item: Ec2Object) -> str:
        """The VPC that an object without a place in its tags serves; empty: nothing shows it."""

    @abstractmethod
    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        """fresh: as in ``find``, should the rest of it be elsewhere."""

    @abstractmethod
    def remove(self, id_: str) -> None:
        """The call that deletes it."""

    def mark(self, name: str) -> Mark:
        """For the create call. name: of the link's part, such as ``gateway``."""
        return mark_of(self.link, self.address, name)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        owner, receipt, there = owner_of(self.link), receipts.of(self), tuple(self.listed(fresh=fresh))
        found = find_owned(
            there,
            owner=owner,
            address=self.address,
            receipt=receipt,
            region=self.link.aws.region,
            vpc_of=self.vpc_of,
        )
        if found is None:
            foreign = without_our_tags(there, owner, self.address, receipt)
            if foreign is None:
                return None
            refusal = foreign_object(foreign, owner, self.address, self.link.aws.region)
            if self.foreign_stays:
                return Observed(foreign.id, Phase.READY, None, None, Ownership.ADOPTED, refusal.hint)
            raise refusal
        p = self.parse(found, fresh=fresh)
        unmarked = p.phase is Phase.READY and is_unmarked(found, owner)
        more = owner.lacking(found.tags) if p.phase is Phase.READY else ()
        return Observed(found.id, p.phase, p.spec, p.outputs, Ownership.OWNED, p.detail, unmarked, more)

    def update(self, found: Observed[SpecT, OutT], spec: SpecT) -> Started:
        raise AssertionError(f"{self.address} cannot be changed in place")

    def complete_marks(self, found: Observed[SpecT, OutT]) -> Started:
        self.aws.mark(found.id, owner_of(self.link))
        return Started(found.id)

    def delete(self, found: Observed[SpecT, OutT], prior_state: Any) -> Started | None:
        return started_unless_gone(self.aws, found.id, lambda: self.remove(found.id))


def mark_of(link: Link, address: str, name: str) -> Mark:
    return Mark(owner_of(link), address, name_for(link.name, name))
