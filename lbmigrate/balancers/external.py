"""The driver for a side stood up by other means: shell commands `up`, `down` and `health`, each bounded by 60 s.

It has no counters and no view of its backends, so it can never be proven idle: when `down` runs is for others to say.
"""

from lbmigrate.errors import Failed, Refused
from lbmigrate.hosts import local
from lbmigrate.model import Blueprint, Look, Side


class External:
    """One external side (model.Balancer). `health`: exit code 0 is up and healthy, any other is down."""

    def __init__(self, side: Side) -> None:
        """Raises Refused for a command that is not known."""
        self._side = side
        self._commands = {**{k: v for k, v in side.run if k in ("up", "down")}, **dict(side.commands)}
        if unknown := set(self._commands) - {"up", "down", "health"}:
            raise Refused(f"reading an external side: no command {min(unknown)!r}; there are up, down and health")

    def describe(self) -> Blueprint:
        """Its addresses; what stands behind them is not known."""
        return Blueprint("external", self._side.addresses, (), ())

    def check(self, plan: Blueprint) -> None:  # noqa: ARG002 - whatever A is, this side is made by its own commands
        """Whether it is up, or could be. Raises Refused."""
        if not self._commands.get("up") and not self._healthy():
            raise Refused(
                f"checking the external side {', '.join(self._side.addresses)}: `health` fails and there is no `up`;"
                " start it, or give `up`"
            )

    def stand_up(self, plan: Blueprint) -> None:
        """Run `up` unless `health` says that it is up; without a `health` command `up` always runs. Raises Failed."""
        if self._commands.get("health") and self._healthy():
            return
        self.check(plan)
        self._do("up")

    def look(self) -> Look:
        """Up as `health` says (without one: taken to be up). Raises Unreachable when the command does not end."""
        return Look(up=self._healthy())

    def stop(self) -> None:
        """Run `down` unless `health` says that it is down; nothing without a `down` command. Raises Failed."""
        if self._commands.get("health") and not self._healthy():
            return
        self._do("down")

    def _healthy(self) -> bool:
        command = self._commands.get("health")
        return not command or local.shell(command).code == 0

    def _do(self, name: str) -> None:
        command = self._commands.get(name)
        if not command:
            return
        done = local.shell(command)
        if done.code != 0:
            raise Failed(f"running `{name}: {command}`: exit code {done.code}: {done.tail()}; correct the command")
