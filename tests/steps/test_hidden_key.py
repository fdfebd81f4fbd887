"""A pre-shared key that we may not read in Azure: no difference is claimed to what was not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from cloudlink.checks.tunnel_causes import _keys_differ
from cloudlink.clouds.azure.errors import hides
from cloudlink.core.plan import diff, spec_hash
from cloudlink.core.resource import Outputs
from cloudlink.secret import Secret, UnseenSecret
from tests.support.azure_sandbox import AzureSandbox, Server, azure_link

CONNECTION = "azure_vpn.connection[0]"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureSandbox]:
    front = Server(tmp_path_factory.mktemp("sandbox"))
    made = AzureSandbox(azure_link(), front)
    made.make_all(CONNECTION)
    yield made
    front.listener.stop()


class Answer:
    """As azure-core gives one, with a body of ours."""

    def __init__(self, body: Any, status: int = 200) -> None:
        self.body, self.status_code, self.headers, self.reason = body, status, {}, "x"

    def json(self) -> Any:
        return self.body


def refusal(status: int, code: str) -> Callable[[], Answer]:
    def refuse() -> Answer:
        raise HttpResponseError(message=code, response=Answer({"error": {"code": code, "message": "no"}}, status))  # type: ignore[arg-type]

    return refuse


def hide(
    bench: AzureSandbox, monkeypatch: pytest.MonkeyPatch, instead: object, of_its_own: Callable[[], Answer]
) -> list[str]:
    """Connections without their key, or with ``instead``; what is asked at the key's own address is answered so."""
    real = bench.azure._session.ask
    asked: list[str] = []

    def ask(method: str, path: str, **query: str) -> Any:
        if path.endswith("/sharedkey"):
            asked.append(method)
            return of_its_own()
        answer = real(method, path, **query)
        if "/connections/" not in path:
            return answer
        body = answer.json()
        body["properties"].pop("sharedKey", None)
        if instead is not None:
            body["properties"]["sharedKey"] = instead
        return Answer(body)

    monkeypatch.setattr(bench.azure._session, "ask", ask)
    return asked


HIDDEN = {
    "403": refusal(403, "AuthorizationFailed"),
    "500": refusal(500, "InternalServerError"),
    "404": refusal(404, "NotFound"),
    "empty": lambda: Answer({"value": ""}),
    "null": lambda: Answer({"value": None}),
}


@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("instead", [None, ""])
def test_a_key_that_may_not_be_read_is_no_drift(
    bench: AzureSandbox, monkeypatch: pytest.MonkeyPatch, how: str, instead: str | None
) -> None:
    asked = hide(bench, monkeypatch, instead, HIDDEN[how])
    node = bench.node(CONNECTION)
    found = bench.find(node)
    assert found is not None and found.spec is not None
    assert diff(found.spec, node.spec(Outputs(bench.outputs))) == (), "up would write it again and again"
    assert asked == ["GET"], "once, and not again as a failure of Azure's"
    assert "sharedKey" not in (node.raw(fresh=False) or {})["properties"]


def test_a_key_is_read_at_its_own_address_and_compared(bench: AzureSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    node = bench.node(CONNECTION)
    wanted = node.spec(Outputs(bench.outputs))
    with monkeypatch.context() as same:
        hide(bench, same, None, lambda: Answer({"value": wanted.key.reveal()}))
        found = bench.find(node)
        assert found is not None and diff(found.spec, wanted) == ()
    hide(bench, monkeypatch, None, lambda: Answer({"value": "somebodyelsesK3y"}))
    found = bench.find(node)
    assert found is not None
    assert [f.field for f in diff(found.spec, wanted)] == ["key"]
    assert "somebodyelsesK3y" not in repr(found)


def test_another_difference_is_still_seen_and_written_with_the_key(
    bench: AzureSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(bench, monkeypatch, None, HIDDEN["403"])
    node = bench.node(CONNECTION)
    wanted = node.spec(Outputs(bench.outputs))
    record = bench.record("connections/cloudlink-demo-connection-1")
    record.properties["dpdTimeoutSeconds"] = 20
    found = bench.find(node)
    assert found is not None
    assert [f.field for f in diff(found.spec, wanted)] == ["policy"]
    node.update(found, wanted)
    bench.wait(node)
    assert record.properties["sharedKey"] == wanted.key.reveal()
    assert bench.record("connections/cloudlink-demo-connection-1").properties["dpdTimeoutSeconds"] == 45


def test_what_was_not_seen_differs_from_nothing() -> None:
    unseen, key = UnseenSecret(), Secret("k" * 20)
    assert unseen == key
    assert key == unseen
    assert not unseen
    assert unseen != "k" * 20
    assert not _keys_differ(key, unseen)
    assert spec_hash(unseen) == spec_hash(key)
    assert Secret("") != key


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthorizationFailed", True),
        (500, "InternalServerError", True),
        (503, "ServerBusy", False),
        (429, "TooMany", False),
    ],
)
def test_only_a_refusal_and_that_one_failure_hide_a_key(status: int, code: str, expected: bool) -> None:
    with pytest.raises(HttpResponseError) as raised:
        refusal(status, code)()
    assert hides(raised.value) is expected
