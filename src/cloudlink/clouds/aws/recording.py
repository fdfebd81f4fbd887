"""Hands what AWS answers to the recording of a bundle, as it came over the wire."""

from __future__ import annotations

import threading
from typing import Any

from cloudlink.clouds.recorded import RECORDING

_TARGET = "X-Amz-Target"


def attach(client: Any) -> None:
    """Keep what this client is answered. botocore sends a request and gets its answer on one thread."""
    sent = threading.local()

    def sends(request: Any, **_: Any) -> None:
        sent.request = request

    def received(response_dict: dict[str, Any] | None, **_: Any) -> None:
        request = getattr(sent, "request", None)
        if response_dict is None or request is None:  # no answer came
            return
        target = request.headers.get(_TARGET, b"")
        RECORDING.add(
            "aws",
            request.method,
            request.url,
            request.body,
            int(response_dict["status_code"]),
            response_dict["headers"],
            response_dict["body"],
            service=client.meta.service_model.signing_name,
            target=target.decode() if isinstance(target, bytes) else target,
        )

    client.meta.events.register_last("before-send", sends)
    client.meta.events.register("response-received", received)
