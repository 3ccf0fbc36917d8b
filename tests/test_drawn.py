"""Records that are drawn: what each answers with, whichever server has them."""

from lbmigrate import lua, weighted
from lbmigrate.drawn import choices
from lbmigrate.model import RRset

NAME, A, B = "www.example.com.", "192.0.2.10", "192.0.2.20"
SHARES = ((1, A), (3, B))


def test_both_kinds_are_read_alike() -> None:
    for rtype, text in (("LUA", lua.choice("A", SHARES)), ("WEIGHTED", weighted.choice("A", SHARES))):
        assert choices(RRset(NAME, rtype, 60, (text,))) == [("A", SHARES)]


def test_what_lbmigrate_did_not_write_is_none() -> None:
    assert choices(RRset(NAME, "LUA", 60, ('A "os.exit()"',))) == [None]
