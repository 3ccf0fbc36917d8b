"""Listeners, their certificates and rules; what is refused changes nothing."""

from lbmigrate.lab.elb import rules
from lbmigrate.lab.elb.common import attributes, paged
from lbmigrate.lab.elb.state import Thing, World, shown
from lbmigrate.lab.elb.wire import ApiError

LISTENER = {"routing.http.response.server.enabled": "true", "tcp.idle_timeout.seconds": "350"}
SECURE = ("HTTPS", "TLS")


def create_listener(world: World, given: Thing) -> Thing:
    """A new one, with its certificate as the default."""
    balancer = world.one("LoadBalancer", given["LoadBalancerArn"])
    rules.listener(world, balancer, given)
    arn = given["LoadBalancerArn"].replace(":loadbalancer/", ":listener/") + f"/{world.fresh()}"
    made = {key: one for key, one in given.items() if key != "Tags"}
    if given["Protocol"] in SECURE:
        made.setdefault("SslPolicy", "ELBSecurityPolicy-2016-08")
    if given["Protocol"] == "HTTPS":
        made.setdefault("MutualAuthentication", {"Mode": "off"})
    world.listeners[arn] = {**made, "ListenerArn": arn, "DefaultActions": _kept(given["DefaultActions"]), "_sni": []}
    world.attributes[arn], world.tags[arn] = dict(LISTENER), rules.tags(given.get("Tags", ()))
    return {"Listeners": [shown(world.listeners[arn])]}


def _kept(actions: list[Thing]) -> list[Thing]:
    """Actions as they are told afterwards: no secret, and a single group in both forms."""
    found: list[Thing] = []
    for one in actions:
        told = dict(one)
        if "AuthenticateOidcConfig" in one:
            told["AuthenticateOidcConfig"] = {
                k: v for k, v in one["AuthenticateOidcConfig"].items() if k != "ClientSecret"
            }
        if one["Type"] == "forward":
            groups = one.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": one["TargetGroupArn"]}]
            sticky = one.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {"Enabled": False})
            weighed = [{"Weight": 1, **group} for group in groups]
            told["ForwardConfig"] = {"TargetGroups": weighed, "TargetGroupStickinessConfig": sticky}
            if len(groups) == 1:
                told["TargetGroupArn"] = groups[0]["TargetGroupArn"]
        found.append({"Order": len(found) + 1, **told})
    return found


def modify_listener(world: World, given: Thing) -> Thing:
    """Other settings for one that is there."""
    there = world.one("Listener", given["ListenerArn"])
    change = {key: one for key, one in given.items() if key != "ListenerArn"}
    rules.listener(world, world.balancers[there["LoadBalancerArn"]], {**shown(there), **change}, there["ListenerArn"])
    if "DefaultActions" in change:
        change["DefaultActions"] = _kept(change["DefaultActions"])
    there |= change
    return {"Listeners": [shown(there)]}


def delete_listener(world: World, given: Thing) -> Thing:
    """With its rules."""
    world.one("Listener", given["ListenerArn"])
    for one in [key for key, rule in world.rules.items() if rule["_listener"] == given["ListenerArn"]]:
        del world.rules[one], world.tags[one]
    for table in (world.listeners, world.attributes, world.tags):
        table.pop(given["ListenerArn"], None)
    return {}


def describe_listeners(world: World, given: Thing) -> Thing:
    """Those of one balancer."""
    world.one("LoadBalancer", given["LoadBalancerArn"])
    mine = [shown(one) for one in world.listeners.values() if one["LoadBalancerArn"] == given["LoadBalancerArn"]]
    return paged(mine, "Listeners", given)


def describe_listener_certificates(world: World, given: Thing) -> Thing:
    """The default one and those for SNI."""
    there = world.one("Listener", given["ListenerArn"])
    own = [{**one, "IsDefault": True} for one in there.get("Certificates", ())]
    return paged([*own, *({"CertificateArn": one, "IsDefault": False} for one in there["_sni"])], "Certificates", given)


