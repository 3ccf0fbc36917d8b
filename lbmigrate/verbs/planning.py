"""Before it begins: `check`, `discover`, `plan`, `policy`. They change nothing."""

import json

import click

from lbmigrate.errors import Refused
from lbmigrate.flags import Common
from lbmigrate.verbs import said, work


def check(common: Common) -> int:
    """See the command line's help."""
    from lbmigrate.preflight import findings

    with work.at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        if over := work.ended(engine.state, chosen):
            raise Refused(f"check: {over}")
        found = findings(engine.state, parts, chosen)
    failed = [one for one in found if one.level == "no"]
    listed = [{"level": one.level, "what": one.what} for one in found]
    if common.output == "json" and not failed:
        click.echo(json.dumps(listed))
    elif common.output != "json":
        for one in found:
            click.echo(f"{one.level:5} {one.what}")
    if failed:
        more = f"check: {len(failed)} preconditions not met, the first: " if len(failed) > 1 else "check: "
        wrong = failed[0].kind(f"{more}{failed[0].what}")
        wrong.more = {"findings": listed}
        raise wrong
    return 0


def discover(common: Common, names: tuple[str, ...], section: bool, account: bool) -> int:
    """See the command line's help."""
    from lbmigrate import assemble, config, gather, listing
    from lbmigrate.words import safe

    chosen = assemble.located(config.load(work.config_path(common)))
    seen = gather.discover(chosen.bound, config.owners(names), account)
    for line in listing.remarks(seen):
        click.echo(f"lbmigrate: {safe(line)}", err=True)
    if common.output == "json":
        click.echo(json.dumps(listing.document(seen)))
    else:
        click.echo(listing.section(seen) if section else listing.table(seen))
    return 0


def plan(common: Common, nearest: bool) -> int:
    """See the command line's help."""
    with work.at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        if engine.state.active and engine.state.back:
            click.echo(f"lbmigrate: {said.going_back(engine.state)}; this was the plan:", err=True)
        return said.print_plan(common, work.planned(engine, parts, chosen, nearest), chosen)


def policy(common: Common, server: str | None) -> int:
    """See the command line's help."""
    from lbmigrate import policy as rules
    from lbmigrate.iam import balancers
    from lbmigrate.needed import needs

    kinds = [server] if server else list(rules.SERVERS)
    with work.at_work(common, changes=False, begins=True) as (engine, parts, chosen):
        found, hosted = needs(chosen.bound, parts.zones, engine.state.plan if engine.state.active else None)
    named = [("route53", one) for one in hosted]
    if chosen.bound.a.place:
        named.append(("elbv2", balancers(chosen.bound, chosen.soft.retire.keep)))
    if common.output == "json":
        documents = [rules.document(where, each, kinds) for where, each in found.items()]
        click.echo(json.dumps([*documents, *({"server": what, "policies": {"iam": one}} for what, one in named)]))
    else:
        texts = [rules.text(each, kinds) for each in found.values()]
        click.echo("\n\n".join([*texts, *(json.dumps(one, indent=2) for _, one in named)]))
    return 0
