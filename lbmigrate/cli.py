"""The command line: every verb with its flags. Nothing heavy is imported before a verb runs."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from lbmigrate import __version__
from lbmigrate.flags import Common

F = Callable[..., Any]


def _take(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    if value not in (None, 0, False):
        setattr(ctx.ensure_object(Common), str(param.name), value)
    return value


def _flag(*names: str, **given: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_take, **given)


# Every command takes the same four, made once: an option each would be most of the time that this module costs.
GLOBAL = (
    _flag("-c", "--config", metavar="FILE", help="Config file [default: $LBMIGRATE_CONFIG, then lbmigrate.yaml]."),
    _flag("-v", "--verbose", count=True, help="Every look, on stderr."),
    _flag("-q", "--quiet", is_flag=True, help="No progress on stderr."),
    _flag("-o", "--output", type=click.Choice(["text", "json"]), help="Form of the result."),
)


class Page(click.Context):
    """Its help fits the terminal as click's own does, without importing shutil for the terminal's width."""

    def make_formatter(self) -> click.HelpFormatter:
        """At most 110 columns, 80 where there is no terminal; $COLUMNS is obeyed."""
        return click.HelpFormatter(width=max(50, min(_columns(), 110) - 2))


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80 if sys.__stdout__ else 80
    except (OSError, ValueError):  # no terminal, or stdout is closed
        return 80


class Verb(click.Command):
    """One verb."""

    context_class = Page


class Verbs(click.Group):
    """All of them."""

    context_class = Page
    command_class = Verb


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lbmigrate", message="%(prog)s %(version)s")
def cli() -> None:
    """Replace a load balancer behind live DNS names without one failed request.

    \b
    A typical migration:
      lbmigrate check                 prove every precondition, change nothing
      lbmigrate plan                  steps, waits, what undo costs
      lbmigrate start                 claim the names, stand B up, first stage
      lbmigrate shift --weight 50     further stages by hand, or
      lbmigrate run                   all of it by itself
      lbmigrate rollback              back to A at any moment before A is retired
    """


cli.params.extend(GLOBAL)


def _verb(name: str, doc: str, *options: F) -> None:
    """Declare one verb; the work is in `verbs`, under the same name."""

    def call(**given: Any) -> None:
        from lbmigrate import verbs

        common = click.get_current_context().ensure_object(Common)
        code = verbs.verb(name)(common, **given)
        click.get_current_context().exit(code or 0)

    call.__doc__ = doc
    command: F = call
    for option in reversed(options):
        command = option(command)
    cli.command(name)(command).params[:0] = GLOBAL


class Weight(click.ParamType[int]):
    """A whole number 0..100."""

    name = "weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Digits only: 25, neither 25% nor 2.5e1."""
        if isinstance(value, str) and value.isascii() and value.isdigit() and int(value) <= 100:
            return int(value)
        return self.fail(f"{value!r} is no whole number from 0 to 100", param, ctx)


