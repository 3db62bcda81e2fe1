"""How long a request is, where two servers might read it differently: that is refused before Tornado reads it.

What is lenient here and not in a proxy before it, or the other way round, lets a client put one request into another
(RFC 9112, sections 5 and 6). How strict Tornado is depends on its version: 6.2 takes a length of -5 or 1_0.
"""

import re
from collections.abc import Mapping

from tornado.httputil import HTTPInputError

_LINE = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r]*?)[ \t]*")
"""Name and value: no blank before the colon, no line that goes on in the next."""
_VALUES: Mapping[bytes, re.Pattern[bytes]] = {
    b"content-length": re.compile(rb"[0-9]{1,19}"),
    b"transfer-encoding": re.compile(rb"chunked", re.IGNORECASE),
}
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}\r\n")


def check_head(head: bytes) -> bytes:
    """The *head* of a request. Raises HTTPInputError, which Tornado answers with 400."""
    lengths = [name for line in _LINE.split(head.strip())[1:] if (name := _field(line)) in _VALUES]
    if len(lengths) > 1:
        raise HTTPInputError("expected one field for the length of the body, found several")
    return head


def check_chunk_size(line: bytes) -> bytes:
    """The *line* before a chunk of a body. Raises HTTPInputError."""
    if not _CHUNK_SIZE.fullmatch(line):
        raise HTTPInputError(f"expected the size of a chunk in hexadecimal digits, found {line[:20]!r}")
    return line


def _field(line: bytes) -> bytes:
    """The name of the field."""
    found = _FIELD.fullmatch(line)
    if not found:
        raise HTTPInputError(f"expected a field and its value, found {line[:60]!r}")
    name, value = found[1].lower(), found[2]
    if (allowed := _VALUES.get(name)) and not allowed.fullmatch(value):
        raise HTTPInputError(f"expected {allowed.pattern.decode()} as {name.decode()}, found {value[:20]!r}")
    return name
