"""`lbmigrate` and `python -m lbmigrate`: errors become one line and an exit code here, and nowhere else."""

import gc
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from lbmigrate.flags import Common

AGAIN = 0.01  # seconds until a stop that came at a bad moment is tried again
UNSEARCHED = 100_000  # new objects between two searches for garbage


def _stopped(number: int, frame: FrameType | None) -> None:
    """Raise, but not within dnspython: what is raised while it parses comes out as its own FormError."""
    del number
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "dns":
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _listen() -> None:
    """Take Ctrl-C (unless whoever started us has it ignored), SIGTERM, and our own timer."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    for number in (*(() if ignored else (signal.SIGINT,)), signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stopped)


def _misused(common: "Common", wrong: "click.ClickException") -> int:
    """click's own errors in the form of all others; the help, where no command was given, as it is."""
    from lbmigrate.errors import Usage
    from lbmigrate.verbs.said import fail

    message = wrong.format_message()
    if "\n" in message:
        wrong.show()
        return 2
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context else "lbmigrate"
    if _wants_json(sys.argv[1:]):
        common.output = "json"
    verb = path.removeprefix("lbmigrate").strip()
    return fail(common, Usage(f"{verb}{': ' if verb else ''}{message.rstrip('.')}; see: {path} --help"))


def _wants_json(argv: list[str]) -> bool:
    """`-o json` may stand behind what is wrong, where click never came."""
    pairs = zip(argv, [*argv[1:], ""], strict=False)  # one too many where there are no words
    return any(
        one in ("-ojson", "--output=json") or (one in ("-o", "--output") and two == "json") for one, two in pairs
    )


def main() -> None:
    """Run the command line; exits the process."""
    _listen()
    try:
        code = _run()
    except KeyboardInterrupt:
        sys.stderr.write("lbmigrate: stopped waiting; the migration is where it was; go on with: lbmigrate run\n")
        code = 130
    sys.exit(code or 0)


def _run() -> int:
    # Nearly all that a start makes is modules, which stay: searching them every 700 objects is a tenth of `status`.
    gc.set_threshold(UNSEARCHED)
    from lbmigrate.errors import LbmigrateError
    from lbmigrate.flags import Common

    common = Common()
    try:
        code = _command(common)
    except LbmigrateError as wrong:
        if os.environ.get("LBMIGRATE_DEBUG") == "1":
            raise
        from lbmigrate.verbs.said import fail

        code = fail(common, wrong)
    except BrokenPipeError:
        _unheard()
        code = 1
    except OSError as wrong:  # what drivers meet is translated at their door: this is our own output
        sys.stderr.write(f"lbmigrate: writing the result: {wrong.strerror}; nothing else is affected\n")
        code = 1
    gc.freeze()  # all of it goes with the process, which would otherwise search it several times on its way out
    return int(code or 0)


def _unheard() -> None:
    """Nobody reads our output any more: what is left of it goes nowhere, without a complaint at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def _command(common: "Common") -> int:
    """What the words of the command line ask for."""
    from lbmigrate.flags import hurried

    if (given := hurried(sys.argv[1:], common)) is not None:
        from lbmigrate import verbs

        return verbs.verb("rollback")(common, **given)
    import click

    from lbmigrate.cli import cli

    try:
        return int(cli.main(prog_name="lbmigrate", standalone_mode=False, obj=common) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as wrong:
        return _misused(common, wrong)
    except click.Abort:
        raise KeyboardInterrupt from None


if __name__ == "__main__":
    main()