class Span(click.ParamType[float]):
    """A duration: 500ms, 30s, 10m, 1h30m."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        from lbmigrate.config.values import duration

        if isinstance(value, float):
            return value
        try:
            return float(duration(value))
        except ValueError as wrong:
            return self.fail(str(wrong), param, ctx)


DRY = click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
DIGEST = click.option("--digest", metavar="D", default="", help="Refuse unless the plan is the one reviewed.")
NO_WAIT = click.option("--no-wait", is_flag=True, help="Return once every authoritative server serves the change.")
NEAREST = click.option("--nearest", is_flag=True, help="Take the nearest attainable weight.")
FORCE = click.option("--force", is_flag=True, help="Also where the present stage has not been judged.")

_verb(
    "check",
    """Prove every precondition against the real systems; change nothing.

    Exits 0, or with the code with which `start` would end: 1 a server or the key, 2 config or secret, 6 a precondition.
    """,
)
_verb(
    "discover",
    """Every DNS name that ends at A, and what else names A: by zone transfer or listing, changing nothing.

    \b
    Examples:
      lbmigrate discover                      a table: what has to be moved, what follows, what is beside it
      lbmigrate discover --names              a ready `names:` section for the config
      lbmigrate discover www.example.com      where no transfer is allowed: ask for these names
      lbmigrate discover --account            AWS: also hosted zones not under `dns:`, CloudFront, Auto Scaling, ECS
      lbmigrate -o json discover | jq '.beside[] | select(.type == "TXT")'
    """,
    click.argument("names", nargs=-1, metavar="[NAME]..."),
    click.option("--names", "section", is_flag=True, help="Print `names:` as YAML."),
    click.option(
        "--account", is_flag=True, help="AWS: look through the whole account: every hosted zone, and what else names A."
    ),
)
_verb("plan", "The steps with their waits, attainable weights, what undo costs; prints the digest.", NEAREST)
_verb(
    "start",
    """Claim the names, stand B up, prove that it answers as A does, show the first stage.

    \b
    Examples:
      lbmigrate start
      lbmigrate start --no-wait && lbmigrate run
    """,
    DRY, YES, DIGEST, NO_WAIT, NEAREST,
)  # fmt: skip
_verb(
    "shift",
    """Set the weight, up or down.

    \b
    Example:
      lbmigrate shift --weight 25
    """,
    click.option("--weight", type=Weight(), required=True, metavar="N", help="B's share of the answers, 0..100."),
    FORCE, DRY, YES, DIGEST, NO_WAIT, NEAREST,
)  # fmt: skip
_verb("run", "Go on through all stages to the end. Safe to stop and to start again.", DRY, YES, DIGEST, NEAREST)
_verb(
    "tick",
    """One bounded slice of `run`, for cron: do what is due, watch, exit.

    \b
    Example crontab line:
      * * * * * cd /etc/lbmigrate && lbmigrate -q tick --for 50s
    """,
    click.option("--for", "seconds", type=Span(), default=50.0, show_default="50s", help="How long to watch."),
)
_verb("approve", "Let a stage with `approve: true` go on.")
_verb("pause", "Hold at the present weight, still watching.")
_verb(
    "resume",
    "Go on, also after a hold.",
    click.option("--accept-drift", is_flag=True, help="Take the world as it is."),
    click.option("--restore", is_flag=True, help="Put back what we own."),
)
_verb(
    "finish",
    """Take the weight to 100, prove A idle, retire it, restore TTLs.

    Needs no judged stage when A is bad or dead. A side without counters is stopped only with --force.
    """,
    FORCE, DRY, YES, DIGEST, NO_WAIT,
)  # fmt: skip
_verb(
    "rollback",
    "Put the zone back exactly as it was, then take B down.",
    click.option("--keep-b", is_flag=True, help="Leave B running."),
    click.option("--from-dns", is_flag=True, help="Without the journal, from the config and the fence."),
    click.option("--restore", is_flag=True, help="Overwrite what somebody else changed."),
    DRY, YES, DIGEST, NO_WAIT,
)  # fmt: skip
_verb("abandon", "Forget a migration: remove the fence, touch nothing else, print what is left.", DRY, YES)
_verb(
    "status",
    "Where the migration stands, from the journal alone.",
    click.option("--live", is_flag=True, help="Look at the world first."),
    click.option(
        "--exit-code", is_flag=True, help="0 done or none, 1 abandoned, 3 rolled back, 4 held, 5 drift, 8 under way."
    ),
    click.option("--undo", is_flag=True, help="Print the commands that undo by hand."),
)
_verb("history", "The journal, readable.", click.option("--verify", is_flag=True, help="Check its hash chain."))
_verb(
    "rehearse",
    """Play a scenario in a laboratory on this machine.

    The same file in every variant: other DNS software, a signed zone, another scheme, other stages.

    \b
    Examples:
      lbmigrate rehearse scenarios/clean-move.yaml --real
      lbmigrate rehearse scenarios/clean-move.yaml --real --software knotd --signed --scheme srv
      lbmigrate rehearse scenarios/b-fails-third.yaml --real --scheme lua --stages 1,5,25,50,100
    """,
    click.argument("file", type=click.Path(dir_okay=False)),
    click.option("--real", is_flag=True, help="Real servers (named, unbound, haproxy), not the embedded ones."),
    click.option(
        "--software", type=click.Choice(["named", "knotd", "pdns_server"]), help="The name servers, with --real."
    ),
    click.option("--signed", is_flag=True, help="A signed zone and a resolver that validates, with --real."),
    click.option("--scheme", type=click.Choice(["addresses", "lua", "srv", "names"]), help="How names are weighed."),
    click.option("--stages", metavar="N,N,…,100", help="The weights that the plan stops at."),
    click.option("--virtual", is_flag=True, help="Simulated parts on a virtual clock."),
    click.option("--keep", metavar="DIR", default="", help="Keep the laboratory's files there."),
)
_verb(
    "policy",
    """Print the least that the server must allow the key of each `dns:` entry; change nothing.

    \b
    Example:
      lbmigrate policy --server bind
    """,
    click.option("--server", type=click.Choice(["bind", "knot", "powerdns"]), help="Only for that server."),
)  # fmt: skip
_verb("schema", "JSON Schema of the config file.")
_verb(
    "completion",
    """Print the completion script of a shell.

    \b
    Example:
      lbmigrate completion bash > /etc/bash_completion.d/lbmigrate
    """,
    click.argument("shell", type=click.Choice(["bash", "zsh", "fish"])),
)
