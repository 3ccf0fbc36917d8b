"""An account of the laboratory with balancers in it, made through boto3 as anybody would make them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from lbmigrate import aws
from lbmigrate.balancers.elbv2.side import Elbv2
from lbmigrate.lab.elb.server import serving
from lbmigrate.lab.elb.state import ACCOUNT, REGION, World
from lbmigrate.model import Balancer, Side

CERT = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/"
TRUST = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:truststore/ts/1"
ACL = f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/acl/1"
POOL = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/p"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
MIGRATION = "web-2026"
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CONFIG_FILE": "/nonexistent"}  # fmt: skip
HERS, HIS = ("203.0.113.1", "203.0.113.2"), ("203.0.113.3", "203.0.113.4")  # A's and B's Elastic IPs
Thing = dict[str, Any]


class Account:
    """A laboratory's account: its world, and a client of its own that nobody counts."""

    def __init__(self, world: World, endpoint: str) -> None:
        self.world, self.endpoint = world, endpoint
        self.elb = aws.client("elbv2", aws.Reach(REGION, "", endpoint), 10)

    def side(self, which: str, name: str, addresses: tuple[str, ...] = (), **more: str) -> Balancer:
        """A driver's side."""
        place = {"side": which, "migration": MIGRATION, "name": name, "region": REGION, "endpoint": self.endpoint}
        return Elbv2(Side("elbv2", addresses, place=tuple({**place, **more}.items())), self.world.clock)

    def listing(self) -> Thing:
        """Everything that the account holds."""
        names = ("balancers", "listeners", "rules", "groups", "attributes", "tags", "guarded", "scaling", "classics")
        held = {name: deepcopy(getattr(self.world, name)) for name in names}
        held["targets"] = {arn: sorted(mine) for arn, mine in self.world.targets.items()}
        return held


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def account(clock: Callable[[], float] | None = None) -> Iterator[Account]:
    """An account with two subnets and four Elastic IPs, and credentials that are nobody's; by default time stands."""
    world = World(clock or Hand(), acls={ACL}, invocable={"*"})
    world.subnets = {
        "subnet-1": {"zone": "us-east-1a", "vpc": "vpc-1", "cidr": "10.0.1.0/24"},
        "subnet-2": {"zone": "us-east-1b", "vpc": "vpc-1", "cidr": "10.0.2.0/24"},
    }
    world.addresses = {f"eipalloc-{n}": one for n, one in enumerate((*HERS, *HIS))}
    with serving(world) as endpoint:
        yield Account(world, endpoint)


def tagged(**given: str) -> list[Thing]:
    return [{"Key": key, "Value": one} for key, one in given.items()]


def group(one: Account, name: str, targets: list[Thing], **more: Any) -> str:
    """A target group with targets; its ARN."""
    given = {"Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "instance", "Tags": tagged(team="web")}
    made = one.elb.create_target_group(Name=name, **{k: v for k, v in {**given, **more}.items() if v is not None})
    arn: str = made["TargetGroups"][0]["TargetGroupArn"]
    one.elb.register_targets(TargetGroupArn=arn, Targets=targets)
    return arn


def application(one: Account, name: str = "web-a") -> str:
    """An Application Load Balancer with a bit of everything; its ARN."""
    elb = one.elb
    arn: str = elb.create_load_balancer(
        Name=name, Subnets=["subnet-1", "subnet-2"], SecurityGroups=["sg-1"], Tags=tagged(team="web", cost="7")
    )["LoadBalancers"][0]["LoadBalancerArn"]
    change = {"idle_timeout.timeout_seconds": "120", "routing.http.drop_invalid_header_fields.enabled": "true"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=tagged(**change))
    web = group(one, f"{name}-web", [{"Id": "i-1"}, {"Id": "i-2", "Port": 9000}], HealthCheckPath="/healthz",
                HealthCheckIntervalSeconds=10, Matcher={"HttpCode": "200-204"})  # fmt: skip
    sticky = {"stickiness.enabled": "true", "deregistration_delay.timeout_seconds": "30"}
    elb.modify_target_group_attributes(TargetGroupArn=web, Attributes=tagged(**sticky))
    ip = group(one, f"{name}-ip", [{"Id": "10.0.1.7", "Port": 80}], TargetType="ip", ProtocolVersion="GRPC",
               Matcher={"GrpcCode": "0"})  # fmt: skip
    function = group(one, f"{name}-fn", [{"Id": LAMBDA}], TargetType="lambda", Protocol=None, Port=None, VpcId=None)
    to_https = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80,
                        DefaultActions=[{"Type": "redirect", "RedirectConfig": to_https}])  # fmt: skip
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTPS", Port=443, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        Certificates=[{"CertificateArn": f"{CERT}1"}], Tags=tagged(kind="front"),
        MutualAuthentication={"Mode": "verify", "TrustStoreArn": TRUST, "IgnoreClientCertificateExpiry": False},
        DefaultActions=[{"Type": "forward", "TargetGroupArn": web}],
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    for n in range(2, 7):
        elb.add_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": f"{CERT}{n}"}])
    header = {"routing.http.response.server.enabled": "false"}
    elb.modify_listener_attributes(ListenerArn=listener, Attributes=tagged(**header))
    for n, rule in enumerate(_rules(web, ip, function)):
        elb.create_rule(ListenerArn=listener, Priority=10 * (n + 1), Tags=tagged(n=str(n)), **rule)
    one.world.guarded[arn] = ACL
    return arn


