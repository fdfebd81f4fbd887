"""A secret leaves through reveal() and nowhere else."""

from __future__ import annotations

import copy
import json
import pickle
import re
import traceback

import pytest

from cloudlink.secret import Secret, new_pre_shared_key

VALUE = "correct-horse"


@pytest.mark.parametrize(
    "words",
    [
        str(Secret(VALUE)),
        repr(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE)!r:>30}",
        f"{Secret(VALUE):>30}",
        "%s %r" % (Secret(VALUE), Secret(VALUE)),  # noqa: UP031  the logging module formats like this
        repr([Secret(VALUE)]),
        json.dumps({"key": Secret(VALUE)}, default=str),
        str(sorted(dir(Secret(VALUE)))),
    ],
)
def test_it_is_not_shown(words: str):
    assert VALUE not in words


def test_it_cannot_be_serialised():
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        pickle.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(VALUE))
    with pytest.raises(TypeError):
        vars(Secret(VALUE))


def test_it_does_not_stand_in_tracebacks():
    def use(key: Secret) -> None:
        raise ValueError(f"refused {key}")

    with pytest.raises(ValueError) as caught:
        use(Secret(VALUE))
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert VALUE not in "".join(line for line in stack.format() if "key = " in line)
    assert VALUE not in str(caught.value)


def test_it_can_be_compared_and_revealed():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert {Secret(VALUE), Secret(VALUE)} == {Secret(VALUE)}
    assert Secret(VALUE)
    assert not Secret("")
    assert Secret(VALUE).reveal() == VALUE


def test_generated_keys_are_accepted_by_both_clouds():
    keys = {new_pre_shared_key().reveal() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31,63}", key)
        assert len(key) == 48
