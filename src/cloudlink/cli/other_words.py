"""What users of other tools type, in this one's words: ``apply``, ``destroy``, ``--auto-approve``, ``-o json`` ...

Only what means the same is taken for ours; what has no like here is answered with what to type instead.
"""

from __future__ import annotations

from cloudlink.errors import UsageError

_COMMANDS = {"apply": "up", "create": "up", "destroy": "teardown", "delete": "teardown", "check": "doctor"}
_OPTIONS = {"--auto-approve": "--yes", "-auto-approve": "--yes", "--assume-yes": "--yes", "-f": "--config"}
_VERSION = (["version"], ["-v"], ["-version"])
_OUTPUT = ("-o", "--output")
_VERBOSE = ("-v", "-vv", "-vvv", "--verbose", "--debug")
_WRITING = ("up", "teardown")


def ours(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The command line in our words, and what was taken for what. Raises UsageError."""
    if arguments in _VERSION:
        return ["--version"], []
    told: list[str] = []

    def say(theirs: str, our: str) -> str:
        told.append(f"{theirs} is {our} here.")
        return our

    made: list[str] = []
    rest = list(arguments)
    if rest and rest[0] in _COMMANDS:
        made.append(say(rest[0], _COMMANDS[rest[0]]))
        del rest[0]
    elif rest:
        made.append(rest.pop(0))
    while rest:
        word = rest.pop(0)
        if word == "--":
            made += [word, *rest]
            break
        if word in _OPTIONS and not (word == "-f" and made[:1] == ["sandbox"]):
            made.append(say(word, _OPTIONS[word]))
        elif word in _OUTPUT and rest[:1] == ["json"]:
            made.append(say(f"{word} {rest.pop(0)}", "--json"))
        elif word in ("-ojson", "-o=json", "--output=json"):
            made.append(say(word, "--json"))
        elif word in ("--dry-run", "--check") and made[:1] == ["up"]:
            made[0] = "plan"
            made = [w for w in made if w not in ("--yes", "-y")]
            told.append(f"up {word} is plan here.")
        elif word == "--dry-run" and made[:1] == ["plan"]:
            told.append("plan changes nothing: --dry-run is left out.")
        elif word == "--dry-run" and made[:1] == ["teardown"]:
            raise UsageError(
                "teardown has no dry run",
                "It shows what it would remove and asks, before anything is removed.",
                "cloudlink teardown",
            )
        elif word in _VERBOSE and made[:1] != ["sandbox"]:
            raise UsageError(
                "There is no more to be said on the screen",
                f"{word} was given. What a run does to each object is in its log, .cloudlink/NAME.log beside the configuration.",
                "For programs: --json",
            )
        else:
            made.append(word)
    if made[:1] == ["plan"]:
        made = [w for w in made if w not in ("--yes", "-y")]
    return made, told
