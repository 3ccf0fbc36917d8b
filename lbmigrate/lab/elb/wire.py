"""Requests and answers of the AWS query, EC2 and JSON protocols, by boto3's own description of each API."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, SubElement, tostring

import botocore.session  # type: ignore[import-untyped]
from botocore.model import ServiceModel, Shape  # type: ignore[import-untyped]

SERVICES = {
    "elasticloadbalancing": "elbv2",
    "ec2": "ec2",
    "wafv2": "wafv2",
    "monitoring": "cloudwatch",
    "autoscaling": "autoscaling",
    "ecs": "ecs",
}  # by the name that a signature has
OLDER = b"Version=2012-06-01"
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/[^/]*/([^/]+)/aws4_request")


class ApiError(Exception):
    """What the API answers instead, with its code."""

    def __init__(self, code: str, words: str, status: int = 400) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words, self.status = code, words, status


def service_of(authorization: str, body: bytes = b"") -> str:
    """The service that a request was signed for; the older API of load balancers by its version. Raises ApiError."""
    service = SERVICES[_signed(authorization)[1]]
    return "elb" if service == "elbv2" and OLDER in body else service


def key_of(authorization: str) -> str:
    """The id of the key that signed a request. Raises ApiError."""
    return _signed(authorization)[0]


def _signed(authorization: str) -> tuple[str, str]:
    found = _SCOPE.search(authorization)
    if found is None or found[2] not in SERVICES:
        raise ApiError("MissingAuthenticationToken", "the request is not signed for a service that is here", 403)
    return found[1], found[2]


@cache
def model(service: str) -> ServiceModel:
    """The description of one API."""
    return botocore.session.Session().get_service_model(service)


def request(service: str, target: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Operation and arguments. Raises ApiError for what the API does not know."""
    if model(service).resolved_protocol == "json":
        return target.partition(".")[2], json.loads(body or b"{}")
    given = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    name = given.pop("Action", "")
    if given.pop("Version", "") != model(service).api_version or name not in model(service).operation_names:
        raise ApiError("InvalidAction", f"no operation {name!r} of this version")
    shape = model(service).operation_model(name).input_shape
    taken = _taken(shape, given, "", service == "ec2") if shape else {}
    if given:
        raise ApiError("ValidationError", f"unknown parameter {min(given)}")
    return name, taken or {}


def _taken(shape: Shape, given: dict[str, str], prefix: str, ec2: bool) -> Any:
    """What `given` says for this shape below `prefix`, taken out of it; None for nothing."""
    if shape.type_name == "structure":
        found = {name: _taken(one, given, _below(prefix, name, one, ec2), ec2) for name, one in shape.members.items()}
        return {name: one for name, one in found.items() if one is not None} or None
    if shape.type_name == "list":
        return _list(shape, given, prefix if ec2 else f"{prefix}.member", ec2)
    if shape.type_name == "map":
        return {given.pop(f"{prefix}.entry.{n}.key"): given.pop(f"{prefix}.entry.{n}.value")
                for n in range(1, 100) if f"{prefix}.entry.{n}.key" in given} or None  # fmt: skip
    text = given.pop(prefix, None)
    return None if text is None else _scalar(shape, text)


def _below(prefix: str, name: str, shape: Shape, ec2: bool) -> str:
    if ec2:
        wire = shape.serialization.get("queryName") or shape.serialization.get("name", name)
        name = wire[0].upper() + wire[1:]
    return f"{prefix}.{name}" if prefix else name


def _list(shape: Shape, given: dict[str, str], prefix: str, ec2: bool) -> list[Any] | None:
    found: list[Any] = []
    if given.get(prefix.removesuffix(".member")) == "":
        given.pop(prefix.removesuffix(".member"))
        return []
    while (one := _taken(shape.member, given, f"{prefix}.{len(found) + 1}", ec2)) is not None:
        found.append(one)
    return found or None


def _scalar(shape: Shape, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return text == "true"
    if shape.enum and text not in shape.enum:
        raise ApiError("ValidationError", f"{text!r} is none of {', '.join(shape.enum)}")
    return text


# ---------------------------------------------------------------- answers


def answer(service: str, name: str, found: Mapping[str, Any]) -> bytes:
    """The body of a good answer."""
    api = model(service)
    if api.resolved_protocol == "json":
        return json.dumps(found).encode()
    top = Element(f"{name}Response", xmlns=api.metadata.get("xmlNamespace", "http://ec2.amazonaws.com/doc/2016-11-15/"))
    shape = api.operation_model(name).output_shape
    place = top if service == "ec2" else SubElement(top, f"{name}Result")
    if shape is not None:
        _fill(place, shape, found)
    SubElement(SubElement(top, "ResponseMetadata"), "RequestId").text = "laboratory"
    return tostring(top)


def listing(found: Mapping[str, Any]) -> bytes:
    """CloudFront's answer to ListDistributions: XML, without anything around it."""
    shape = model("cloudfront").shape_for("DistributionList")
    top = Element("DistributionList", xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/")
    _fill(top, shape, found)
    return tostring(top)


def _fill(place: Element, shape: Shape, found: Any) -> None:
    if shape.type_name == "structure":
        for name, one in found.items():
            if one is not None:
                member = shape.members[name]
                _fill(SubElement(place, member.serialization.get("name", name)), member, one)
    elif shape.type_name == "list":
        for one in found:
            _fill(SubElement(place, shape.member.serialization.get("name", "member")), shape.member, one)
    elif shape.type_name == "map":
        for key, one in found.items():
            entry = SubElement(place, "entry")
            SubElement(entry, "key").text, SubElement(entry, "value").text = key, one
    else:
        place.text = _text(found)


def _text(found: Any) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return datetime.fromtimestamp(found, UTC).isoformat().replace("+00:00", "Z")
    return str(found)


def refusal(service: str, wrong: ApiError) -> bytes:
    """The body of an answer that is an error."""
    if model(service).resolved_protocol == "json":
        return json.dumps({"__type": wrong.code, "message": wrong.words}).encode()
    top = Element("Response" if service == "ec2" else "ErrorResponse")
    error = SubElement(SubElement(top, "Errors") if service == "ec2" else top, "Error")
    SubElement(error, "Type").text = "Sender"
    SubElement(error, "Code").text, SubElement(error, "Message").text = wrong.code, wrong.words
    return tostring(top)
