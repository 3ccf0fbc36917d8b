"""The IAM policy for a zone at Route 53: its records, types and actions, and nothing else."""

import pytest

from lbmigrate.errors import Refused
from lbmigrate.iam import policy
from lbmigrate.spec import Dns

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
