"""Personal numbers: hashed for joins, encrypted for the few who may see them, never kept, never shown.

Promises
- `hash` is the hexadecimal HMAC-SHA-256 of document type and number: the same person is the same key in every feed,
  also when the number came in its 15-digit form.
- `cipher` is ``<key id>:<base64 of nonce, AES-256-GCM ciphertext and tag>``. The nonce is derived from a second keyed
  hash of the plaintext, so the same number gives the same text and a rebuild reproduces the table; nonces cannot
  repeat for different numbers short of a 96-bit collision.
- No function here logs, and no exception carries a number. Objects do not show keys or numbers in their repr.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from creditflow.identity.codes import resident_id_18, resident_id_check
from creditflow.identity.normal import normal_code
from creditflow.settings import Keys

RESIDENT_ID = "身份证"
_RESIDENT_NAMES = frozenset({"", RESIDENT_ID, "居民身份证", "公民身份证", "公民身份号码"})
_CONTEXT = b"creditflow person number"
_CACHE_LIMIT = 50_000


class CipherError(Exception):
    """A ciphertext that these keys did not make; the message names the key id only."""


@dataclass(frozen=True)
class PersonNumber:
    """What is kept of one personal number. `mark`: one byte (0-255) that tells two numbers apart most of the time,
    for content hashes, which must not be keyed and must not let a number be guessed."""

    hash: str | None = field(repr=False)
    cipher: str | None = field(repr=False)
    check: str
    mark: int = field(repr=False)


class PersonKeys:
    """Turns personal numbers into what may be stored. hmac, cipher: 32 bytes each; key_id marks the ciphertexts.

    previous: what opens ciphertexts made before the keys were rotated (a return workbook may carry one for weeks).
    """

    def __init__(self, hmac_key: bytes, cipher_key: bytes, key_id: str, previous: Sequence[PersonKeys] = ()) -> None:
        self._hmac = HMAC(hmac_key, SHA256())
        self._nonce = HMAC(_keyed(HMAC(cipher_key, SHA256()), b"creditflow nonce"), SHA256())
        self._aead = AESGCM(cipher_key)
        self._key_id = key_id
        self._previous = {item._key_id: item for item in previous}
        self._known: dict[tuple[str, str], PersonNumber] = {}

    @classmethod
    def of(cls, keys: Keys) -> PersonKeys:
        """From the installation's keys."""
        return cls(keys.hmac, keys.cipher, keys.key_id, [cls.of(item) for item in keys.previous])

    def __repr__(self) -> str:
        return f"PersonKeys(key_id={self._key_id!r})"

    def protect(self, number: str, document_type: str | None = None) -> PersonNumber:
        """Hash, encrypt and judge one number as it was sent. document_type: 证件类型 as text; None or blank means a
        resident ID. A masked number (with * or ＊) identifies nobody and gets neither hash nor ciphertext."""
        key = (number, document_type or "")
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            found = self._known[key] = self._protect(number, (document_type or "").strip())
        return found

    def _protect(self, number: str, document_type: str) -> PersonNumber:
        code = normal_code(self._returned(number.strip()))
        if document_type in _RESIDENT_NAMES:
            document_type, check = RESIDENT_ID, resident_id_check(code)
            if check == "converted_15":
                code = resident_id_18(code)
        else:
            check = "other_document"
        mark = hashlib.sha256(code.encode("utf-8", "replace")).digest()[0]
        if check == "converted_15":
            mark ^= 0xFF  # eighteen digits sent for fifteen are a correction, not the same row again
        if not code or "*" in code:
            return PersonNumber(None, None, "bad_character" if code else "bad_length", mark)
        plain = code.encode("utf-8", "replace")
        digest = _keyed(self._hmac, f"{document_type}\x1f".encode() + plain).hex()
        nonce = _keyed(self._nonce, plain)[:12]
        sealed = base64.b64encode(nonce + self._aead.encrypt(nonce, plain, _CONTEXT)).decode("ascii")
        return PersonNumber(digest, f"{self._key_id}:{sealed}", check, mark)

    def _returned(self, text: str) -> str:
        """The number behind a ciphertext of ours: a return workbook carries it in place of the number."""
        key_id, mark, _ = text.partition(":")
        if not mark or (key_id != self._key_id and key_id not in self._previous):
            return text
        try:
            return self.reveal(text)
        except CipherError:
            return text

    def reveal(self, cipher: str) -> str:
        """The number behind a ciphertext. Raises CipherError when another key made it or it was altered."""
        key_id, _, sealed = cipher.partition(":")
        if key_id in self._previous:
            return self._previous[key_id].reveal(cipher)
        if key_id != self._key_id:
            raise CipherError(f"made with key {key_id}, not with {self._key_id}")
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._aead.decrypt(raw[:12], raw[12:], _CONTEXT).decode("utf-8")
        except (ValueError, InvalidTag):
            raise CipherError(f"not a ciphertext of key {key_id}") from None


def _keyed(start: HMAC, message: bytes) -> bytes:
    """HMAC of a message. start: with the key alone; to copy it costs a fifth of setting up the key again."""
    state = start.copy()
    state.update(message)
    return state.finalize()
