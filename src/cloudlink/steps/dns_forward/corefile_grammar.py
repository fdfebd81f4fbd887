"""CoreDNS's reading of a Corefile: words, server blocks, directives, imports. Knows no plugin.

As forgiving as the real one where that decides whether it starts: the last closing brace of the last file may be
missing, a block may go without braces when nothing follows it, a block without a zone is dropped.
https://coredns.io/manual/configuration
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field


class Unreadable(Exception):
    """CoreDNS would not start. key: where parsing stops, which need not be the key with the mistake."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True)
class Word:
    text: str
    key: str
    line: int

    def is_on_line_of(self, before: Word) -> bool:
        return (self.key, self.line) == (before.key, before.line + before.text.count("\n"))


@dataclass(frozen=True)
class Directive:
    """A line of a block."""

    name: str
    arguments: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]  # the lines of its own block, if it has one
    key: str


@dataclass(frozen=True)
class Server:
    """A server block."""

    addresses: tuple[str, ...]  # as written
    directives: tuple[Directive, ...]
    key: str


def words(text: str, key: str = "") -> list[Word]:
    """Quotes group; a ``#`` begins a comment, inside a word too, where the comment ends with the next space."""
    return list(_words(text.removeprefix("\ufeff"), key))


def _words(text: str, key: str) -> Iterator[Word]:
    word, quoted, escaped, comment, line, started = "", False, False, False, 1, 1
    for char in text:
        if quoted:
            line += char == "\n"
            if not escaped and char == "\\":
                escaped = True
            elif not escaped and char == '"':
                quoted = False
                yield Word(word, key, started)
                word = ""
            else:
                word += ("\\" if escaped and char != '"' else "") + char
                escaped = False
        elif char == "\r":
            continue
        elif char.isspace():
            line += char == "\n"
            if word:
                comment = False
                yield Word(word, key, started)
                word = ""
            comment = comment and char != "\n"
        elif comment or char == "#":
            comment = True
        elif not word and char == '"':
            quoted, started = True, line
        else:
            started = started if word else line
            word += char
    if word:
        yield Word(word, key, started)


def servers(
    files: Iterable[tuple[str, str]],
    *,
    imports: Mapping[str, str] | None = None,
    is_directive: Callable[[str], bool] = bool,
) -> tuple[Server, ...]:
    """The server blocks of these texts, one after the other as parts of one. Raises Unreadable.

    files: (key, text). imports: what an ``import`` finds; None: imports of files are passed over.
    """
    return _Reader([w for key, text in files for w in words(text, key)], imports, is_directive).servers()


@dataclass
class _Reader:
    words: list[Word]
    imports: Mapping[str, str] | None
    is_directive: Callable[[str], bool]
    at: int = 0
    snippets: dict[str, list[Word]] = field(default_factory=dict)
    imported: int = 0
    head: str = ""  # the key of the first address that was read last: what comes before it may be an import

    def servers(self) -> tuple[Server, ...]:
        found: list[Server] = []
        while self.at < len(self.words):
            addresses = self._addresses()
            key = self.head
            if self.at >= len(self.words):
                if addresses:
                    found.append(Server(tuple(addresses), (), key))
            elif len(addresses) == 1 and addresses[0].startswith("(") and addresses[0].endswith(")"):
                self._snippet(addresses[0][1:-1])
            else:
                directives = self._block()
                if addresses:
                    found.append(Server(tuple(addresses), tuple(directives), key))
        return tuple(found)

    def _begins_line(self) -> bool:
        return self.at == 0 or not self.words[self.at].is_on_line_of(self.words[self.at - 1])

    def _addresses(self) -> list[str]:
        found: list[str] = []
        more = False
        while self.at < len(self.words):
            word = self.words[self.at]
            if word.text == "import" and self._begins_line():
                self._import()
                continue
            if word.text == "{":
                if more:
                    raise Unreadable("a comma comes before a brace", word.key)
                break
            if found and not more and self._begins_line():
                break
            more = word.text.endswith(",")
            self.head = self.head if found else word.key
            found += [word.text.removesuffix(",")] if word.text else []
            self.at += 1
        if more:
            raise Unreadable("the text ends after a comma", self.words[-1].key)
        return found

    def _snippet(self, name: str) -> None:
        word = self.words[self.at]
        if word.text != "{":
            raise Unreadable(f"the snippet {name} has no braces", word.key)
        if name in self.snippets:
            raise Unreadable(f"there are two snippets {name}", word.key)
        start, depth = self.at + 1, 0
        for i in range(self.at, len(self.words)):
            depth += {"{": 1, "}": -1}.get(self.words[i].text, 0)
            if depth == 0:
                self.snippets[name] = self.words[start:i]
                self.at = i + 1
                return
        raise Unreadable(f"the snippet {name} is not closed", word.key)

    def _block(self) -> list[Directive]:
        braces = self.words[self.at].text == "{"
        self.at += braces
        found: list[Directive] = []
        while self.at < len(self.words):
            word = self.words[self.at]
            if word.text == "}":
                self.at += 1
                return found
            if word.text == "import":
                self._import()
                continue
            found.append(self._directive())
        if braces and self.words[-1].text != "}":  # any brace at the very end does
            raise Unreadable("a block is not closed", self.words[-1].key)
        return found

    def _directive(self) -> Directive:
        head = self.words[self.at]
        if not self.is_directive(head.text):
            raise Unreadable(f"CoreDNS has no plugin {head.text}", head.key)
        self.at += 1
        arguments: list[str] = []
        options: list[list[str]] = []
        depth = 0
        while self.at < len(self.words):
            word = self.words[self.at]
            new = self._begins_line()
            if word.text == "{":
                depth += 1
            elif new and depth == 0:
                break
            elif word.text == "}":
                if depth == 0:
                    raise Unreadable("a brace is closed that was not opened", word.key)
                depth -= 1
            elif word.text == "import" and new:
                self._import()
                continue
            elif depth == 0:
                arguments.append(word.text)
            elif depth == 1:
                # A line begins after the brace too, which plugins take as the end of arguments.
                if new or self.words[self.at - 1].text == "{":
                    options.append([])
                options[-1].append(word.text)
            self.at += 1
        if depth:
            raise Unreadable(f"the braces of {head.text} are not closed", head.key)
        return Directive(head.text, tuple(arguments), tuple(tuple(o) for o in options), head.key)

    def _import(self) -> None:
        """Replaces the two words by what they name; the reader is then at its first."""
        head = self.words[self.at]
        end = self.at + 1
        while end < len(self.words) and self.words[end].is_on_line_of(self.words[end - 1]):
            end += 1
        if end != self.at + 2:
            raise Unreadable("import takes one name", head.key)
        self.imported += 1
        if self.imported > 100:
            raise Unreadable("imports import themselves", head.key)
        pattern = self.words[self.at + 1].text
        self.words[self.at : end] = self.snippets[pattern] if pattern in self.snippets else self._files(pattern, head)

    def _files(self, pattern: str, head: Word) -> list[Word]:
        if self.imports is None:
            return []
        pattern = pattern.removeprefix("/etc/coredns/")
        if not head.key and not pattern.startswith("custom/"):
            return []  # of the Corefile itself, whose folder holds nothing else
        # relative to the file that names it: the Corefile's folder, or that of the keys
        pattern = pattern.removeprefix("custom/")
        names = sorted(k for k in self.imports if fnmatch.fnmatchcase(k, pattern))
        if not names and not set(pattern) & set("*?[]") and "/" not in pattern:
            raise Unreadable(f"there is nothing to import as {pattern}", head.key)
        return [w for name in names for w in words(self.imports[name], name)]
