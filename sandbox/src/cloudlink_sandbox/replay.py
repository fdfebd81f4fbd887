"""Clouds that only say what was recorded: a sandbox that was started from a bundle of ``cloudlink gather``.

The answers lie in the sandbox's folder, in ``answers.json``: ``{"read_at": seconds, "exchanges": [...]}``. Each exchange says what was
asked (``cloud``, ``service``, ``method``, ``path``, ``asked``) and what came back (``status``, ``headers``, ``answer``), and
``base``, the server that the answer's own addresses begin with. The same question is answered as often as it was, in that order,
and then with the last answer. One that was asked with other times or numbers gets the answer that is nearest. Everything else, and
with it every write, is refused in the cloud's own form.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.own_files import read_own

ANSWERS_FILE = "answers.json"
BELOW = "/recorded"  # of the clusters' servers, whose paths begin with something
_WHY = "This sandbox was started from a bundle: it answers what was read for it, and nothing can be written."
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_USER_CREDENTIAL = re.compile(r"(/.*/managedClusters/([^/]+))/listClusterUserCredential$", re.IGNORECASE)
_BESIDE = re.compile(r"/beside-(\d+)(?=/)")  # below BELOW: of an AKS cluster beside the first

Cloud = Literal["aws", "azure", "aks", "eks"]
App = Callable[..., Iterable[bytes]]
Exchange = Mapping[str, Any]


class Replay:
    """Thread-safe. urls: the servers' own addresses, once they are known. authority: PEM."""

    def __init__(self, exchanges: Iterable[Exchange], read_at: float, authority: str) -> None:
        self.read_at = read_at
        self.urls: dict[str, str] = {}
        self._authority = base64.b64encode(authority.encode()).decode()
        self._lock = threading.Lock()
        self._given: dict[str, int] = defaultdict(int)
        self._exact: dict[str, list[Exchange]] = defaultdict(list)
        self._like: dict[str, list[Exchange]] = defaultdict(list)
        for one in exchanges:
            self._exact[_key(one, one["asked"])].append(one)
            self._like[_key(one, _action(one["asked"]))].append(one)
        # ARM ids of the AKS clusters beside the first
        told = (one for questions in self._exact.values() for one in questions)
        self._beside = sorted({one["service"] for one in told if one["cloud"] == "aks" and one["service"]})

    def app(self, cloud: Cloud, otherwise: App) -> App:
        """otherwise: answers what is no part of a recording, which is signing in."""

        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
            if cloud == "azure" and ("/oauth2/" in path or "/.well-known/" in path or path == "/metadata/endpoints"):
                return otherwise(environ, start_response)
            status, headers, body = self._answer(cloud, path.removeprefix(BELOW), environ)
            head = [(name.title(), value) for name, value in headers.items() if name != "content-length"]
            start_response(
                f"{status} {'OK' if status < 300 else 'Refused'}", [*head, ("Content-Length", str(len(body)))]
            )
            return [body]

        return answer

    def _answer(self, cloud: Cloud, path: str, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        method, service = environ["REQUEST_METHOD"], ""
        if cloud == "aws":
            signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
            service = signed[1] if signed else ""
        if cloud == "azure" and (cluster := _USER_CREDENTIAL.search(path)):
            return self._kubeconfig(cluster[1].lower(), cluster[2])
        if cloud == "aks" and (other := _BESIDE.match(path)):
            service, path = (*self._beside, "")[min(int(other[1]), len(self._beside))], path[other.end() :]
        body = environ["wsgi.input"].read().decode("utf-8", "replace")
        asked = _asked(environ.get("QUERY_STRING", ""), body, environ.get("HTTP_X_AMZ_TARGET", ""))
        found = self._found({"cloud": cloud, "service": service, "method": method, "path": path or "/"}, asked)
        if found is None:
            return _refused(cloud, service)
        return self._told(found)

    def _found(self, question: Mapping[str, str], asked: list[Any]) -> Exchange | None:
        key = _key(question, asked)
        if same := self._exact.get(key):
            with self._lock:
                number = self._given[key]
                self._given[key] += 1
            return same[min(number, len(same) - 1)]
        like = self._like.get(_key(question, _action(asked)), ())
        if question["method"] not in ("GET", "POST", "HEAD") or question["cloud"] in ("aks", "eks"):
            return None
        return max(like, key=lambda one: sum(part in asked for part in one["asked"]), default=None)

    def _told(self, found: Exchange) -> tuple[int, dict[str, str], bytes]:
        answer, headers = found["answer"], dict(found["headers"])
        if found["service"] == "eks" and isinstance(answer, dict) and "endpoint" in (answer.get("cluster") or {}):
            there = {"endpoint": self.urls["eks"] + BELOW, "certificateAuthority": {"data": self._authority}}
            answer = {"cluster": {**answer["cluster"], **there}}
        text = answer if isinstance(answer, str) else json.dumps(answer)
        if found["cloud"] == "azure":
            text = text.replace(found["base"], self.urls["azure"])
            headers = {name: value.replace(found["base"], self.urls["azure"]) for name, value in headers.items()}
        return int(found["status"]), headers, text.encode()

    def _kubeconfig(self, id_: str, cluster: str) -> tuple[int, dict[str, str], bytes]:
        """No credential is in a bundle: the cluster is this sandbox's, and asks for none."""
        which = f"/beside-{self._beside.index(id_)}" if id_ in self._beside else ""
        server = {"server": self.urls["aks"] + BELOW + which, "certificate-authority-data": self._authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": server}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "recorded"}}],
            "current-context": cluster,
            "users": [{"name": "recorded", "user": {"token": "recorded"}}],
        }
        value = base64.b64encode(json.dumps(config).encode()).decode()
        answer = {"kubeconfigs": [{"name": "clusterUser", "value": value}]}
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()


def read(home: Path, authority: str) -> Replay | None:
    """None: this folder's sandbox has clouds of its own. Raises InvalidRequest for a file that is none of ours."""
    try:
        content = json.loads(read_own(home / ANSWERS_FILE))
        return Replay(content["exchanges"], float(content["read_at"]), authority)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(
            "The recorded answers cannot be read",
            f"{home / ANSWERS_FILE}: {error}.",
            "Forget them: {command} reset",
        ) from error


def _key(question: Mapping[str, Any], asked: Any) -> str:
    path = question["path"].lower() if question["cloud"] == "azure" else question["path"]
    return json.dumps([question["cloud"], question["service"], question["method"], path, asked], sort_keys=True)


def _action(asked: Iterable[Any]) -> list[Any]:
    """What AWS is to do, without the arguments; of the others the path says it."""
    return [part for part in asked if isinstance(part, list) and part[:1] in ([""], ["Action"])]


def _asked(query: str, body: str, target: str) -> list[Any]:
    """As the recording has it: pairs in order, and the JSON that was sent."""
    parts: list[Any] = [["", target]] if target else []
    parts += [[k, v] for k, v in parse_qsl(query, keep_blank_values=True)]
    if body[:1] in ("{", "["):
        try:
            return [*sorted(parts), json.loads(body)]
        except ValueError:
            pass
    return sorted([*parts, *([k, v] for k, v in parse_qsl(body, keep_blank_values=True))])


def _refused(cloud: Cloud, service: str) -> tuple[int, dict[str, str], bytes]:
    if cloud == "azure":
        told: Any = {"error": {"code": "AuthorizationFailed", "message": _WHY}}
    elif cloud != "aws":
        told = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "reason": "Forbidden",
            "message": _WHY,
            "code": 403,
        }
    elif service == "ec2":
        error = f"<Error><Code>UnauthorizedOperation</Code><Message>{escape(_WHY)}</Message></Error>"
        text = f"<Response><Errors>{error}</Errors><RequestID>recorded</RequestID></Response>"
        return 403, {"content-type": "text/xml"}, text.encode()
    elif service in ("route53", "elasticloadbalancing", "sts", "iam"):
        error = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{escape(_WHY)}</Message></Error>"
        text = f"<ErrorResponse>{error}<RequestId>recorded</RequestId></ErrorResponse>"
        return 403, {"content-type": "text/xml"}, text.encode()
    else:
        told = {"__type": "AccessDeniedException", "message": _WHY, "Message": _WHY}
    return 403, {"content-type": "application/json"}, json.dumps(told).encode()
