"""The IAM policies: for a zone at Route 53 its records, types and actions; for load balancers A and B by name."""

from typing import Any

import pytest

from lbmigrate.errors import Refused
from lbmigrate.iam import Policy, balancers, policy
from lbmigrate.model import Side
from lbmigrate.spec import Bound, Dns

ENTRY = Dns("route53", "example.com.", zone_id="Z1")
CHANGE = "route53:ChangeResourceRecordSets"


def test_it_names_what_is_written_as_the_condition_keys_want_it() -> None:
    names = {"www.example.com.": {"A", "AAAA"}, "*.example.com.": {"CNAME"}}
    assert policy(ENTRY, names) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
             "Resource": "arn:aws:route53:::hostedzone/Z1"},
            {"Effect": "Allow", "Action": "route53:GetChange", "Resource": "arn:aws:route53:::change/*"},
            {"Effect": "Allow", "Action": CHANGE, "Resource": "arn:aws:route53:::hostedzone/Z1", "Condition": {
                "ForAllValues:StringEquals": {
                    f"{CHANGE}NormalizedRecordNames": [
                        r"\052.example.com", r"_lbmigrate.\052.example.com", "_lbmigrate.www.example.com",
                        "www.example.com"],
                    f"{CHANGE}RecordTypes": ["A", "AAAA", "CNAME", "TXT"],
                    f"{CHANGE}Actions": ["CREATE", "DELETE"]}}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("region", "partition"), [("", "aws"), ("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])  # fmt: skip  # noqa: E501
def test_other_partitions(region: str, partition: str) -> None:
    entry = Dns("route53", "example.com.", zone_id="Z1", region=region)
    assert f"arn:{partition}:route53:::hostedzone/Z1" in str(policy(entry, {}))


def test_without_the_zone_s_id_there_is_none() -> None:
    with pytest.raises(Refused, match="give zone_id"):
        policy(Dns("route53", "example.com."), {})


# ---------------------------------------------------------------- load balancers


def side(driver: str, *place: tuple[str, str]) -> Side:
    return Side(driver, ("192.0.2.1",), place=place)


A, B = side("elbv2", ("name", "a"), ("region", "cn-north-1")), side("elbv2", ("name", "b"), ("region", "cn-north-1"))
SCALED = "arn:aws-cn:autoscaling:cn-north-1:*:autoScalingGroup:*:autoScalingGroupName/*"
COPIES = {
    "ForAllValues:ArnLike": {
        "autoscaling:TargetGroupARNs": "arn:aws-cn:elasticloadbalancing:cn-north-1:*:targetgroup/lbm-*/*"
    }
}
ALB = "arn:aws-cn:elasticloadbalancing:cn-north-1:*:loadbalancer"


def writes(found: Policy) -> list[dict[str, Any]]:
    """The statements that allow more than to look."""
    each: Any = found["Statement"]
    looks = (":Describe", ":Get", ":List")
    return [one for one in each if not all(any(look in name for look in looks) for name in one["Action"])]


def test_b_is_made_by_its_name_and_a_deleted_by_its_mark() -> None:
    acl, b, groups, a, marked, gone, attached, detached = writes(balancers(Bound("m", (), A, B, (), ()), False))
    webs = "arn:aws-cn:wafv2:cn-north-1:*:regional/webacl/*/*"
    assert acl["Resource"] == [f"{ALB}/app/a/*", f"{ALB}/app/b/*", webs]
    assert f"{ALB}/*/b/*" in b["Resource"]
    assert all("/b/" in one for one in b["Resource"])
    assert groups["Resource"].endswith(":targetgroup/lbm-*/*")
    assert (a["Resource"], "elasticloadbalancing:DeleteLoadBalancer" in a["Action"]) == (f"{ALB}/*/a/*", True)
    assert marked["Condition"] == {"ForAllValues:StringEquals": {"aws:TagKeys": "lbmigrate:retiring"}}
    assert gone["Action"] == ["elasticloadbalancing:DeleteTargetGroup"]
    assert gone["Condition"] == {"StringEquals": {"aws:ResourceTag/lbmigrate:retiring": "m"}}
    assert (attached["Action"], attached["Condition"]) == (["autoscaling:AttachLoadBalancerTargetGroups"], COPIES)
    assert detached["Action"] == ["autoscaling:DetachLoadBalancerTargetGroups", "autoscaling:DetachTrafficSources"]
    assert attached["Resource"] == detached["Resource"] == SCALED


def test_what_is_kept_is_emptied_not_deleted_and_for_another_b_nothing_is_written() -> None:
    *_, a, marked, emptied, attached, detached = writes(balancers(Bound("m", (), A, B, (), ()), True))
    assert a["Action"] == [
        f"elasticloadbalancing:{one}" for one in ("AddTags", "ModifyLoadBalancerAttributes", "RemoveTags")
    ]
    assert marked["Action"] == ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
    assert marked["Condition"] == {"ForAllValues:StringEquals": {"aws:TagKeys": "lbmigrate:retiring"}}
    assert emptied["Action"] == ["elasticloadbalancing:DeregisterTargets"]
    assert emptied["Condition"] == {"StringEquals": {"aws:ResourceTag/lbmigrate:retiring": "m"}}
    assert (attached["Condition"], attached["Resource"], detached["Resource"]) == (COPIES, SCALED, SCALED)
    assert writes(balancers(Bound("m", (), side("elbv2", ("name", "a")), side("external"), (), ()), True)) == []


@pytest.mark.parametrize("keep", [True, False])
def test_a_classic_one_is_named_and_has_neither_groups_nor_a_web_acl(keep: bool) -> None:
    a = side("elbv2", ("name", "a"), ("region", "cn-north-1"), ("classic", "true"))
    b, groups, old, attached, detached, newer = writes(balancers(Bound("m", (), a, B, (), ()), keep))
    end = "DeregisterInstancesFromLoadBalancer" if keep else "DeleteLoadBalancer"
    assert old["Action"] == [f"elasticloadbalancing:{one}" for one in ("AddTags", end, "RemoveTags")]
    assert old["Resource"] == f"{ALB}/a"
    assert "elasticloadbalancing:SetWebACL" not in b["Action"]
    assert groups["Resource"].endswith(":targetgroup/lbm-*/*")
    assert attached["Condition"] == COPIES
    assert detached["Condition"] == {"ForAllValues:StringEquals": {"autoscaling:LoadBalancerNames": "a"}}
    assert newer["Action"] == ["autoscaling:DetachTrafficSources"]