def scaling(
    one: Account, name: str, groups: list[str], instances: tuple[str, ...], newer: tuple[str, ...] = ()
) -> Thing:
    """An Auto Scaling group with instances that are registered with target groups; as it is held."""
    one.world.scaling[name] = held = {
        "AutoScalingGroupName": name, "TargetGroupARNs": groups, "_newer": [*newer], "LoadBalancerNames": [],
        "HealthCheckType": "EC2", "Instances": [{"InstanceId": each} for each in instances],
    }  # fmt: skip
    for arn in (*groups, *newer):
        one.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": each} for each in instances])
    return held


def service(one: Account, cluster: str, name: str, arn: str) -> Thing:
    """A service of ECS that registers tasks with a target group; as it is held."""
    held = {"serviceName": name, "serviceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{cluster}/{name}",
            "loadBalancers": [{"targetGroupArn": arn}]}  # fmt: skip
    one.world.clusters.setdefault(cluster, []).append(held)
    return held


def _rules(web: str, ip: str, function: str) -> list[Thing]:
    weighted = {"TargetGroups": [{"TargetGroupArn": web, "Weight": 3}, {"TargetGroupArn": ip, "Weight": 1}],
                "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60}}  # fmt: skip
    cognito = {"UserPoolArn": POOL, "UserPoolClientId": "c", "UserPoolDomain": "d",
               "AuthenticationRequestExtraParams": {"prompt": "login"}}  # fmt: skip
    fixed = {"StatusCode": "503", "MessageBody": "off", "ContentType": "text/plain"}
    return [
        {"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v2/*"]}}],
         "Actions": [{"Type": "forward", "ForwardConfig": weighted}]},
        {"Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["in.example.com"]}},
                        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}],
         "Actions": [{"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": cognito},
                     {"Type": "forward", "Order": 2, "TargetGroupArn": web}]},
        {"Conditions": [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["PURGE"]}}],
         "Actions": [{"Type": "fixed-response", "FixedResponseConfig": fixed}]},
        {"Conditions": [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "f", "Value": "1"}]}}],
         "Actions": [{"Type": "forward", "TargetGroupArn": function}]},
    ]  # fmt: skip


def network(one: Account, name: str = "net-a", internal: bool = False) -> str:
    """A Network Load Balancer with addresses of its own; its ARN."""
    subnets = ("subnet-1", "subnet-2")
    held = [{"SubnetId": s, "AllocationId": f"eipalloc-{n}"} for n, s in enumerate(subnets)]
    if internal:
        held = [{"SubnetId": s, "PrivateIPv4Address": f"10.0.{n + 1}.10"} for n, s in enumerate(subnets)]
    arn: str = one.elb.create_load_balancer(
        Name=name, Type="network", Scheme="internal" if internal else "internet-facing", SubnetMappings=held
    )["LoadBalancers"][0]["LoadBalancerArn"]
    tcp = group(one, f"{name}-tcp", [{"Id": "i-1"}], Protocol="TCP", Port=443)
    one.elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=80,
                            DefaultActions=[{"Type": "forward", "TargetGroupArn": tcp}])  # fmt: skip
    one.elb.create_listener(
        LoadBalancerArn=arn, Protocol="TLS", Port=443, Certificates=[{"CertificateArn": f"{CERT}1"}],
        AlpnPolicy=["HTTP2Preferred"], SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": tcp}],
    )  # fmt: skip
    return arn
