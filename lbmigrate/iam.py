"""The least that AWS must allow for a zone at Route 53: an IAM policy that names its records, types and actions. Pure.

A change batch is judged as a whole (developer guide, "Using IAM policy conditions for fine-grained access control"), so
one statement has to hold every name and type of it: each of these types at each of these names. IAM cannot say less.
"""

from collections.abc import Collection, Mapping

from lbmigrate.errors import Refused
from lbmigrate.fence import owner
from lbmigrate.spec import Dns
from lbmigrate.weighted import octal

READS = ("route53:GetHostedZone", "route53:ListResourceRecordSets")
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
Policy = dict[str, object]


def policy(entry: Dns, names: Mapping[str, Collection[str]]) -> Policy:
    """The document for one `dns:` entry, with the types of each of its names. Raises Refused without `zone_id`."""
    if not entry.zone_id:
        raise Refused(f"dns: {entry.zone}: a policy names the hosted zone by its id; give zone_id")
    arn = f"arn:{_partition(entry.region)}:route53:::"
    written = sorted({_normal(name) for each in names for name in (each, owner(each))})
    types = sorted({"TXT", *(rtype for rtypes in names.values() for rtype in rtypes)})
    about = {"NormalizedRecordNames": written, "RecordTypes": types, "Actions": ["CREATE", "DELETE"]}
    only = {f"route53:ChangeResourceRecordSets{key}": found for key, found in about.items()}
    zone = f"{arn}hostedzone/{entry.zone_id}"
    statements = [
        {"Effect": "Allow", "Action": list(READS), "Resource": zone},
        {"Effect": "Allow", "Action": "route53:GetChange", "Resource": f"{arn}change/*"},
        {"Effect": "Allow", "Action": "route53:ChangeResourceRecordSets", "Resource": zone,
         "Condition": {"ForAllValues:StringEquals": only}},
    ]  # fmt: skip
    return {"Version": "2012-10-17", "Statement": statements}


def _partition(region: str) -> str:
    return next((found for prefix, found in PARTITIONS.items() if region.startswith(prefix)), "aws")


def _normal(name: str) -> str:
    """As the condition wants it: lower case, octal escapes, without the final dot."""
    return octal(name).removesuffix(".")
