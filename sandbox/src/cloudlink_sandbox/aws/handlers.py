"""What the handlers of all services share: the cloud they belong to, the dispatch without moto's own HTTP server, faults.

The second seam with moto: a ``BaseResponse`` parses a request and serializes a result from botocore's model, and
``call_action`` finds the method for the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores
from werkzeug.exceptions import HTTPException

from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.errors import ApiError, Protocol, not_modelled, parameter_not_modelled
from cloudlink_sandbox.aws.timeline import Outcome
from cloudlink_sandbox.aws.unread_parameters import unread
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.world import World


class Handlers(BaseResponse):
    """One request of one service. Subclasses have a method for each operation, named in snake case."""

    cloud: AwsAccount
    protocol: Protocol
    region: str
    from_moto: ClassVar[frozenset[str]] = frozenset()
    """The operations that moto answers well enough. Its others are refused, because their gaps would be believed to be AWS's."""

    def for_cloud(self, cloud: AwsAccount, protocol: Protocol) -> Handlers:
        self.cloud = cloud
        self.protocol = protocol
        return self

    @classmethod
    def answers(cls, operation: str) -> bool:
        """Whether the sandbox models this operation; all others are refused."""
        method = getattr(cls, camelcase_to_underscores(operation), None)
        return method is not None and (operation in cls.from_moto or not method.__module__.startswith("moto."))

    def handler(self, operation: str) -> Callable[[], Any]:
        """What answers an operation that is modelled."""
        method: Callable[[], Any] = getattr(self, camelcase_to_underscores(operation))
        return method

    @property
    def now(self) -> float:
        return self.cloud.now

    def call_action(self) -> Any:
        """Run the operation's method. Raises ApiError InvalidAction for one that nobody wrote."""
        operation = self._get_action()
        if not operation or not self.answers(operation):
            raise not_modelled(self.protocol, operation or self.method + " " + self.path)
        headers = self.response_headers
        if lost := unread(self.handler(operation), type(self), operation, getattr(self, "params", None) or {}):
            raise parameter_not_modelled(self.protocol, ", ".join(lost), operation)
        if operation in self.from_moto:
            self.before_motos()
        try:
            result = self.handler(operation)()
        except ServiceException as problem:
            result = ActionResult(problem)
        except HTTPException as problem:
            headers.update({k.lower(): v for k, v in dict(problem.get_headers() or []).items()})
            return problem.code, headers, problem.description
        except NotImplementedError as problem:  # moto's FilterNotImplementedError is one as well
            raise ApiError("InvalidParameterValue", f"The sandbox does not model this: {problem}") from problem
        if isinstance(result, ActionResult):
            status, headers, body = self.serialized(result)
        elif isinstance(result, str):
            status, body = 200, result
        else:
            status, headers, body = self._transform_response(headers, result)
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def before_motos(self) -> None:
        """Raises ApiError for what moto would carry out although AWS would not."""

    def given(self, name: str, default: Any = None) -> Any:
        """A parameter of the request, by its name in the model; nested names have dots."""
        value = self._get_param(name)
        return default if value is None else value

    def outcome(self) -> Outcome:
        """How the operation that this call starts will end, if a fault says so."""
        fault = self.fault("operation-fails", "operation-hangs")
        if fault is None:
            return "succeeds"
        return "fails" if fault.kind == "operation-fails" else "hangs"

    def fault(self, *kinds: str) -> Fault | None:
        """The fault of one of these kinds that hits this call."""
        operation = self._get_action()
        return self.cloud.context.faults.match(f"aws.{operation}", *kinds, also=f"aws.{self.region}.{operation}")

    @cached_property
    def world(self) -> World:
        """Both sides at this call."""
        return self.cloud.context.world()

    def sample(self, kind: str, key: str) -> float:
        """How long something takes, in sandbox seconds."""
        return self.cloud.context.durations.sample(kind, key)
