"""Files encrypted at rest: streamed, authenticated chunk by chunk, opened by whichever of our keys made them.

Promises
- AES-256-GCM over chunks of one MiB; the nonce holds a random prefix, the chunk's number and whether it is the last, so a
  file cut short, reordered or altered is noticed before a wrong byte is given out.
- The key is derived (HKDF-SHA-256) from the installation's cipher key, never that key itself; the header names its id.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from creditflow.settings import Keys

CHUNK = 1 << 20
_MAGIC = b"creditflow sealed 1\n"
_PREFIX = 7
_TAG = 16


class SealBroken(Exception):
    """A sealed file that these keys do not open, or that was altered; the message names the key id only."""


def seal(chunks: Iterator[bytes], keys: Keys) -> Iterator[bytes]:
    """The sealed form of a stream of bytes, made with the keys in force."""
    prefix = os.urandom(_PREFIX)
    header = _MAGIC + keys.key_id.encode() + b"\n" + prefix
    yield header
    aead, held, number = _cipher(keys), b"", 0
    for chunk in chunks:
        held += chunk
        while len(held) > CHUNK:
            yield aead.encrypt(_nonce(prefix, number, last=False), held[:CHUNK], header)
            held, number = held[CHUNK:], number + 1
    yield aead.encrypt(_nonce(prefix, number, last=True), held, header)


def sealed_by(stream: BinaryIO) -> str:
    """Id of the keys that sealed a file, from its header, which is read. Raises SealBroken."""
    return _header(stream)[0]


class Opened(io.RawIOBase):
    """The bytes behind a sealed stream, forward only. Raises SealBroken from the constructor or while reading."""

    def __init__(self, stream: BinaryIO, keys: Keys) -> None:
        key_id, self._prefix, self._bound = _header(stream)
        known = {item.key_id: item for item in (keys, *keys.previous)}
        if key_id not in known:
            raise SealBroken(f"sealed with keys {key_id}, which are not at hand")
        self._aead, self._stream = _cipher(known[key_id]), stream
        self._ahead = stream.read(CHUNK + _TAG)
        self._held, self._number, self._ended = memoryview(b""), 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held and not self._ended:
            self._next()
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def _next(self) -> None:
        sealed, self._ahead = self._ahead, self._stream.read(CHUNK + _TAG)
        self._ended = not self._ahead
        try:
            plain = self._aead.decrypt(_nonce(self._prefix, self._number, last=self._ended), sealed, self._bound)
        except (InvalidTag, ValueError):
            raise SealBroken(f"chunk {self._number + 1} was altered or cut short") from None
        self._held, self._number = memoryview(plain), self._number + 1

    def close(self) -> None:
        self._stream.close()
        super().close()


def _cipher(keys: Keys) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"creditflow archive").derive(keys.cipher))


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


def _header(stream: BinaryIO) -> tuple[str, bytes, bytes]:
    """(key id, nonce prefix, the header as it stands)."""
    start = stream.read(len(_MAGIC))
    key_id = b""
    while start == _MAGIC and len(key_id) < 64 and (byte := stream.read(1)) not in (b"", b"\n"):
        key_id += byte
    prefix = stream.read(_PREFIX)
    if start != _MAGIC or not key_id or len(prefix) != _PREFIX:
        raise SealBroken("not a sealed file")
    return key_id.decode("ascii", "replace"), prefix, start + key_id + b"\n" + prefix
