"""The Corefile's grammar: tokens, quotes, comments, blocks, snippets and imports. Knows no plugin.

https://coredns.io/manual/configuration/ and https://coredns.io/plugins/import/
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field


class BrokenCorefile(Exception):
    """CoreDNS would not start with this; the text is what it would log."""


@dataclass(frozen=True)
class Token:
    """line counts over all splices, so that two tokens of one line, and only those, share it."""

    text: str
    file: str
    number: int
    line: int
    quoted: bool = False


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
    """files: path relative to the Corefile's folder -> text. Raises BrokenCorefile."""
    return _Parser(files).blocks(main)


@dataclass
class _Parser:
    files: Mapping[str, str]
    snippets: dict[str, list[Token]] = field(default_factory=dict)
    lines: int = 0

    def tokens(self, file: str) -> list[Token]:
        found: list[Token] = []
        text = self.files[file]
        number, self.lines, at = 1, self.lines + 1, 0
        while at < len(text):
            c = text[at]
            if c == "\n":
                number, self.lines, at = number + 1, self.lines + 1, at + 1
            elif c.isspace() or c == "\ufeff":
                at += 1
            elif c == "#":
                while at < len(text) and text[at] != "\n":
                    at += 1
            elif c == '"':
                word, at, start = "", at + 1, number
                while at < len(text) and text[at] != '"':
                    if text[at] == "\\" and text[at + 1 : at + 2] == '"':
                        at += 1
                    number += text[at] == "\n"
                    word += text[at]
                    at += 1
                at += 1
                found.append(Token(word, file, start, self.lines, quoted=True))
            else:
                end = at
                while end < len(text) and not text[end].isspace():
                    end += 1
                found.append(Token(text[at:end], file, number, self.lines))
                at = end
        self.lines += 1
        return found

    def expand(self, tokens: list[Token], depth: int = 0) -> list[Token]:
        """With every import replaced by what it imports."""
        if depth > 20:
            raise BrokenCorefile("too many imports of imports")
        result: list[Token] = []
        at, line = 0, -1
        while at < len(tokens):
            token = tokens[at]
            if token.text != "import" or token.quoted or token.line == line:
                result.append(token)
                line = token.line
                at += 1
                continue
            end = at + 1
            while end < len(tokens) and tokens[end].line == token.line:
                end += 1
            if end == at + 1:
                raise BrokenCorefile(
                    f"{token.file}:{token.number} - Error during parsing: Wrong argument count after 'import'"
                )
            pattern = tokens[at + 1].text
            result += self.expand(self._imported(pattern, token), depth + 1)
            at, line = end, -1
        return result

    def _imported(self, pattern: str, token: Token) -> list[Token]:
        if pattern in self.snippets:
            return self.snippets[pattern]
        pattern = pattern.removeprefix("/etc/coredns/")
        names = sorted(f for f in self.files if fnmatch.fnmatchcase(f, pattern) and f.count("/") == pattern.count("/"))
        if not names and not any(c in pattern for c in "*?["):
            raise BrokenCorefile(
                f"{token.file}:{token.number} - Error during parsing: File to import not found: {pattern}"
            )
        return [t for name in names for t in self.tokens(name)]

    def blocks(self, main: str) -> tuple[ServerBlock, ...]:
        tokens = self.tokens(main)
        found: list[ServerBlock] = []
        at = 0
        # snippets may only be used after they were defined, so the text is expanded one block at a time
        while at < len(tokens):
            if tokens[at].text == "import" and not tokens[at].quoted:
                end = at + 1
                while end < len(tokens) and tokens[end].line == tokens[at].line:
                    end += 1
                tokens = self.expand(tokens[at:end]) + tokens[end:]
                at = 0
                continue
            keys, body, at = self._block(tokens, at)
            if len(keys) == 1 and keys[0].text.startswith("(") and keys[0].text.endswith(")"):
                name = keys[0].text[1:-1]
                if name in self.snippets:
                    raise BrokenCorefile(
                        f"{_where(keys[0])} - Error during parsing: redeclaration of previously declared snippet {name}"
                    )
                self.snippets[name] = body
                continue
            directives = self._directives(self.expand(body))
            found.append(ServerBlock(tuple(k.text for k in keys), directives, _where(keys[0])))
        return tuple(found)

    def _block(self, tokens: list[Token], at: int) -> tuple[list[Token], list[Token], int]:
        first = tokens[at]
        keys: list[Token] = []
        more = True
        while at < len(tokens) and not _is(tokens[at], "{"):
            token = tokens[at]
            if not more and token.line != keys[-1].line:
                raise BrokenCorefile(
                    f"{_where(token)} - Error during parsing: server block without braces: '{token.text}'"
                )
            if _is(token, "}"):
                raise BrokenCorefile(
                    f"{_where(token)} - Error during parsing: Unexpected '}}' because no matching opening brace"
                )
            more = token.text.endswith(",")
            keys += [Token(k, token.file, token.number, token.line) for k in token.text.split(",") if k]
            at += 1
        if at == len(tokens):
            raise BrokenCorefile(
                f"{_where(first)} - Error during parsing: Unexpected EOF: '{first.text}' opens no block"
            )
        if not keys:
            raise BrokenCorefile(f"{_where(first)} - Error during parsing: server block without a zone")
        depth, start = 1, at + 1
        at += 1
        while at < len(tokens):
            depth += _is(tokens[at], "{") - _is(tokens[at], "}")
            if depth == 0:
                return keys, tokens[start:at], at + 1
            at += 1
        raise BrokenCorefile(f"{_where(tokens[-1])} - Error during parsing: Unexpected EOF, a brace is not closed")

    def _directives(self, tokens: list[Token]) -> tuple[Directive, ...]:
        found: list[Directive] = []
        at = 0
        while at < len(tokens):
            head = tokens[at]
            if _is(head, "{") or _is(head, "}"):
                raise BrokenCorefile(f"{_where(head)} - Error during parsing: unexpected '{head.text}'")
            at += 1
            args: list[str] = []
            block: tuple[Directive, ...] = ()
            while at < len(tokens) and tokens[at].line == head.line:
                if _is(tokens[at], "{"):
                    end, depth = at + 1, 1
                    while end < len(tokens) and depth:
                        depth += _is(tokens[end], "{") - _is(tokens[end], "}")
                        end += 1
                    if depth:
                        raise BrokenCorefile(
                            f"{_where(head)} - Error during parsing: Unexpected EOF, a brace is not closed"
                        )
                    block = self._directives(tokens[at + 1 : end - 1])
                    at = end
                    break
                args.append(tokens[at].text)
                at += 1
            found.append(Directive(head.text, tuple(args), block, _where(head)))
        return tuple(found)


def _is(token: Token, brace: str) -> bool:
    return token.text == brace and not token.quoted


def _where(token: Token) -> str:
    return f"{token.file}:{token.number}"
