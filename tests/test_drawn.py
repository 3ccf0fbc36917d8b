"""Records that are drawn: what each answers with, whichever server has them."""

from lbmigrate import lua, weighted
from lbmigrate.drawn import asked, choices, may
from lbmigrate.model import RRset

NAME, A, B = "www.example.com.", "192.0.2.10", "192.0.2.20"
SHARES = ((1, A), (3, B))


def test_both_kinds_are_read_alike() -> None:
    for rtype, text in (("LUA", lua.choice("A", SHARES)), ("WEIGHTED", weighted.choice("A", SHARES))):
        assert choices(RRset(NAME, rtype, 60, (text,))) == [("A", SHARES)]


def test_what_lbmigrate_did_not_write_is_none() -> None:
    assert choices(RRset(NAME, "LUA", 60, ('A "os.exit()"',))) == [None]


def test_what_a_name_server_is_asked_for_and_may_answer() -> None:
    target = "=Z1,true,lb.example.com."
    sets = RRset(NAME, "WEIGHTED", 60, (f"A - {target}", "AAAA 1 2001:db8::10", "CNAME 1 LB.example.com."))
    assert asked(sets) == ["A", "AAAA", "CNAME"]
    assert asked(RRset(NAME, "A", 60, (A,))) == ["A"]
    assert may(sets, "A") is None
    assert may(sets, "AAAA") == frozenset({"2001:db8::10"})
    assert may(sets, "CNAME") == frozenset({"lb.example.com."})
    assert may(sets, "SRV") == frozenset()
    assert choices(RRset(NAME, "WEIGHTED", 60, ("odd",))) == [None]
