"""One row of the benchmark's table, whatever was measured, and the table as text."""

from collections.abc import Iterable

from lbmigrate.value import value

HEAD = ("what", "ours", "side by side with", "ratio", "bound", "ok")


@value
class Row:
    """One comparison. `ok` is None for what is printed as information and has no bound."""

    what: str
    ours: str
    beside: str
    ratio: str
    bound: str
    ok: bool | None


def judged(what: str, ours: str, beside: str, ratio: float, most: float) -> Row:
    """A row whose bound is the highest ratio that passes."""
    return Row(what, ours, beside, f"{ratio:.3f}", f"at most {most:g}", ratio <= most)


def told(what: str, ours: str, beside: str = "", ratio: str = "") -> Row:
    """A row without a bound."""
    return Row(what, ours, beside, ratio, "", None)


def text(rows: Iterable[Row]) -> str:
    """The table, columns aligned."""
    cells = [(one.what, one.ours, one.beside, one.ratio, one.bound, _word(one.ok)) for one in rows]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in (HEAD, *cells))


def _word(ok: bool | None) -> str:
    return "" if ok is None else "yes" if ok else "NO"
