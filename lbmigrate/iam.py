"""The least that AWS must allow: IAM policies for a zone at Route 53 and for load balancers. Pure.

A zone's names its records, types and actions. A change batch is judged as a whole (developer guide, "Using IAM policy
conditions for fine-grained access control"), so one statement has to hold every name and type of it: each of these
types at each of these names. IAM cannot say less.

That for balancers names B and A, B's groups by the prefix of their names, and A's groups by the tag that marks them.
Auto Scaling groups are attached to B's groups alone, and detached from these and from A's.
"""

from collections.abc import Collection, Mapping

from lbmigrate.errors import Refused
from lbmigrate.fence import owner
from lbmigrate.model import Side
from lbmigrate.spec import Bound, Dns
from lbmigrate.weighted import octal

READS = ("route53:GetHostedZone", "route53:ListResourceRecordSets")
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
ELB = "elasticloadbalancing"
COUNTED = "cloudwatch:GetMetricData"
TOLD = (  # what a balancer is read by; such calls cannot be narrowed to one
    "ListenerAttributes", "ListenerCertificates", "Listeners", "LoadBalancerAttributes", "LoadBalancers", "Rules",
    "Tags", "TargetGroupAttributes", "TargetGroups", "TargetHealth",
)  # fmt: skip
ASKED = (  # what AWS itself wants to look at when a balancer is made (ELB user guide, "API permissions")
    "AccountAttributes", "Addresses", "Instances", "InternetGateways", "SecurityGroups", "Subnets", "Vpcs",
)  # fmt: skip
FOR_B = (
    "AddListenerCertificates", "AddTags", "CreateListener", "CreateLoadBalancer", "CreateRule", "DeleteListener",
    "DeleteLoadBalancer", "DeleteRule", "ModifyListener", "ModifyListenerAttributes", "ModifyLoadBalancerAttributes",
    "ModifyRule", "RemoveListenerCertificates", "SetWebACL",
)  # fmt: skip
FOR_GROUPS = (
    "AddTags", "CreateTargetGroup", "DeleteTargetGroup", "DeregisterTargets", "ModifyTargetGroup",
    "ModifyTargetGroupAttributes", "RegisterTargets",
)  # fmt: skip
FOR_A = ("AddTags", "ModifyLoadBalancerAttributes", "RemoveTags")
TOLD_CLASSIC = ("InstanceHealth", "LoadBalancerPolicies")
FOR_CLASSIC = ("AddTags", "RemoveTags")
NOT_FROM_CLASSIC = ("AddListenerCertificates", "CreateRule", "ModifyRule", "SetWebACL")  # what such an A never had
RETIRING = "lbmigrate:retiring"  # the tag of what a migration is to retire
PREFIX = "lbm-"  # of the names of B's groups
FED = (  # who else registers targets with A
    "autoscaling:DescribeAutoScalingGroups", "ecs:DescribeServices", "ecs:ListClusters", "ecs:ListServices",
)  # fmt: skip
VERSION = "2012-10-17"  # of the policies' language
Policy = dict[str, object]


def balancers(bound: Bound, keep: bool) -> Policy:
    """The document for sides with driver elbv2; with `keep` A is emptied, not deleted; B of another kind needs less."""
    old = _classic(bound.a)
    reads = [COUNTED, *FED, *(f"{ELB}:Describe{one}" for one in (*TOLD, *(TOLD_CLASSIC if old else ())))]
    statements = [_allow(reads, "*")]
    acls = _guarded(bound) if not old else []
    statements += [_allow(["wafv2:GetWebACLForResource"], acls)] if acls else []
    if bound.b.place:
        replaced = [_replaced_classic(bound.a, keep)] if old else _replaced(bound, keep)
        statements += [*_made(bound.b, acls), *replaced, *_fed(bound)]
    return {"Version": VERSION, "Statement": statements}


def _classic(a: Side) -> bool:
    return "classic" in dict(a.place)


