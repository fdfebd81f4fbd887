"""Text that wants out of where it is put: nothing in a configuration, on a command line or in a cloud's answer becomes a
line of a Corefile, a part of a command, a line of the log or an order to a terminal."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from cloudlink.checks.names.answers import request
from cloudlink.checks.names.pod import manifest
from cloudlink.checks.names.verify import questions
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.clouds.kube.access import aks_access
from cloudlink.clouds.ownership import owner_of
from cloudlink.config.schema import TABLES, Key, Table
from cloudlink.config.value_types import ValueType
from cloudlink.errors import UsageError
from cloudlink.link import Link
from cloudlink.log import open_log
from cloudlink.steps.azure_resource import foreign_object
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile_grammar import servers
from tests.clouds.test_kube_access import kubeconfig
from tests.config.test_config_fuzz import answer, set_value
from tests.support.config_texts import EXAMPLE, SMALLEST, parsed

LINK = parsed(EXAMPLE.read_text(), sandbox=True)
HOSTILE = (
    "a\nb",
    "a\r\nb",
    "corp.example {\n    forward . 192.0.2.1\n}\n",
    "corp.example:53 { forward . 192.0.2.1 } #",
    "}",
    "a{b}",
    "a'b",
    'a"b',
    "a`id`b",
    "a$(id)b",
    "a;id",
    "a|id",
    "a b",
    "../../etc/passwd",
    "-oProxyCommand=id",
    "a\\b",
    "[bold red]a[/]",
    "\x1b[31ma",
    "\x1b]0;title\x07",
    "a\x00b",
    "\u202ea.example",
    "a\u2028b",
    "a\u200bb",
    "ａ.example",
    "xn--a" + "b" * 300,
    "a" * 100_000,
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
)
STRINGS = [(table, key) for table in TABLES for key in table.keys if key.kind.type.startswith("string")]
# What may stand in a value that is taken, beside letters: nothing that a place it goes to gives a meaning of its own.
HARMLESS = frozenset("0123456789-_.:/@*+=, ")
# Names that others have chosen freely. They go to an SDK, and into commands to type, where they are quoted.
FREE = {"aws.profile"}


@pytest.mark.parametrize(("table", "key"), STRINGS, ids=[f"{t.path}.{k.name}" for t, k in STRINGS])
def test_no_key_takes_text_that_means_more_than_itself(table: Table, key: Key[object], tmp_path: Path) -> None:
    for text in (EXAMPLE.read_text(), SMALLEST):
        for word in HOSTILE:
            said = answer(set_value(text, table, key, json.dumps(word)).encode(), tmp_path)
            if isinstance(said, Link) and key.path not in FREE:
                assert all(c in HARMLESS or c.isalpha() for c in word), f"{key.path} takes {word!r}"


def test_some_strings_are_asked_for_at_all() -> None:
    assert len(STRINGS) > 20
    assert isinstance(STRINGS[0][1].kind, ValueType)


def test_a_command_to_type_is_one_command_whatever_it_names() -> None:
    """Nobody is led to run what stands in the name of a profile or of an Azure object."""
    import botocore.exceptions

    for word in HOSTILE:
        error = aws_errors.translate(botocore.exceptions.NoCredentialsError(), word)
        assert error is not None
        assert shlex.split(error.hint, comments=True)[-1:] == [word], error.hint
    words = "/subscriptions/x/resourceGroups/a(b) $(id);/y"
    conflict = foreign_object(azure_object({"id": words}), owner_of(LINK), "azure_vpn.gateway")
    assert words in shlex.split(conflict.hint.splitlines()[0].partition(": ")[2])


def test_a_corefile_holds_one_server_whatever_the_names() -> None:
    """Zone and link are checked when the configuration is read; upstreams are addresses and nothing else."""
    text = corefile.written(owner_of(LINK), corefile.block(LINK.dns.zone_names, (IPv4Address("10.0.0.1"),)))
    (server,) = servers([("", text)])
    assert [a.removesuffix(":53") for a in server.addresses] == [LINK.dns.zone]
    for word in HOSTILE:
        with pytest.raises(ValueError, match=r"(?s).*"):
            IPv4Address(f"10.0.0.1 {word}")


@pytest.mark.parametrize("word", HOSTILE)
def test_a_name_on_the_command_line_is_data_in_the_pod_or_refused(word: str) -> None:
    usual = manifest(LINK, "p", request([], []))
    try:
        asked = questions(LINK, {}, (f"{word}.{LINK.dns.zone}",))
    except UsageError as error:
        assert error.detail.isprintable()
        return
    pod = manifest(LINK, "p", request([q for q, _ in asked], []))
    (container,), (plain,) = pod["spec"]["containers"], usual["spec"]["containers"]
    (sent,) = container.pop("env")
    plain.pop("env")
    assert pod == usual, "a name reaches the pod in one variable, as JSON, and nowhere else"
    assert json.loads(sent["value"])["names"][0]["name"] == asked[0][0].name
    assert "$(" not in sent["value"], "Kubernetes would put another variable in its place"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "demo.log"
    open_log(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    yield path
    root = logging.getLogger("cloudlink")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


def test_a_record_is_one_line_of_the_log_and_steers_nothing(log: Path) -> None:
    for word in HOSTILE:
        logging.getLogger("cloudlink").error("%s failed: %s", "a.b", f"{word}\n2026-01-01 00:00:00 INFO a.b done")
    text = log.read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(HOSTILE)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\\n2026-01-01" in text


def test_a_message_that_is_plain_stays_as_it_is(log: Path) -> None:
    logging.getLogger("cloudlink").info("azure_vpn.gateway done in 12 s: München – 北京")
    assert log.read_text(encoding="utf-8").endswith("done in 12 s: München – 北京\n")


def test_a_kubeconfigs_program_is_never_run(tmp_path: Path) -> None:
    """Neither when it is read nor when a token is needed; the token comes from whoever signed in to Azure."""
    from cloudlink.secret import Secret

    ran = tmp_path / "ran"
    started: list[str] = []
    sys.addaudithook(lambda event, _: started.append(event) if event in PROCESSES and not done else None)
    done: list[bool] = []
    for api in ("client.authentication.k8s.io/v1beta1", "client.authentication.k8s.io/v1"):
        program = {
            "apiVersion": api,
            "command": "/bin/touch",
            "args": [str(ran)],
            "env": [],
            "interactiveMode": "Always",
        }
        access = aks_access(kubeconfig(exec=program), lambda _: "from-azure")
        token = access.token()
        assert isinstance(token, Secret)
        assert token.reveal() == "from-azure"
    done.append(True)
    assert not ran.exists()
    assert started == []


PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")


def test_the_watch_over_programs_sees_one() -> None:
    seen: list[str] = []
    over: list[bool] = []
    sys.addaudithook(lambda event, _: seen.append(event) if event in PROCESSES and not over else None)
    os.system("true")
    over.append(True)
    assert seen == ["os.system"]
