"""MaxResults and NextToken where moto gives everything at once, so that a caller's paging is put to use."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.network_interfaces import NetworkInterfaceAnswers
from cloudlink_sandbox.aws.route_tables import RouteTableAnswers
from cloudlink_sandbox.aws.security_groups import SecurityGroupAnswers
from cloudlink_sandbox.aws.tags import TagAnswers


class PagingAnswers(Ec2Room):
    """Assumption: all of these take MaxResults from 5 to 1000, as their documentation says of most."""

    def _paged(self, answer: Any, key: str) -> ActionResult:
        """Raises ApiError InvalidNextToken for a token that was never given."""
        everything, size, token = answer.result[key], self.given("MaxResults"), self.given("NextToken")
        if size is not None and not 5 <= int(size) <= 1_000:
            raise ApiError("InvalidParameterValue", f"Value ({size}) for parameter maxResults is invalid.")
        if token is not None and not token.isdecimal():
            raise ApiError("InvalidNextToken", "The token is not valid.")
        start = int(token or 0)
        end = start + int(size or 1_000)
        more = str(end) if end < len(everything) else None
        kind: type[ActionResult] = type(answer)
        return kind({key: everything[start:end], "NextToken": more})

    def describe_subnets(self) -> ActionResult:
        return self._paged(EC2Response.describe_subnets(self), "Subnets")  # type: ignore[arg-type]

    def describe_tags(self) -> ActionResult:
        return self._paged(TagAnswers.describe_tags(self), "Tags")  # type: ignore[arg-type]

    def describe_vpcs(self) -> ActionResult:
        return self._paged(EC2Response.describe_vpcs(self), "Vpcs")  # type: ignore[arg-type]

    def describe_network_interfaces(self) -> ActionResult:
        return self._paged(NetworkInterfaceAnswers.describe_network_interfaces(self), "NetworkInterfaces")  # type: ignore[arg-type]

    def describe_route_tables(self) -> ActionResult:
        return self._paged(RouteTableAnswers.describe_route_tables(self), "RouteTables")  # type: ignore[arg-type]

    def describe_security_groups(self) -> ActionResult:
        return self._paged(SecurityGroupAnswers.describe_security_groups(self), "SecurityGroups")  # type: ignore[arg-type]
