"""The calls of elbv2, each a function of the world and the arguments."""

from collections.abc import Callable

from lbmigrate.lab.elb import balancing, common, grouping, listening
from lbmigrate.lab.elb.state import Thing, World

OPERATIONS: dict[str, Callable[[World, Thing], Thing]] = {
    "AddListenerCertificates": listening.add_listener_certificates,
    "AddTags": common.add_tags,
    "CreateListener": listening.create_listener,
    "CreateLoadBalancer": balancing.create_load_balancer,
    "CreateRule": listening.create_rule,
    "CreateTargetGroup": grouping.create_target_group,
    "DeleteListener": listening.delete_listener,
    "DeleteLoadBalancer": balancing.delete_load_balancer,
    "DeleteRule": listening.delete_rule,
    "DeleteTargetGroup": grouping.delete_target_group,
    "DeregisterTargets": grouping.deregister_targets,
    "DescribeListenerAttributes": listening.describe_listener_attributes,
    "DescribeListenerCertificates": listening.describe_listener_certificates,
    "DescribeListeners": listening.describe_listeners,
    "DescribeLoadBalancerAttributes": balancing.describe_load_balancer_attributes,
    "DescribeLoadBalancers": balancing.describe_load_balancers,
    "DescribeRules": listening.describe_rules,
    "DescribeTags": common.describe_tags,
    "DescribeTargetGroupAttributes": grouping.describe_target_group_attributes,
    "DescribeTargetGroups": grouping.describe_target_groups,
    "DescribeTargetHealth": grouping.describe_target_health,
    "ModifyListener": listening.modify_listener,
    "ModifyListenerAttributes": listening.modify_listener_attributes,
    "ModifyLoadBalancerAttributes": balancing.modify_load_balancer_attributes,
    "ModifyRule": listening.modify_rule,
    "ModifyTargetGroup": grouping.modify_target_group,
    "ModifyTargetGroupAttributes": grouping.modify_target_group_attributes,
    "RegisterTargets": grouping.register_targets,
    "RemoveListenerCertificates": listening.remove_listener_certificates,
    "RemoveTags": common.remove_tags,
}
