"""An answer of dictionaries that carry the model's own names, which is quicker to serialize than moto's objects."""

from __future__ import annotations

from typing import Any

from moto import settings
from moto.core.responses import ActionContext, ActionResult
from moto.core.serialize import EC2Serializer

from cloudlink_sandbox.aws.ec2_xml import Ec2Xml


def _pick(context: Any) -> Any:
    """moto tries half a dozen spellings of every absent member; here there is one."""
    return context.obj.get(context.key)


class Plain(ActionResult):
    """``Plain({"VpnGateways": [{...}]})``: only dictionaries, lists and scalars, at every depth."""

    def execute_result(self, context: ActionContext) -> tuple[int, dict[str, Any], str | bytes]:
        kind = Ec2Xml if context.serializer_class is EC2Serializer else context.serializer_class
        serializer = kind(
            operation_model=context.operation_model, pretty_print=settings.PRETTIFY_RESPONSES, value_picker=_pick
        )
        made = serializer.serialize(self.result)
        return made["status_code"], dict(made["headers"]), made["body"]