def add_listener_certificates(world: World, given: Thing) -> Thing:
    """For SNI; one that is there already is no error."""
    there = world.one("Listener", given["ListenerArn"])
    if there["Protocol"] not in SECURE or any("IsDefault" in one for one in given["Certificates"]):
        raise ApiError("ValidationError", "certificates without IsDefault, for a secure listener")
    there["_sni"] += [c["CertificateArn"] for c in given["Certificates"] if c["CertificateArn"] not in there["_sni"]]
    return {"Certificates": given["Certificates"]}


def remove_listener_certificates(world: World, given: Thing) -> Thing:
    """Those for SNI."""
    there = world.one("Listener", given["ListenerArn"])
    gone = {one["CertificateArn"] for one in given["Certificates"]}
    there["_sni"] = [one for one in there["_sni"] if one not in gone]
    return {}


def create_rule(world: World, given: Thing) -> Thing:
    """A new one at a free priority."""
    listener = world.one("Listener", given["ListenerArn"])
    balancer = world.balancers[listener["LoadBalancerArn"]]
    if balancer["Type"] != "application":
        raise ApiError("UnsupportedProtocol", "rules are for Application Load Balancers")
    rules.conditions(given["Conditions"])
    rules.actions(world, balancer, given["Actions"])
    mine = [one for one in world.rules.values() if one["_listener"] == given["ListenerArn"]]
    if any(one["Priority"] == str(given["Priority"]) for one in mine):
        raise ApiError("PriorityInUse", f"Priority '{given['Priority']}' is currently in use")
    arn = given["ListenerArn"].replace(":listener/", ":listener-rule/") + f"/{world.fresh()}"
    told: Thing = {key: given[key] for key in ("Conditions", "Transforms") if key in given}
    world.rules[arn] = {**_conditions(told), "RuleArn": arn, "Priority": str(given["Priority"]), "IsDefault": False,
                        "Actions": _kept(given["Actions"]), "_listener": given["ListenerArn"]}  # fmt: skip
    world.tags[arn] = rules.tags(given.get("Tags", ()))
    return {"Rules": [shown(world.rules[arn])]}


def _conditions(told: Thing) -> Thing:
    """Conditions as they are told afterwards: host and path in both forms."""
    configs = {"host-header": "HostHeaderConfig", "path-pattern": "PathPatternConfig"}
    found = []
    for one in told.get("Conditions", ()):
        config = configs.get(one["Field"])
        if config and "Values" in one.get(config, {}):
            one = {**one, "Values": one[config]["Values"]}
        elif config and "Values" in one:
            one = {**one, config: {"Values": one["Values"]}}
        found.append(one)
    return {**told, "Conditions": found} if "Conditions" in told else told


def modify_rule(world: World, given: Thing) -> Thing:
    """Other conditions or actions."""
    there = world.one("Rule", given["RuleArn"])
    balancer = world.balancers[world.listeners[there["_listener"]]["LoadBalancerArn"]]
    rules.conditions(given.get("Conditions") or [{"Field": "", "": ""}])
    rules.actions(world, balancer, given["Actions"] if "Actions" in given else there["Actions"])
    change = _conditions({key: one for key, one in given.items() if key in ("Conditions", "Transforms")})
    there |= change | ({"Actions": _kept(given["Actions"])} if "Actions" in given else {})
    return {"Rules": [shown(there)]}


def delete_rule(world: World, given: Thing) -> Thing:
    """One rule."""
    world.one("Rule", given["RuleArn"])
    del world.rules[given["RuleArn"]], world.tags[given["RuleArn"]]
    return {}


def describe_rules(world: World, given: Thing) -> Thing:
    """Those of one listener, the default one last."""
    listener = world.one("Listener", given["ListenerArn"])
    mine = [shown(one) for one in world.rules.values() if one["_listener"] == given["ListenerArn"]]
    last = {"RuleArn": given["ListenerArn"].replace(":listener/", ":listener-rule/") + "/default", "Conditions": [],
            "Priority": "default", "IsDefault": True, "Actions": listener["DefaultActions"]}  # fmt: skip
    return paged([*sorted(mine, key=lambda one: int(one["Priority"])), last], "Rules", given)


describe_listener_attributes, modify_listener_attributes = attributes("Listener", "ListenerArn")
