"""Requests, replies and the XML that the calls of the laboratory's Route 53 share."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from lbmigrate.dns.route53 import names
from lbmigrate.lab.route53.errors import ApiError
from lbmigrate.lab.route53.sets import NAMESPACE, local, put
from lbmigrate.lab.route53.world import Done, World


class Request(NamedTuple):
    """One request; `target` is path and query, `authorization` the header of that name, `token` the session's."""

    method: str
    target: str
    authorization: str
    body: bytes
    token: str = ""


class Call(NamedTuple):
    """A request whose caller is known: the account, the path's own part, the query's fields, the body."""

    account: str
    key: str
    query: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """Status and XML."""

    status: int
    body: bytes


Handler = Callable[[World, Call], Reply]


def answered(root: ET.Element, status: int = 200) -> Reply:
    """The document as it is sent."""
    return Reply(status, b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="utf-8"))


def document(name: str) -> ET.Element:
    """The beginning of an answer."""
    return ET.Element(name, xmlns=NAMESPACE)


def parsed(body: bytes, name: str) -> ET.Element:
    """The request's document. Raises ApiError."""
    try:
        root = ET.fromstring(body) if b"<!" not in body else None
    except ET.ParseError as wrong:
        raise ApiError("InvalidInput", f"Invalid XML ; {wrong}") from wrong
    if root is None or local(root) != name or root.tag != f"{{{NAMESPACE}}}{name}":
        raise ApiError("InvalidInput", f"Invalid XML ; no {name} of {NAMESPACE}")
    return root


def page(query: dict[str, str], most: int) -> int:
    """How many a page has, of `most` at most. Raises ApiError."""
    text = query.get("maxitems", str(most))
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ApiError("InvalidInput", f"maxitems {text} is no number above 0")
    return min(int(text), most)


def canonical(name: str) -> str:
    """A name as a listing has it. Raises ApiError."""
    try:
        return names.canonical(name)
    except ValueError as wrong:
        raise ApiError("InvalidDomainName", str(wrong)) from wrong


def put_change(root: ET.Element, world: World, done: Done) -> None:
    """What became of a change, below `root`."""
    info = put(root, "ChangeInfo")
    put(info, "Id", f"/change/{done.id}")
    put(info, "Status", "PENDING" if world.pending(done) else "INSYNC")
    at = datetime.fromtimestamp(done.at, UTC)
    put(info, "SubmittedAt", at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z")
    if done.comment:
        put(info, "Comment", done.comment)
