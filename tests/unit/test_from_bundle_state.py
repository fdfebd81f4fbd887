"""A configuration with a store for the state, in a sandbox that is started from a bundle."""

from __future__ import annotations

import tomllib

from cloudlink.session.from_bundle import _STATE_TABLE, _kept_aside


def test_where_the_state_was_is_kept_as_comments() -> None:
    text = 'name = "demo"\n\n[state]\nbucket = "links"\nregion = "eu-west-1"\n\n[aws]\nregion = "eu-west-1"\n'
    made = _STATE_TABLE.sub(_kept_aside, text)
    assert tomllib.loads(made) == {"name": "demo", "aws": {"region": "eu-west-1"}}
    assert '# [state]\n# bucket = "links"\n# region = "eu-west-1"\n' in made
    assert "came with the bundle" in made
    assert _STATE_TABLE.sub(_kept_aside, made) == made, "what is read again stays as it is"
    last = _STATE_TABLE.sub(_kept_aside, 'name = "demo"\n[state]\nbucket = "links"')
    assert tomllib.loads(last) == {"name": "demo"} and '# bucket = "links"' in last
