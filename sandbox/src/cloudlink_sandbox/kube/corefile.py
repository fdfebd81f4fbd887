"""The Corefile's grammar: tokens, quotes, comments, blocks, snippets and imports. Knows no plugin.

https://coredns.io/manual/configuration/ and https://coredns.io/plugins/import/
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath


class BrokenCorefile(Exception):
    """CoreDNS would not start with this; the text is what it would log."""


@dataclass(frozen=True)
class Token:
    """number: of its line in the file. A quoted one is a token like others, also when it is a brace."""

    text: str
    file: str
    number: int


@dataclass(frozen=True)
class Directive:
    """A line, with the lines of its block if it has one."""

    name: str
    args: tuple[str, ...]
    block: tuple[Directive, ...]
    where: str  # file:line, as CoreDNS names it in errors


@dataclass(frozen=True)
class ServerBlock:
    keys: tuple[str, ...]
    directives: tuple[Directive, ...]
    where: str


def parse(files: Mapping[str, str], main: str = "Corefile") -> tuple[ServerBlock, ...]:
    """files: path relative to the Corefile's folder -> text. Raises BrokenCorefile.

    What CoreDNS forgives is forgiven here: at the very end a brace may be missing that closes a block, or stand that
    closes none; a block without a zone is dropped; a lone block may go without braces.
    """
    return _Parser(files, lex(files[main], main)).blocks()


def lex(text: str, file: str) -> list[Token]:
    """Quotes group and may hold line breaks. A ``#`` begins a comment anywhere; within a word it ends at a space."""
    found: list[Token] = []
    text = text.removeprefix("\ufeff").replace("\r", "")
    line = at = 0
    while at < len(text):
        if text[at].isspace():
            line += text[at] == "\n"
            at += 1
        elif text[at] == "#":
            at = _until(text, at, "\n")
        elif text[at] == '"':
            match = _QUOTED.match(text, at)
            assert match is not None  # it matches any quotation mark, closed or not
            if match[1] or match[2]:
                found.append(Token(match[1].replace('\\"', '"'), file, line + 1))
            line += match[0].count("\n")
            at = match.end()
        else:
            end = next((i for i in range(at, len(text)) if text[i].isspace()), len(text))
            found.append(Token(text[at:end].partition("#")[0], file, line + 1))
            at = end
    return found


_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)


def _until(text: str, at: int, end: str) -> int:
    found = text.find(end, at)
    return len(text) if found < 0 else found


