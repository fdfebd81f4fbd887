"""The sandbox's own interface: clock, faults, journal, world, save, stop. JSON over HTTP on loopback, with a token.

GET  /status            what runs, since when, the clock, counts of calls
POST /clock             {"speed": 60} or {"advance": 3600}
GET  /faults            all faults in force
GET  /faults/targets/<kind>  addresses or names that exist now and that a fault of this kind can hit
POST /faults            {"kind", "target", "times", "skip", "seconds", "duration"}; the answer warns of a target that
                        matches nothing
DELETE /faults[/<id>]   one, or all
GET  /grants            the actions that the caller may call, null: all; and those that were needed
POST /grants            {"actions": [...]}: only these from now on; DELETE: all
GET  /journal           every API call so far; DELETE forgets them
GET  /world             each AWS tunnel and what keeps it from being up
GET  /clusters          both clouds' Kubernetes clusters, each with what a kubeconfig needs
GET  /dns               the name servers of the link, each with a loopback address that answers in its place
GET  /durations         how long each thing that was begun takes, in sandbox seconds
GET  /fixtures          what the clouds held at the start, as in a world file
POST /fixtures          the same: put there what is missing
POST /save, POST /stop  keep the clouds on disk; end the process
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.faults import Fault, FaultKind
from cloudlink_sandbox.world_file import WorldFile, parse


class _HttpError(Exception):
    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Controlled(Protocol):
    """What of a sandbox can be asked and changed here."""

    @property
    def context(self) -> SandboxContext: ...
    def used(self) -> None: ...
    def status(self) -> dict[str, Any]: ...
    def clusters(self) -> list[dict[str, Any]]: ...
    def name_servers(self) -> dict[str, dict[str, str]]: ...
    def world_file(self) -> WorldFile: ...
    def seed(self, world: WorldFile) -> bool: ...
    def fault_warning(self, fault: Fault) -> str: ...
    def fault_targets(self, kind: FaultKind) -> list[str]: ...
    def save(self) -> Path: ...
    def stop_soon(self) -> None: ...


class Control:
    """A WSGI application. The token keeps other users' processes and web pages away from it."""

    def __init__(self, sandbox: Controlled, token: str) -> None:
        self._sandbox = sandbox
        self._token = token

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = "200 OK"
        try:
            if not hmac.compare_digest(environ.get("HTTP_AUTHORIZATION", ""), f"Bearer {self._token}"):
                raise _HttpError("401 Unauthorized", "the token of this sandbox is needed")
            raw = environ["wsgi.input"].read()
            body = json.loads(raw) if raw else {}
            answer = self._answer(environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/"), body)
        except _HttpError as error:
            status, answer = error.status, {"error": str(error)}
        except (InvalidRequest, ValueError, KeyError, TypeError) as error:
            status, answer = "400 Bad Request", {"error": f"{error}"}
        data = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    def _answer(self, method: str, path: list[str], body: dict[str, Any]) -> Any:
        sandbox, context = self._sandbox, self._sandbox.context
        sandbox.used()
        match method, *path:
            case "GET", "status":
                return sandbox.status()
            case "POST", "clock":
                if "speed" in body:
                    context.clock.set_speed(float(body["speed"]))
                if "advance" in body:
                    context.clock.advance(float(body["advance"]))
                return {"now": context.clock.now(), "speed": context.clock.speed}
            case "GET", "faults":
                return {
                    "faults": [f.json() for f in context.faults.in_force()],
                    "kinds": {k: k.meaning for k in FaultKind},
                }
            case "GET", "faults", "targets", kind:
                return {"targets": sandbox.fault_targets(FaultKind(kind))}
            case "POST", "faults":
                fields = {k: body[k] for k in ("kind", "target", "times", "skip", "seconds", "duration") if k in body}
                fault = context.faults.add(Fault(**fields))
                return {**fault.json(), "warning": sandbox.fault_warning(fault)}
            case "DELETE", "faults":
                context.faults.clear()
                return {}
            case "DELETE", "faults", number:
                if not context.faults.remove(int(number)):
                    raise _HttpError("404 Not Found", f"there is no fault {number}")
                return {}
            case "GET", "grants":
                return context.grants.json()
            case "POST", "grants":
                context.grants.limit([str(a) for a in body["actions"]])
                return {}
            case "DELETE", "grants":
                context.grants.allow_all()
                return {}
            case "GET", "journal":
                return context.journal.json()
            case "DELETE", "journal":
                context.journal.clear()
                return {}
            case "GET", "durations":
                samples = list(context.durations.samples.items())
                return {"samples": [{"kind": kind, "key": key, "seconds": s} for (kind, key), s in samples]}
            case "GET", "world":
                return {
                    "now": context.clock.now(),
                    "tunnels": [
                        {
                            "vpn_connection": t.aws.connection_id,
                            "outside_ip": str(t.aws.outside_ip),
                            "inside": str(t.aws.inside),
                            "connection": t.connection.name if t.connection else "",
                            "ipsec": t.ipsec,
                            "bgp": t.bgp,
                            "why": t.why,
                        }
                        for t in context.world().tunnels
                    ],
                }
            case "GET", "clusters":
                return sandbox.clusters()
            case "GET", "dns":
                return {"name_servers": sandbox.name_servers()}
            case "GET", "fixtures":
                return sandbox.world_file().json()
            case "POST", "fixtures":
                return {"changed": sandbox.seed(parse(body))}
            case "POST", "save":
                return {"file": str(sandbox.save())}
            case "POST", "stop":
                sandbox.stop_soon()
                return {}
        raise _HttpError("404 Not Found", f"{method} /{'/'.join(path)} is not known here")
