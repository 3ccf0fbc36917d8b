"""The little of HTTP/1.1 that the laboratory's servers and clients read: heads, lengths, Connection (RFC 9112).

Written for speed on messages of known make: the laboratory's own backends, balancers and clients. A message that
does not fit raises ValueError; nothing is guessed.
"""

import re

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\n(?:connection|keep-alive):[^\r]*(?=\r\n)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*close", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")
BODILESS = (204, 304)


def endpoint(text: str) -> tuple[str, int]:
    """`HOST:PORT` or `[V6]:PORT` as host and port. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def head_length(buffer: bytes) -> int | None:
    """Where the first message's head ends, its blank line included; None while it is not complete."""
    end = buffer.find(b"\r\n\r\n")
    return None if end < 0 else end + 4


def is_request(head: bytes) -> bool:
    """Whether the first line is a request line of HTTP/1.x."""
    return _REQUEST.match(head) is not None


def status(head: bytes) -> int:
    """The status code of a response's head. Raises ValueError for anything else."""
    found = _STATUS.match(head)
    if found is None:
        raise ValueError(f"no HTTP/1.1 status line: {head[:40]!r}")
    return int(found[1])


def body_length(head: bytes) -> int:
    """Bytes of body after a head: Content-Length, else 0. Raises ValueError for Transfer-Encoding."""
    if _CHUNKED.search(head):
        raise ValueError("a chunked message: the laboratory's own parts send Content-Length")
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def answer_length(head: bytes, method: bytes = b"GET") -> int:
    """Bytes of body after a response's head (RFC 9112 section 6.3). Raises ValueError where only the end tells."""
    code = status(head)
    if method == b"HEAD" or code < 200 or code in BODILESS:
        return 0
    if not _LENGTH.search(head):
        raise ValueError(f"status {code} without Content-Length: an answer cut short would pass for a whole one")
    return body_length(head)


def wants_close(head: bytes) -> bool:
    """Whether the connection ends after this message (RFC 9112 section 9.6); HTTP/1.0 never stays."""
    first = head[: head.find(b"\r\n")]
    return _CLOSE.search(head) is not None or first.endswith(b"HTTP/1.0") or first.startswith(b"HTTP/1.0")


def hop(head: bytes, close: bool) -> bytes:
    """The head for the next hop: Connection is per hop and is replaced (RFC 9110 section 7.6.1)."""
    bare = _CONNECTION.sub(b"", head)
    return bare[:-2] + b"Connection: close\r\n\r\n" if close else bare