@dataclass
class _Parser:
    """at: the token that is looked at. tokens change under it: an import is replaced by what it imports."""

    files: Mapping[str, str]
    tokens: list[Token]
    at: int = 0
    snippets: dict[str, list[Token]] = field(default_factory=dict)
    imports: int = 0

    def blocks(self) -> tuple[ServerBlock, ...]:
        found: list[ServerBlock] = []
        while self.at < len(self.tokens):
            keys = self._keys()
            if len(keys) == 1 and keys[0].text.startswith("(") and keys[0].text.endswith(")") and self._more():
                self._define(keys[0])
                continue
            directives = self._body() if self._more() else ()
            if keys:
                found.append(ServerBlock(tuple(k.text for k in keys), directives, _where(keys[0])))
        return tuple(found)

    def _more(self) -> bool:
        return self.at < len(self.tokens)

    def _new_line(self) -> bool:
        if self.at == 0:
            return True
        before, token = self.tokens[self.at - 1], self.tokens[self.at]
        return before.file != token.file or before.number + before.text.count("\n") < token.number

    def _keys(self) -> list[Token]:
        found: list[Token] = []
        comma = False
        while self._more():
            token = self.tokens[self.at]
            if token.text == "import" and self._new_line():
                self._import()
                continue
            if token.text == "{":
                if comma:
                    raise _broken(token, "Expected another address but had '{' - check for extra comma")
                return found
            if found and not comma and self._new_line():
                return found
            comma = token.text.endswith(",")
            if token.text:
                found.append(Token(token.text.removesuffix(","), token.file, token.number))
            self.at += 1
        if comma:
            raise _broken(self.tokens[-1], "Unexpected EOF")
        return found

    def _define(self, key: Token) -> None:
        name, opening = key.text[1:-1], self.tokens[self.at]
        if name in self.snippets:
            raise _broken(key, f"redeclaration of previously declared snippet {name}")
        if opening.text != "{":
            raise _unexpected(opening, "{")
        depth, start = 0, self.at + 1
        while self._more():
            depth += {"{": 1, "}": -1}.get(self.tokens[self.at].text, 0)
            self.at += 1
            if depth == 0:
                self.snippets[name] = self.tokens[start : self.at - 1]
                return
        raise _unexpected(self.tokens[-1], "}")

    def _body(self) -> tuple[Directive, ...]:
        braces = self.tokens[self.at].text == "{"
        self.at += braces
        found: list[Directive] = []
        while self._more():
            match self.tokens[self.at].text:
                case "}":
                    self.at += 1
                    return tuple(found)
                case "import":
                    self._import()
                case _:
                    found.append(self._directive(nested=False))
        if braces and self.tokens[-1].text != "}":
            raise _unexpected(self.tokens[-1], "}")
        return tuple(found)

    def _directive(self, *, nested: bool) -> Directive:
        """One line, with its block. nested: of a block within a block, which ends at a closing brace too."""
        head = self.tokens[self.at]
        self.at += 1
        args: list[str] = []
        while self._more() and not self._new_line():
            token = self.tokens[self.at]
            if token.text == "{":
                self.at += 1
                block = self._nested(head)
                if not nested and self._more() and self.tokens[self.at].text == "}" and not self._new_line():
                    raise _broken(self.tokens[self.at], "Unexpected '}' because no matching opening brace")
                return Directive(head.text, tuple(args), block, _where(head))
            if token.text == "}":
                if nested:
                    break
                raise _broken(token, "Unexpected '}' because no matching opening brace")
            args.append(token.text)
            self.at += 1
        return Directive(head.text, tuple(args), (), _where(head))

    def _nested(self, head: Token) -> tuple[Directive, ...]:
        found: list[Directive] = []
        while self._more():
            token = self.tokens[self.at]
            if token.text == "}":
                self.at += 1
                return tuple(found)
            if token.text == "import" and self._new_line():
                self._import()
                continue
            found.append(self._directive(nested=True))
        raise _broken(head, "Unexpected EOF")

    def _import(self) -> None:
        token, end = self.tokens[self.at], self.at + 1
        while end < len(self.tokens) and _same_line(self.tokens[end - 1], self.tokens[end]):
            end += 1
        if end == self.at + 1:
            raise _broken(token, "Wrong argument count or unexpected line ending after 'import'")
        if end > self.at + 2:
            raise _broken(token, "Import takes only one argument (glob pattern or file)")
        self.imports += 1
        if self.imports > _MOST_IMPORTS:
            raise BrokenCorefile("too many imports of imports")
        pattern = self.tokens[self.at + 1].text
        self.tokens[self.at : end] = self.snippets.get(pattern) or self._files(pattern, token)

    def _files(self, pattern: str, token: Token) -> list[Token]:
        """A path is relative to the folder of the file that imports it."""
        path = (
            pattern.removeprefix(f"{_FOLDER}/")
            if pattern.startswith("/")
            else str(PurePath(token.file).parent / pattern)
        )
        names = sorted(f for f in self.files if fnmatch.fnmatchcase(f, path) and f.count("/") == path.count("/"))
        if not names and not set("*?[]") & set(path):
            raise _broken(token, f"File to import not found: {pattern}")
        return [t for name in names for t in lex(self.files[name], name)]


_FOLDER = "/etc/coredns"
# Assumption: CoreDNS has no limit and would not end; one that imports itself is refused here.
_MOST_IMPORTS = 200


def _same_line(before: Token, token: Token) -> bool:
    return before.file == token.file and before.number + before.text.count("\n") == token.number


def _where(token: Token) -> str:
    return f"{_FOLDER}/{token.file}:{token.number}"


def _broken(token: Token, why: str) -> BrokenCorefile:
    return BrokenCorefile(f"{_where(token)} - Error during parsing: {why}")


def _unexpected(token: Token, wanted: str) -> BrokenCorefile:
    return BrokenCorefile(f"{_where(token)} - Syntax error: Unexpected token '{token.text}', expecting '{wanted}'")