def _guarded(bound: Bound) -> list[str]:
    """What a web ACL goes with, and every one that there may be."""
    sides = [side for side in (bound.a, bound.b) if side.place]
    guarded = [_arn(side, f"loadbalancer/app/{_name(side)}/*") for side in sides]
    return [*guarded, _arn(bound.a, "regional/webacl/*/*", "wafv2")]


def _made(b: Side, acls: list[str]) -> list[Policy]:
    asked = [f"ec2:Describe{one}" for one in ASKED]
    own = [_arn(b, f"{kind}/*/{_name(b)}/*") for kind in ("listener", "listener-rule", "loadbalancer")]
    cognito = ["cognito-idp:DescribeUserPoolClient"] if acls else []  # a Classic Load Balancer has neither of them
    made = [one for one in FOR_B if acls or one not in NOT_FROM_CLASSIC]
    return [
        _allow([*cognito, *asked], "*"),
        *([_allow(["wafv2:AssociateWebACL"], acls)] if acls else []),
        _allow(_elb(made), own),
        _allow(_elb(FOR_GROUPS), _arn(b, f"targetgroup/{PREFIX}*/*")),
    ]


def _replaced(bound: Bound, keep: bool) -> list[Policy]:
    """A is marked and protected, and put back so, or deleted with its groups, which are marked first, or emptied."""
    a, groups = _arn(bound.a, f"loadbalancer/*/{_name(bound.a)}/*"), _arn(bound.a, "targetgroup/*/*")
    only, marked = {"aws:TagKeys": RETIRING}, {f"aws:ResourceTag/{RETIRING}": bound.migration}
    tags, end = (["AddTags", "RemoveTags"], "DeregisterTargets") if keep else (["AddTags"], "DeleteTargetGroup")
    return [
        _allow(_elb(FOR_A if keep else (*FOR_A, "DeleteLoadBalancer")), a),
        {**_allow(_elb(tags), groups), "Condition": {"ForAllValues:StringEquals": only}},
        {**_allow(_elb([end]), groups), "Condition": {"StringEquals": marked}},
    ]


def _replaced_classic(a: Side, keep: bool) -> Policy:
    calls = [*FOR_CLASSIC, "DeregisterInstancesFromLoadBalancer" if keep else "DeleteLoadBalancer"]
    return _allow(_elb(calls), _arn(a, f"loadbalancer/{_name(a)}"))


def _fed(bound: Bound) -> list[Policy]:
    b = bound.b
    groups = _arn(b, "autoScalingGroup:*:autoScalingGroupName/*", "autoscaling")
    attach, detach, newer = (
        f"autoscaling:{one}"
        for one in ("AttachLoadBalancerTargetGroups", "DetachLoadBalancerTargetGroups", "DetachTrafficSources")
    )
    only = {"ForAllValues:ArnLike": {"autoscaling:TargetGroupARNs": _arn(b, f"targetgroup/{PREFIX}*/*")}}
    if not _classic(bound.a):
        return [{**_allow([attach], groups), "Condition": only}, _allow([detach, newer], groups)]
    named = {"ForAllValues:StringEquals": {"autoscaling:LoadBalancerNames": _name(bound.a)}}
    return [
        {**_allow([attach, detach], groups), "Condition": only},
        {**_allow(["autoscaling:DetachLoadBalancers"], groups), "Condition": named},
        _allow([newer], groups),
    ]


def _name(side: Side) -> str:
    return dict(side.place)["name"]


def _allow(actions: Collection[str], resource: str | list[str]) -> Policy:
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": resource}


def _elb(actions: Collection[str]) -> list[str]:
    return [f"{ELB}:{one}" for one in actions]


def _arn(side: Side, what: str, service: str = ELB) -> str:
    region = dict(side.place).get("region", "")
    return f"arn:{_partition(region)}:{service}:{region or '*'}:*:{what}"


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
    return {"Version": VERSION, "Statement": statements}


def _partition(region: str) -> str:
    return next((found for prefix, found in PARTITIONS.items() if region.startswith(prefix)), "aws")


def _normal(name: str) -> str:
    """As the condition wants it: lower case, octal escapes, without the final dot."""
    return octal(name).removesuffix(".")
