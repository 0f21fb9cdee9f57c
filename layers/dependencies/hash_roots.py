"""Writes each root certificate of a bundle into a file of its own, named as OpenSSL looks for it.

    python hash_roots.py certifi/cacert.pem certifi/hashed

A context that is given such a folder (`capath`) reads only the roots that it meets. Given the bundle, it parses all of
them, which is a tenth of a cold start. The names are those of `openssl rehash`: the first four bytes, little-endian and
in hex, of the SHA-1 of the subject in OpenSSL's canonical form (crypto/x509/x_name.c, x509_name_canon): each attribute
as UTF8String, ASCII letters lower-case, white space trimmed and folded, the RDNs without their sequence.
"""

import hashlib
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_END = "-----END CERTIFICATE-----"
_UTF8, _VERSION = 0x0C, 0xA0
# the ASN.1 types of text that are made one, by how they are encoded; any other value stays as it is
_TEXTS = {
    _UTF8: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip
_SUBJECT = 4  # position in TBSCertificate (RFC 5280, 4.1), its version left out


def main(bundle: Path, folder: Path) -> None:
    folder.mkdir()
    taken: Counter[str] = Counter()
    text = bundle.read_text(encoding="utf-8")
    blocks = [block[block.index("-----BEGIN CERTIFICATE") :] + _END for block in text.split(_END)[:-1]]
    for pem in blocks:
        name = subject_hash(ssl.PEM_cert_to_DER_cert(pem))
        (folder / f"{name}.{taken[name]}").write_text(pem + "\n", encoding="ascii")
        taken[name] += 1
    if not blocks:
        raise SystemExit(f"no certificate in {bundle}")


def subject_hash(certificate: bytes) -> str:
    """What OpenSSL names this certificate's file after, 8 hex digits. `certificate`: DER."""
    ((_, whole),) = _elements(certificate)
    (_, signed), *_ = _elements(whole)
    parts = [(tag, content) for tag, content in _elements(signed) if tag != _VERSION]
    names = b"".join(_element(tag, _canonical_rdn(content)) for tag, content in _elements(parts[_SUBJECT][1]))
    return f"{int.from_bytes(hashlib.sha1(names).digest()[:4], 'little'):08x}"


def _canonical_rdn(rdn: bytes) -> bytes:
    """A set of attributes, in the order that DER asks for."""
    return b"".join(sorted(_element(tag, _canonical_attribute(content)) for tag, content in _elements(rdn)))


def _canonical_attribute(attribute: bytes) -> bytes:
    (kind, identifier), (tag, value) = _elements(attribute)
    if tag in _TEXTS:
        words = value.decode(_TEXTS[tag]).encode().split()  # bytes.split: at ASCII white space only
        tag, value = _UTF8, b" ".join(words).lower()  # bytes.lower: ASCII letters only
    return _element(kind, identifier) + _element(tag, value)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of every DER element in `data`."""
    while data:
        tag, length, start = data[0], data[1], 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start])
        yield tag, data[start : start + length]
        data = data[start + length :]


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + content


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
