"""MaxResults and NextToken where moto gives everything at once, so that a caller's paging is put to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult

from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError


def paged(key: str, handler: Callable[[Ec2Base], Any]) -> Callable[[Ec2Base], ActionResult]:
    """The handler, with the list of this name in its answer a page at a time.

    Assumption: all of these take MaxResults from 5 to 1000, as their documentation says of most.
    """

    def page(call: Ec2Base) -> ActionResult:
        """Raises ApiError InvalidNextToken for a token that was never given."""
        answer = handler(call)
        everything, size, token = answer.result[key], call.given("MaxResults"), call.given("NextToken")
        if size is not None and not 5 <= int(size) <= 1_000:
            raise ApiError("InvalidParameterValue", f"Value ({size}) for parameter maxResults is invalid.")
        if token is not None and not token.isdecimal():
            raise ApiError("InvalidNextToken", "The token is not valid.")
        start = int(token or 0)
        end = start + int(size or 1_000)
        more = str(end) if end < len(everything) else None
        kind: type[ActionResult] = type(answer)
        return kind({key: everything[start:end], "NextToken": more})

    return page
