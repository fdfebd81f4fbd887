"""What all EC2 objects that bear our tags have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws.client import Aws, AwsObject
from cloudlink.clouds.aws.tags import find_owned, is_unmarked, lacking
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.resource import Observed, OutT, Ownership, Phase, Receipts, Resource, SpecT, Started
from cloudlink.link import Link


@dataclass(frozen=True)
class Parsed:
    """An object of AWS's in our words."""

    id: str
    phase: Phase
    spec: Any
    outputs: Any
    detail: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class AwsResource(Resource[SpecT, OutT]):
    """An object that is tagged in its create call, and found by the receipt's id or by its tags."""

    link: Link
    aws: Aws
    key: ClassVar[str]  # the field that holds the id
    kind: ClassVar[str]  # for people, such as ``AWS's VPN connections``
    stale: ClassVar[tuple[str, ...]]  # the reads that a write makes stale

    @abstractmethod
    def listed(self, *, fresh: bool) -> Iterable[AwsObject]:
        """All objects of the kind, ours or not."""

    @abstractmethod
    def vpc_of(self, item: AwsObject) -> str:
        """The VPC that an object without a place in its tags serves; empty: nothing shows it."""

    @abstractmethod
    def parse(self, item: AwsObject, *, fresh: bool) -> Parsed:
        """fresh: as in ``find``, should the rest of it be elsewhere."""

    @abstractmethod
    def remove(self, id_: str) -> None:
        """The call that deletes it."""

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        items = self.listed(fresh=fresh)
        owner = owner_of(self.link)
        with parsing(self.kind):
            found = find_owned(
                items,
                key=self.key,
                owner=owner,
                address=self.address,
                receipt=receipts.of(self),
                region=self.link.aws.region,
                vpc_of=self.vpc_of,
            )
            if found is None:
                return None
            p = self.parse(found, fresh=fresh)
            unmarked = p.phase is Phase.READY and is_unmarked(found, owner)
            more = lacking(found, owner) if p.phase is Phase.READY else ()
        return Observed(p.id, p.phase, p.spec, p.outputs, Ownership.OWNED, p.detail, unmarked, more)

    def update(self, found: Observed[SpecT, OutT], spec: SpecT) -> Started:
        raise AssertionError(f"{self.address} cannot be changed in place")

    def complete_marks(self, found: Observed[SpecT, OutT]) -> Started:
        self.aws.mark(found.id, owner_of(self.link))
        return Started(found.id)

    def delete(self, found: Observed[SpecT, OutT], prior_state: Any) -> Started | None:
        try:
            self.remove(found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.cache.invalidate(*self.stale)
        return Started(found.id)
