"""How fast the sandbox answers one client that asks one thing after another: milliseconds, by cloud, as JSON.

Run in a process of its own, because the AWS client makes it large. What is timed is the client's whole call.
"""

from __future__ import annotations

import http.client
import json
import ssl
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMES = 100


def timed(ask: Callable[[], object]) -> float:
    """The median, in milliseconds."""
    ask()  # connects, and shakes hands
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


class Https:
    """One connection that stays open."""

    def __init__(self, url: str, ca_file: str) -> None:
        place = urlsplit(url)
        context = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=context)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Any:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data)


def azure(address: dict[str, Any]) -> Callable[[], object]:
    link = Https(address["azure_url"], address["ca_file"])
    form = {
        "grant_type": "client_credentials",
        "client_id": address["azure_client_id"],
        "client_secret": address["azure_client_secret"],
        "scope": f"{address['azure_url']}/.default",
    }
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    token = link.ask("POST", f"/{address['azure_tenant']}/oauth2/v2.0/token", urlencode(form), **kind)["access_token"]
    path = (
        "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/test/providers/Microsoft.Network"
        "/virtualNetworks/test-vnet?api-version=2024-05-01"
    )
    return lambda: link.ask("GET", path, Authorization=f"Bearer {token}")


def aws(address: dict[str, Any]) -> Callable[[], object]:
    import boto3

    ec2 = boto3.client(
        "ec2",
        region_name="eu-central-1",
        endpoint_url=address["aws_url"],
        aws_access_key_id=address["aws_access_key"],
        aws_secret_access_key=address["aws_secret_key"],
    )
    return ec2.describe_vpn_connections


def main() -> None:
    address = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps({"azure": timed(azure(address)), "aws": timed(aws(address))}))


if __name__ == "__main__":
    main()
