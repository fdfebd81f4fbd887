"""What every service's answers share: the cloud they belong to, the dispatch without moto's own HTTP server, faults.

The second seam with moto: a ``BaseResponse`` parses a request and serializes a result from botocore's model, and
``call_action`` finds the method for the operation.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores
from werkzeug.exceptions import HTTPException

from cloudlink_sandbox.aws.refusal import Refusal, not_modelled
from cloudlink_sandbox.aws.timeline import Outcome

if TYPE_CHECKING:
    from cloudlink_sandbox.aws.cloud import AwsCloud
    from cloudlink_sandbox.aws.refusal import Protocol
    from cloudlink_sandbox.world import World


class Answers(BaseResponse):
    """One request of one service. Subclasses have a method for each operation, named in snake case."""

    cloud: AwsCloud
    protocol: Protocol
    region: str
    from_moto: ClassVar[frozenset[str]] = frozenset()
    """The operations that moto answers well enough. Its others are refused, lest its gaps be taken for AWS."""

    def for_cloud(self, cloud: AwsCloud, protocol: Protocol) -> Answers:
        self.cloud = cloud
        self.protocol = protocol
        return self

    @property
    def now(self) -> float:
        return self.cloud.now

    def call_action(self) -> Any:
        """Run the operation's method. Raises Refusal InvalidAction for one that nobody wrote."""
        operation = self._get_action()
        method = getattr(self, camelcase_to_underscores(operation or ""), None) if operation else None
        if method is None or (method.__module__.startswith("moto.") and operation not in self.from_moto):
            raise not_modelled(self.protocol, operation or self.method + " " + self.path)
        headers = self.response_headers
        if operation in self.from_moto:
            self.before_motos()
        try:
            result = method()
        except ServiceException as problem:
            result = ActionResult(problem)
        except HTTPException as problem:
            headers.update({k.lower(): v for k, v in dict(problem.get_headers() or []).items()})
            return problem.code, headers, problem.description
        except NotImplementedError as problem:  # moto's FilterNotImplementedError is one as well
            raise Refusal("InvalidParameterValue", f"The sandbox does not model this: {problem}") from problem
        if isinstance(result, ActionResult):
            status, headers, body = self.serialized(result)
        elif isinstance(result, str):
            status, body = 200, result
        else:
            status, headers, body = self._transform_response(headers, result)
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def before_motos(self) -> None:
        """Raises Refusal for what moto would carry out although AWS would not."""

    def given(self, name: str, default: Any = None) -> Any:
        """A parameter of the request, by its name in the model; nested names have dots."""
        value = self._get_param(name)
        return default if value is None else value

    def outcome(self) -> Outcome:
        """How the operation that this call starts will end, if a fault says so."""
        fault = self.cloud.sky.faults.strike(f"aws.{self._get_action()}", "operation-fails", "operation-hangs")
        if fault is None:
            return "succeeds"
        return "fails" if fault.kind == "operation-fails" else "hangs"

    @cached_property
    def world(self) -> World:
        """Both sides as they stand at this call."""
        return self.cloud.sky.world()

    def draw(self, kind: str, key: str) -> float:
        """How long something takes, in sandbox seconds."""
        return self.cloud.sky.durations.draw(kind, key)
