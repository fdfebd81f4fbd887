"""How strongSwan spells what the clouds offer, and how large a packet may be inside such a tunnel.

https://docs.strongswan.org/docs/latest/config/proposals.html
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from cloudlink.clouds.aws.parse_offers import Phase
from cloudlink.clouds.azure.parse_ipsec import AZURES_OWN
from cloudlink.clouds.azure.parse_offers import Policy

_GROUPS = {
    1: "modp768",
    2: "modp1024",
    5: "modp1536",
    14: "modp2048",
    15: "modp3072",
    16: "modp4096",
    17: "modp6144",
    18: "modp8192",
    19: "ecp256",
    20: "ecp384",
    21: "ecp521",
    22: "modp1024s160",
    23: "modp2048s224",
    24: "modp2048s256",
}
_CIPHERS = {
    "aes128": "aes128",
    "aes192": "aes192",
    "aes256": "aes256",
    "aes256-gcm": "aes256gcm16",
    "aes128-gcm-16": "aes128gcm16",
    "aes256-gcm-16": "aes256gcm16",
    "gcmaes128": "aes128gcm16",
    "gcmaes192": "aes192gcm16",
    "gcmaes256": "aes256gcm16",
    "des3": "3des",
    "des": "des",
    "none": "null",
}
_HASHES = {
    "sha1": "sha1",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
    "sha2-256": "sha256",
    "sha2-384": "sha384",
    "sha2-512": "sha512",
    "md5": "md5",
}
_AZURE_GROUPS = {
    "dhgroup1": 1,
    "dhgroup2": 2,
    "dhgroup14": 14,
    "dhgroup2048": 14,
    "dhgroup24": 24,
    "pfs1": 1,
    "pfs2": 2,
    "pfs14": 14,
    "pfs2048": 14,
    "pfs24": 24,
    "ecp256": 19,
    "ecp384": 20,
}


class CannotOffer(Exception):
    """The daemon knows no such algorithm; the text says which."""


@dataclass(frozen=True)
class Offer:
    ike: tuple[str, ...]
    esp: tuple[str, ...]


def of_aws(ike: Phase, esp: Phase) -> Offer:
    """Raises CannotOffer."""
    return Offer(_ike(ike.ciphers, ike.hashes, ike.groups), _esp(esp.ciphers, esp.hashes, esp.groups))


def of_azure(policy: Policy | None) -> Offer:
    """None: Azure's own. Raises CannotOffer."""
    if policy is None:
        return _azures_own()
    group = _azure_group(policy.ike_group)
    if group is None:
        raise CannotOffer(f"IKE without a Diffie-Hellman group ({policy.ike_group or 'none given'})")
    pfs = group if policy.pfs_group.lower() == "pfsmm" else _azure_group(policy.pfs_group)
    return Offer(
        _ike((policy.ike_cipher,), (policy.ike_hash,), (group,)),
        _esp((policy.esp_cipher,), (policy.esp_hash,), (pfs,) if pfs is not None else ()),
    )


def _azures_own() -> Offer:
    """As responder Azure takes a group for the renewal of keys, as initiator it asks for none; strongSwan has one list for
    both, so what has no group comes first."""
    own = AZURES_OWN
    groups = tuple(int(g) for g in own["pfs_group"] if g != "none")
    esp = (_esp(own["esp_encryption"], own["esp_integrity"], some) for some in ((), groups))
    return Offer(
        _ike(own["ike_encryption"], own["ike_integrity"], tuple(map(int, own["ike_group"]))),
        tuple(chain.from_iterable(esp)),
    )


def _azure_group(word: str) -> int | None:
    if word.lower() in ("", "none"):
        return None
    if word.lower() not in _AZURE_GROUPS:
        raise CannotOffer(f"group {word}")
    return _AZURE_GROUPS[word.lower()]


def _ike(ciphers: tuple[str, ...], hashes: tuple[str, ...], groups: tuple[int, ...]) -> tuple[str, ...]:
    """With GCM the hash is that of the pseudo-random function."""
    names, digests, tail = _named(ciphers), [_hash(h) for h in hashes], _tail(groups)
    sealed, plain = [n for n in names if "gcm" in n], [n for n in names if "gcm" not in n]
    found = []
    if sealed:
        found.append("-".join([*sealed, *(f"prf{d}" for d in digests), *tail]))
    if plain:
        found.append("-".join([*plain, *digests, *tail]))
    return tuple(found)


def _esp(ciphers: tuple[str, ...], hashes: tuple[str, ...], groups: tuple[int, ...]) -> tuple[str, ...]:
    """With GCM the hash has no part in it."""
    names, tail = _named(ciphers), _tail(groups)
    sealed, plain = [n for n in names if "gcm" in n], [n for n in names if "gcm" not in n]
    found = []
    if sealed:
        found.append("-".join([*sealed, *tail]))
    if plain:
        found.append("-".join([*plain, *(_hash(h) for h in hashes), *tail]))
    return tuple(found)


def _named(ciphers: tuple[str, ...]) -> list[str]:
    unknown = [c for c in ciphers if c.lower() not in _CIPHERS]
    if unknown or not ciphers:
        raise CannotOffer(f"cipher {', '.join(unknown) or 'none given'}")
    return [_CIPHERS[c.lower()] for c in ciphers]


def _hash(word: str) -> str:
    if word.lower() not in _HASHES:
        raise CannotOffer(f"hash {word or 'none given'}")
    return _HASHES[word.lower()]


def _tail(groups: tuple[int, ...]) -> list[str]:
    unknown = [g for g in groups if g not in _GROUPS]
    if unknown:
        raise CannotOffer(f"group {', '.join(map(str, unknown))}")
    return [_GROUPS[g] for g in groups]


# Octets: of the initialisation vector, of the integrity check, and to what multiple a packet is filled up.
_SHAPES = {"gcm": (8, 16, 4), "aes": (16, 0, 16), "3des": (8, 0, 8), "null": (0, 0, 4)}
_CHECKS = {"sha1": 12, "md5": 12, "sha256": 16, "sha384": 24, "sha512": 32}
_OUTER_IP, _ESP, _TRAILER, _UDP = 20, 8, 2, 8


def largest_inside(cipher: str, digest: str = "", *, path: int = 1500, udp: bool = False) -> int:
    """Octets of the largest IPv4 packet that passes through the tunnel whole. path: largest packet between the gateways;
    udp: ESP travels inside UDP (NAT traversal). https://www.rfc-editor.org/rfc/rfc4303#section-2"""
    vector, check, block = next(shape for word, shape in _SHAPES.items() if word in cipher)  # gcm comes before aes
    check = check or _CHECKS.get(digest, 0)
    room = path - _OUTER_IP - (_UDP if udp else 0) - _ESP - vector - check
    return room // block * block - _TRAILER


def mss(packet: int) -> int:
    """Of TCP over IPv4 without options, in such a packet."""
    return packet - 40
