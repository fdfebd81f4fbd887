"""Long-running operations: started by writes, asked for by signed URLs, settled by the clock.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Request
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.store import KEPT_SECONDS, Operation, Record, Store

NETWORK = "Microsoft.Network"
AKS = "Microsoft.ContainerService"
AKS_OPERATIONS_VERSION = "2016-03-30"  # AKS's operations have this version whatever the request had

# What a client is told to wait, in sandbox seconds. Gateways are slow and their steps grow; the rest is short.
GATEWAY_STEPS = (10.0, 10.0, 20.0, 20.0, 40.0, 40.0, 80.0, 160.0, 100.0)
SHORT = (3.0,)
PLAIN = (10.0,)


class Operations:
    """Starts operations and answers polls. ``results`` gives the result of a POST when it is fetched,
    by its action or by its operation's name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.results: dict[str, Callable[[Operation], Any]] = {}

    def start(
        self,
        request: Request,
        record: Record,
        *,
        name: str,
        lasts: str,
        shows: str = "Updating",
        flips: tuple[str, ...] = (),
        applies: tuple[str, ...] = (),
        locks: tuple[str, ...] = (),
        steps: tuple[float, ...] = PLAIN,
        **more: Any,
    ) -> Operation:
        """lasts: which of the sandbox's durations it takes. Faults decide whether it fails or never ends."""
        now = self.store.now()
        ends = now + self.store.context.durations.sample(lasts, record.id.key)
        faults = self.store.context.faults
        error = more.pop("error", None)
        fault = faults.match(target, "operation-fails", "operation-hangs") if (target := request.fault_target) else None
        if fault is not None and fault.kind == "operation-hangs":
            ends = math.inf
        elif fault is not None:
            error = errors.server_error().inner()
        operation = Operation(
            guid=str(uuid.uuid4()),
            name=name,
            namespace=record.id.namespace,
            subscription=record.id.subscription,
            location=record.location or "global",
            target=record.id.key,
            started_at=now,
            ends_at=ends,
            shows=shows,
            flips=flips,
            applies=applies,
            locks=locks,
            error=error,
            retry_after=steps,
            api_version=request.api_version,
            **more,
        )
        self.store.operations[operation.guid] = operation
        return operation

    # URLs

    def status_url(self, request: Request, operation: Operation) -> str:
        """Long and signed, as Azure's are since the end of 2023: 2.3 kB of certificate and a signature."""
        return self._url(request, operation, "operations", signed=True)

    def result_url(self, request: Request, operation: Operation) -> str:
        if operation.namespace == AKS:
            return self._url(request, operation, "operationresults", signed=False)
        return self._url(request, operation, "operationResults", signed=True)

    def _url(self, request: Request, operation: Operation, word: str, *, signed: bool) -> str:
        version = AKS_OPERATIONS_VERSION if operation.namespace == AKS else request.api_version
        url = (
            f"{request.base_url}/subscriptions/{operation.subscription}/providers/{operation.namespace}"
            f"/locations/{operation.location}/{word}/{operation.guid}?api-version={version}"
        )
        if not signed:
            return url
        ticks, certificate, signature, digest = self._signature(operation)
        return f"{url}&t={ticks}&c={quote(certificate)}&s={quote(signature)}&h={quote(digest)}"

    def _signature(self, operation: Operation) -> tuple[str, str, str, str]:
        ticks = str(int((operation.started_at + 62_135_596_800) * 10_000_000))
        key = self.store.signing_key.encode()
        seed = hashlib.shake_256(key).digest(1700)
        certificate = base64.urlsafe_b64encode(seed).decode().rstrip("=")
        signed = hmac.digest(key, f"{operation.guid}/{ticks}".encode(), "sha256")
        wide = hashlib.shake_256(signed).digest(256)
        return (
            ticks,
            certificate,
            base64.urlsafe_b64encode(wide).decode().rstrip("="),
            base64.urlsafe_b64encode(signed).decode().rstrip("="),
        )

    # Answers to the writes

    def accepted(self, request: Request, operation: Operation, status: int, body: Any = ...) -> Answer:
        """PUT: status URL alone. DELETE: both. POST: the result URL, and for resets both."""
        headers: dict[str, str] = {}
        if operation.namespace == NETWORK:
            headers["Azure-AsyncNotification"] = "Enabled"
        if not operation.action:
            headers["Azure-AsyncOperation"] = self.status_url(request, operation)
        if operation.removes or operation.empties or operation.post:
            headers["Location"] = self.result_url(request, operation)
        wait = operation.next_wait() if operation.namespace == NETWORK else None
        return Answer(status, body, headers, retry_after=wait)

    # Polls

    def status(self, request: Request) -> Answer:
        operation = self._find(request, signed=True)
        now = self.store.now()
        body: dict[str, Any]
        if operation.namespace == AKS:
            return Answer(200, self._aks_status(operation, now))
        if not operation.done(now):
            return Answer(200, {"status": "InProgress"}, retry_after=operation.next_wait())
        if operation.error is not None:
            body = {"status": "Failed", "error": operation.error}
        else:
            body = {"status": "Succeeded"}
            if operation.post:
                body["properties"] = {}
        return Answer(200, body)

    def result(self, request: Request) -> Answer:
        operation = self._find(request, signed=operation_is_signed(request))
        headers = {"Location": self.result_url(request, operation)}
        if not operation.action:
            headers["Azure-AsyncOperation"] = self.status_url(request, operation)
        if operation.namespace == NETWORK:
            headers["Azure-AsyncNotification"] = "Enabled"
        if not operation.done(self.store.now()):
            body = None if operation.post else ...
            return Answer(202, body, headers, retry_after=operation.next_wait())
        if operation.error is not None:
            # Assumption: the result URL of a failed operation answers with the error itself.
            raise ApiError(400, operation.error.get("code"), operation.error.get("message", ""))
        if operation.removes or operation.empties:
            return Answer(204, ..., headers)
        made = self.results.get(operation.action or operation.name)
        if made is not None and operation.result is None:
            operation.result = made(operation)
        return Answer(200, operation.result, headers)

    def _find(self, request: Request, *, signed: bool) -> Operation:
        guid = request.where["guid"]
        operation = self.store.operations.get(guid.lower())
        # Assumption: a URL whose signature was cut or rebuilt is answered as if the operation did not exist.
        intact = operation is not None and (
            not signed or hmac.compare_digest(request.query.get("h", ""), self._signature(operation)[3])
        )
        if operation is None or not intact or self.store.now() - operation.ends_at > KEPT_SECONDS:
            raise ApiError(404, None, f"Operation {guid} not found.")
        return operation

    def _aks_status(self, operation: Operation, now: float) -> dict[str, Any]:
        body: dict[str, Any] = {
            "name": operation.guid,
            "status": "InProgress",
            "startTime": timestamp(operation.started_at),
        }
        if operation.done(now):
            body["status"] = "Succeeded" if operation.error is None else "Failed"
            body["endTime"] = timestamp(operation.ends_at)
            if operation.error is not None:
                body["error"] = operation.error
        return body


def operation_is_signed(request: Request) -> bool:
    return request.where.get("namespace", "").lower() != AKS.lower()


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def refuse_if_locked(
    store: Store, operations: Operations, request: Request, id_: ResourceId, locks: tuple[str, ...], *, retryable: bool
) -> None:
    """retryable: the kind of resource whose own second write is told when to come again (429), not that it is
    refused (409). A lock that another resource holds is always 409."""
    running = store.lock_on(*locks)
    if running is None:
        return
    if retryable and running.target == id_.key:
        raise errors.retryable(running.name, running.guid, str(id_))
    raise errors.another_operation(operations.status_url(request, running).split("&t=")[0])
