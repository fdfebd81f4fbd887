"""``python -m supply check | installed | why | audit``.

check: whether the locks hold everything that both pyproject.toml ask for, with hashes (no network). installed: whether this
environment is locks/dev.txt and nothing else. why: what is installed and for what. audit: known weaknesses of what is
locked; the second argument is the pip-audit to ask.
"""

from __future__ import annotations

import sys
from pathlib import Path

from supply import audit, declared, installed, locks, why


def main(arguments: list[str]) -> int:
    match arguments:
        case ["check"]:
            wrong = locks.check(
                locks.read(), declared.read(), declared.builders(declared.texts()), installed.packages()
            )
            return _told(wrong, "The locks hold everything that both pyproject.toml ask for.", "Renew them: just lock")
        case ["installed"]:
            wrong = list[str]()
            pins = locks.parse("dev", locks.read()["dev"], wrong)
            wrong += locks.not_as_locked(pins, installed.packages(), installed.TOOLS)
            return _told(wrong, f"{len(pins)} packages are locked, and what is installed is that.", "")
        case ["why"]:
            print(why.table(why.rows(declared.read(), installed.packages())))
            return 0
        case ["audit", program]:
            code, said = audit.audit(Path(program), locks.FOLDER / "dev.txt")
            print(said)
            return code
        case _:
            print(__doc__)
            return 2


def _told(wrong: list[str], good: str, then: str) -> int:
    print("\n".join([*wrong, then] if wrong else [good]).rstrip())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
