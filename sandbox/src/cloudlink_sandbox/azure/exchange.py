"""A request as the topics see it, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cloudlink_sandbox.azure.errors import ApiError

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """path: the segments as they were sent. where: what the route's placeholders matched.

    base_url: of this sandbox, without a trailing slash; every URL in an answer is built from it.
    fault_target: how faults and the journal call this request, such as ``azure.PUT:connections/tunnel-1``.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    base_url: str
    where: dict[str, str] = field(default_factory=dict)
    fault_target: str = ""

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    def json(self) -> Json:
        """The body as an object. Raises ApiError as ARM does when it is none."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as exc:
            raise ApiError(
                400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{exc}'."
            ) from None
        if not isinstance(value, dict):
            raise ApiError(
                400,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'expected an object'.",
            )
        return value


@dataclass
class Answer:
    """body: an object or list is sent as JSON; Ellipsis means no body at all; None is the JSON word null.

    retry_after: sandbox seconds that a client should wait; the application turns it into a header.
    """

    status: int
    body: Any = ...
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None


Endpoint = Callable[[Request], Answer]
