"""A bundle for somebody else's eyes: text files with a list of what they were, without secrets, on demand without ids."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cloudlink.digests import digest
from cloudlink.errors import UsageError
from cloudlink.secret import STAND_IN, masked

FORMAT = 1
MANIFEST = "manifest.json"
ANSWERS, STATE, CONFIGURATION = "answers.jsonl", "state.json", "configuration.toml"
NAMES = "names.json"  # how the names did when they were last asked
LARGEST = 64 * 1024 * 1024  # bytes that are read of a bundle
_MASK = "********"

# What looks like a secret; what this process knows to be one is masked by ``secret.masked``.
_SECRETS = (
    re.compile(
        r"(?i)((?:pre_?shared_?key|shared_?key|client_?secret|secret_?access_?key|password|authorization)"
        r"\\*['\"]?\s*[:=]\s*\\*['\"]?)(?!\(secret\)|\*{8}|" + STAND_IN + r"\d)([^\s'\"<,;&}\\]{8,})"
    ),
    re.compile(r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL),
    re.compile(r"()(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"),
    re.compile(r"()(\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"),
)
# Kind -> what it looks like, and what the n-th becomes: of the same form, so that what reads the one reads the other.
_IDS: dict[str, tuple[re.Pattern[str], Callable[[str, int], str]]] = {
    "guid": (
        re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
        lambda _, n: f"00000000-0000-4000-8000-{n:012d}",
    ),
    "object": (
        re.compile(r"\b(?:vpc|vgw|vpn|cgw|rtb|sg|sgr|subnet|eni|rslvr-in|rslvr|igw|nat|tgw)-[0-9a-f]{8,17}\b"),
        lambda found, n: f"{found.rpartition('-')[0]}-{n:017d}",
    ),
    "zone": (re.compile(r"\bZ[A-Z0-9]{12,31}\b"), lambda _, n: f"Z{n:020d}"),
    "principal": (
        re.compile(r"(?<=:)(?:user|assumed-role|role)/[\w+=,.@/-]+"),
        lambda found, n: f"{found.partition('/')[0]}/principal-{n}",
    ),
    "account": (re.compile(r"(?<![\d.-])\d{12}(?![\d.-])"), lambda _, n: f"{n:012d}"),
    "person": (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"), lambda _, n: f"person-{n}@example.com"),
    # 168.63.129.16 is Azure's own, the same for everybody
    "address": (
        re.compile(
            r"(?<![\d./-])(?!10\.|127\.|169\.254\.|168\.63\.129\.16\b|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.)"
            r"(?:\d{1,3}\.){3}\d{1,3}(?![\d./])"
        ),
        lambda _, n: f"198.18.{n // 250}.{n % 250 + 1}",
    ),
}


def clean(
    files: Mapping[str, str], *, redact: bool, hashed: Mapping[str, str] | None = None
) -> tuple[dict[str, str], int]:
    """The files without secrets, and without ids where that is asked for; how many secrets were found and masked.

    hashed: hash -> text, of which the hash may be in the files: it becomes that of the text without ids.
    """
    found = 0
    made: dict[str, str] = {}
    numbers: dict[tuple[str, str], str] = {}
    for name, text in files.items():
        plain = masked(text)
        found += plain.count(_MASK) - text.count(_MASK)
        for pattern in _SECRETS:
            plain, count = pattern.subn(lambda m: f"{m[1]}{_MASK}", plain)
            found += count
        made[name] = _redacted(plain, numbers) if redact else plain
    if redact:
        for old, text in (hashed or {}).items():
            new = digest(_redacted(text, numbers), len(old))
            made = {name: plain.replace(old, new) for name, plain in made.items()}
    return made, found


def _redacted(text: str, numbers: dict[tuple[str, str], str]) -> str:
    for kind, (pattern, form) in _IDS.items():

        def replace(match: re.Match[str], kind: str = kind, form: Callable[[str, int], str] = form) -> str:
            key = (kind, match[0].lower())
            if key not in numbers:
                numbers[key] = form(match[0], sum(k == kind for k, _ in numbers) + 1)
            return numbers[key]

        text = pattern.sub(replace, text)
    return text


def pack(files: Mapping[str, str], *, version: str, made: str, redacted: bool, masked_secrets: int) -> bytes:
    """A tar.gz that is the same for the same content."""
    manifest = {
        "format": FORMAT,
        "cloudlink": version,
        "made": made,
        "redacted": redacted,
        "masked": masked_secrets,
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in {MANIFEST: json.dumps(manifest, indent=1) + "\n", **files}.items():
            entry = tarfile.TarInfo(f"cloudlink-bundle/{name}")
            content = text.encode()
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def unpack(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """The manifest and the files. Raises UsageError for what is no bundle, or one that was changed."""
    try:
        with tarfile.open(path) as archive:
            files = {}
            for entry in archive:
                stream = archive.extractfile(entry)
                if stream is None or entry.size > LARGEST:
                    raise ValueError(entry.name)
                files[entry.name.removeprefix("cloudlink-bundle/")] = stream.read(LARGEST).decode()
        manifest = json.loads(files.pop(MANIFEST))
        listed = dict(manifest["files"])
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "it is not what cloudlink gather writes"
        )
        raise _not_whole(path, why) from error
    if manifest.get("format") != FORMAT:
        raise _not_whole(path, f"it has format {manifest.get('format')!r:.20}, this version reads {FORMAT}")
    wrong = sorted(
        name
        for name in listed.keys() | files.keys()
        if name not in files or hashlib.sha256(files[name].encode()).hexdigest() != listed.get(name)
    )
    if wrong:
        raise _not_whole(path, f"it was changed: {', '.join(wrong)}")
    return manifest, files


def _not_whole(path: Path, why: str) -> UsageError:
    return UsageError("The bundle cannot be used", f"{path}: {why}.", "Have it made again: cloudlink gather --out FILE")
