"""Text for the terminal, as click writes it."""

import sys


def echo(text: str, err: bool = False, nl: bool = True) -> None:
    """click.echo; click is imported only where it does more than write: a terminal's codes, another encoding."""
    stream = sys.stderr if err else sys.stdout
    if stream is None or stream.encoding != "utf-8" or "\033" in text:
        import click

        click.echo(text, err=err, nl=nl)
    else:
        stream.write(f"{text}\n" if nl else text)
        stream.flush()
