"""A state in an Azure blob, locked by a lease of a minute, which the run renews.

A lease is the service's own lock: without its id nothing is written, and when it has ended or was broken a write with its
id is refused. The blob's metadata names its holder. Plain requests through azure-core: these seven calls are not
worth a package, and go by the pipeline whose answers are bounded.
https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

from __future__ import annotations

import shlex
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure import parse_blobs
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.core.object_store import LOCK_SECONDS, Held, Holder, LockHeld, LockLost, same_lock
from cloudlink.errors import CredentialsError, StateError, UnreachableError
from cloudlink.link import AzureSide

_VERSION = "2021-12-02"  # has everything that is asked for here, and is served by every account of today
_SCOPE = "https://storage.azure.com/.default"
_SUFFIX = {
    "public": "blob.core.windows.net",
    "usgovernment": "blob.core.usgovcloudapi.net",
    "china": "blob.core.chinacloudapi.cn",
}
_ROLE = "Storage Blob Data Contributor"
_TRIES = 4
_BETWEEN_WRITES = 20  # tries to break the lease of a run that writes a receipt every moment
_GONE = frozenset({"BlobNotFound", "ContainerNotFound"})


class BlobStore:
    """One blob. session: signed in as for everything else in Azure. sleep: between two tries, wall seconds."""

    def __init__(
        self,
        session: AzureSession,
        side: AzureSide,
        account: str,
        container: str,
        key: str,
        *,
        base_url: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """base_url: of another place than Azure, where the account's name comes first in the path."""
        self._session = session
        self._side = side
        self._account = account
        self._container = container
        self._key = key
        self._base = f"{base_url.rstrip('/')}/{account}" if base_url else f"https://{account}.{_SUFFIX[side.cloud]}"
        self._sleep = sleep
        self._holder: Holder | None = None
        self._lease = ""
        self._versions: bool | None = None

    @property
    def where(self) -> str:
        return f"azblob://{self._account}/{self._container}/{self._key}"

    @property
    def keeps_versions(self) -> bool | None:
        return self._versions

    @property
    def versions_hint(self) -> str:
        return (
            "az storage account blob-service-properties update --enable-versioning true --account-name "
            f"{shlex.quote(self._account)}"
        )

    # --- the lock -----------------------------------------------------------------------------------------

    def lock(self, holder: Holder, *, is_dead: Callable[[Holder], bool]) -> None:
        for attempt in range(_TRIES):
            if attempt == 0 and self._head() is None:
                self._make()
            lease = str(uuid.uuid4())
            headers = {"x-ms-lease-duration": str(round(LOCK_SECONDS)), "x-ms-proposed-lease-id": lease}
            response = self._lease_call("acquire", headers)
            if response.status_code == 201:
                self._holder, self._lease = holder, lease
                self._say_who()
                return
            code = parse_blobs.code_of(response.headers)
            if code in _GONE:
                self._make()
                continue
            if code not in ("LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"):
                raise self._refused(response)
            held = self.held()
            if held is None:
                continue  # it has ended meanwhile
            if held.holder is None or not is_dead(held.holder):
                raise LockHeld(held)
            self._lease_call("break", {"x-ms-lease-break-period": "0"})
        raise LockHeld(Held(None, None, ""))

    def renew(self) -> None:
        """It works for a lease that has ended, too, as long as nobody has written since."""
        self._require_lease()
        response = self._lease_call("renew", {"x-ms-lease-id": self._lease})
        if response.status_code != 200:
            raise self._lost_or_refused(response)

    def unlock(self) -> None:
        if self._lease:
            lease, self._lease = self._lease, ""
            response = self._lease_call("release", {"x-ms-lease-id": lease})
            if response.status_code != 200:
                raise self._lost_or_refused(response)

    def held(self) -> Held | None:
        headers = self._head()
        if headers is None:
            return None
        facts = parse_blobs.blob_facts(headers)
        return Held(facts.holder, None, facts.etag) if facts.leased else None

    def break_lock(self, held: Held) -> None:
        found: Held | None = held
        for _ in range(_BETWEEN_WRITES):
            if found is None:
                return
            response = self._lease_call("break", {"x-ms-lease-break-period": "0", "If-Match": found.token})
            code = parse_blobs.code_of(response.headers)
            if response.status_code == 202 or code in (*_GONE, "LeaseNotPresentWithLeaseOperation"):
                return
            if code != "ConditionNotMet":
                raise self._refused(response)
            found = same_lock(held, self.held())  # its holder has written meanwhile, or another run has the lock
        raise LockHeld(held)

    def _make(self) -> None:
        """A lease needs a blob: an empty one, which counts as none."""
        response = self._send(
            "PUT", body=b"", headers={"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}, what="make"
        )
        if response.status_code != 201 and parse_blobs.code_of(response.headers) not in (
            "BlobAlreadyExists",
            "LeaseIdMissing",
        ):
            raise self._refused(response)

    def _say_who(self) -> None:
        assert self._holder is not None
        headers = {"x-ms-lease-id": self._lease, **parse_blobs.holder_header(self._holder)}
        response = self._send("PUT", query={"comp": "metadata"}, headers=headers)
        if response.status_code != 200:
            raise self._lost_or_refused(response)

    def _lease_call(self, action: str, headers: Mapping[str, str]) -> Any:
        return self._send("PUT", query={"comp": "lease"}, headers={"x-ms-lease-action": action, **headers})

    def _require_lease(self) -> None:
        if not self._lease:
            raise LockLost("it was given back")

    # --- the state ----------------------------------------------------------------------------------------

    def read(self) -> str | None:
        response = self._send("GET")
        if response.status_code == 404 and parse_blobs.code_of(response.headers) == "BlobNotFound":
            return None
        if response.status_code != 200:
            raise self._refused(response)
        try:
            text: str = response.content.decode()
        except UnicodeDecodeError as error:
            raise StateError(
                "The state file is damaged",
                f"{self.where} is not a state file of cloudlink: UnicodeDecodeError. Nothing was changed.",
                "Put an older version of it back, or move it away.",
            ) from error
        return text or None

    def write(self, text: str) -> None:
        self._require_lease()
        assert self._holder is not None
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-blob-content-type": "application/json",
            "x-ms-lease-id": self._lease,
            **parse_blobs.holder_header(self._holder),
        }
        response = self._send("PUT", body=text.encode(), headers=headers)
        if response.status_code != 201:
            raise self._lost_or_refused(response)
        self._versions = parse_blobs.is_versioned(response.headers)

    def delete(self) -> None:
        self._require_lease()
        response = self._send("DELETE", headers={"x-ms-lease-id": self._lease})
        if response.status_code == 202 or parse_blobs.code_of(response.headers) == "BlobNotFound":
            self._lease = ""  # it went with the blob
            return
        raise self._lost_or_refused(response)

    def _head(self) -> Mapping[str, str] | None:
        response = self._send("HEAD")
        if response.status_code == 200:
            headers: Mapping[str, str] = response.headers
            return headers
        if response.status_code == 404 and parse_blobs.code_of(response.headers) == "BlobNotFound":
            return None
        raise self._refused(response)

    # --- calls --------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        what: str = "",
    ) -> Any:
        """The answer, whatever its status. All of these calls may be repeated: under a lease, or with its id, they have
        the same end."""
        from azure.core.rest import HttpRequest

        url = f"{self._base}/{quote(self._container)}/{quote(self._key)}"
        for attempt in range(_TRIES):
            request = HttpRequest(
                method,
                url,
                params=dict(query or {}),
                headers={"x-ms-version": _VERSION, **(headers or {})},
                content=body,
            )
            try:
                response = self._session.storage_pipeline(self._base, _SCOPE).send_request(request)
            except Exception as error:
                passing = azure_errors.transient(error) is not None or azure_errors.unknown_outcome(error)
                if passing and attempt + 1 < _TRIES:
                    self._sleep(2.0**attempt)
                    continue
                known = azure_errors.translate(error, tenant=self._side.tenant, subscription=self._side.subscription)
                raise (known or error) from error
            if response.status_code in (429, 500, 503) and attempt + 1 < _TRIES:
                self._sleep(2.0**attempt)
                continue
            return response
        raise AssertionError("the last try returns or raises")

    def _lost_or_refused(self, response: Any) -> Exception:
        code = parse_blobs.code_of(response.headers)
        if (response.status_code in (409, 412) and code.startswith("Lease")) or code in _GONE:
            return LockLost(f"its lease is not this run's any more ({code})")
        return self._refused(response)

    def _refused(self, response: Any) -> Exception:
        code = parse_blobs.code_of(response.headers) or str(response.status_code)
        rest = {"code": code, "request_id": str(response.headers.get("x-ms-request-id", ""))}
        account, container = shlex.quote(self._account), shlex.quote(self._container)
        if code == "ContainerNotFound":
            return StateError(
                "The container of the state does not exist",
                f"{self.where}: the account {self._account} has no container {self._container}. cloudlink does not make one.",
                f"Correct state.location, or make it: az storage container create --auth-mode login --account-name {account} "
                f"--name {container}",
                **rest,
            )
        if response.status_code in (401, 403):
            network = code == "AuthorizationFailure"
            return CredentialsError(
                "A permission is missing in Azure",
                f"{self.where} answered {code}."
                + (" The account's firewall may keep this machine out as well." if network else ""),
                f'The state needs the role "{_ROLE}" on the container: az role assignment create --role "{_ROLE}" '
                f"--assignee YOU --scope $(az storage account show --name {account} --query id --output tsv)"
                f"/blobServices/default/containers/{container}",
                **rest,
            )
        if response.status_code >= 500 or response.status_code == 429:
            return UnreachableError(
                "Azure failed to answer", f"{self.where} answered {code}.", "Run the command again.", **rest
            )
        hint = "Look at the blob and at its container in Azure's portal."
        if code.startswith("BlobImmutable"):
            hint = (
                "The container has an immutability policy, under which no state can be written twice. Name a container without "
                "one in state.location; versions keep what was written over."
            )
        return StateError("The state's blob was refused", f"{self.where} answered {code}.", hint, **rest)
