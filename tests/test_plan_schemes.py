"""Plans of names that are moved in other ways than by addresses: the steps they need, and what each step wants."""

import pytest

from lbmigrate import plan as plans
from lbmigrate.model import Held, RRset, Side
from lbmigrate.plan import Drain, Plan, Soak, Stop, Turn, Way, Write, build
from lbmigrate.spec import Bound, Dns, Stage
from lbmigrate.value import replace

A = Side("sim", ("192.0.2.10", "10.0.0.10"), "lb-a.example.com.")
B = Side("sim", ("192.0.2.20", "10.0.0.20"), "lb-b.example.com.")
SERVICE = "_web._tcp.example.com."


def bound(
    *names: str, dns: tuple[Dns, ...] = (Dns("rfc2136", "example.com."),), stages: tuple[int, ...] = (100,)
) -> Bound:
    return Bound("web", names, A, B, dns, tuple(Stage(weight) for weight in stages), 60)


def host(name: str, *addresses: str, view: str = "") -> Held:
    return Held(name, (RRset(name, "A", 300, addresses or ("192.0.2.10",)),), view=view)


def service(name: str = SERVICE) -> Held:
    return Held(name, (RRset(name, "SRV", 300, ("10 5 443 lb-a.example.com.",)),))


def alias(name: str) -> Held:
    return Held(name, (RRset(name, "CNAME", 300, ("lb-a.example.com.",)),))


def at(plan: Plan, weight: int, target: plans.Target = "weight") -> dict[str, str]:
    """What each name holds at a weight, its first record for short."""
    found = {}
    for index in range(len(plan.batches)):
        for held in plans.wanted(plan, "a1", 7, Write(index, target, weight)):
            found[f"{held.view}/{held.name}" if held.view else held.name] = " ".join(held.rrsets[0].rdatas)
    return found


# ---------------------------------------------------------------- srv


def test_b_joins_a_service_before_the_first_stage_and_a_leaves_it_after_the_last() -> None:
    plan = build(bound(SERVICE, stages=(25, 100)), (service(),))
    after = plan.forward[plan.forward.index(Turn()) + 1 :]
    assert after == (
        Write(0, "weight", 0), Write(0, "weight", 25), Soak(25), Write(0, "weight", 100), Soak(100),
        Write(0, "leave", 100), Drain("a"), Stop("a"), Write(0, "release"),
    )  # fmt: skip
    assert at(plan, 0)[SERVICE] == "10 5 443 lb-a.example.com. 11 5 443 lb-b.example.com."
    assert at(plan, 100)[SERVICE] == "10 5 443 lb-b.example.com. 11 5 443 lb-a.example.com."
    assert at(plan, 100, "leave")[SERVICE] == at(plan, 0, "release")[SERVICE] == "10 5 443 lb-b.example.com."
    assert at(plan, 0, "claim")[SERVICE] == at(plan, 0, "restore")[SERVICE] == "10 5 443 lb-a.example.com."


def test_only_the_batches_with_services_have_those_steps() -> None:
    zones = (Dns("rfc2136", "example.org."), Dns("rfc2136", "example.com."))
    plan = build(bound("www.example.org.", SERVICE, dns=zones), (host("www.example.org."), service()))
    assert plans.standing_by(plan) == (1,)
    assert [step for step in plan.forward if isinstance(step, Write) and step.target == "leave"] == [
        Write(1, "leave", 100)
    ]


# ---------------------------------------------------------------- names, aliases


def test_a_share_of_the_names_moves_whole_in_the_order_of_the_config() -> None:
    names = tuple(f"n{i}.example.com." for i in range(4))
    originals = (host(names[0]), alias(names[1]), host(names[2]), host(names[3]))
    config = bound(*names, dns=(Dns("rfc2136", "example.com.", scheme="names"),), stages=(25, 75, 100))
    assert plans.attainable(config, originals) == (0, 25, 50, 75, 100)
    plan = build(config, originals)
    assert plan.ways == (Way("names", 25), Way("names", 50), Way("names", 75), Way("names", 100))
    new = {names[1]: "lb-b.example.com."}
    for count in range(5):
        moved = [name for name in names if at(plan, 25 * count)[name] in (new.get(name), "10.0.0.20 192.0.2.20")]
        assert moved == list(names[:count])


def test_three_names_cannot_be_split_by_whole_percents() -> None:
    names = tuple(f"n{i}.example.com." for i in range(3))
    config = bound(*names, dns=(Dns("rfc2136", "example.com.", scheme="names"),))
    assert plans.attainable(config, tuple(map(host, names))) == (0, 100)


def test_an_alias_moves_at_once_and_so_does_everything_with_it() -> None:
    both = (host("www.example.com."), alias("cdn.example.com."))
    assert plans.attainable(bound("www.example.com.", "cdn.example.com."), both) == (0, 100)
    each = dict(plans.attainable_each(bound("www.example.com.", "cdn.example.com."), both))
    assert [len(each[held]) for held in both] == [3, 2]


def test_the_name_that_limits_the_others_is_named() -> None:
    both = (host("www.example.com."), alias("cdn.example.com."))
    (why,) = plans.obstacles(bound("www.example.com.", "cdn.example.com.", stages=(50, 100)), both)
    assert why.endswith("; cdn.example.com. (CNAME) attains 0, 100 alone")
    (why,) = plans.obstacles(bound("www.example.com.", stages=(33, 100)), both[:1])
    assert why.endswith("--nearest, or give B more addresses")


def test_what_limits_a_name_is_its_type_and_for_an_alias_there_is_another_way() -> None:
    only = alias("cdn.example.com.")
    (why,) = plans.obstacles(bound(only.name, stages=(50, 100)), (only,))
    assert why.endswith(
        "or name the host that cdn.example.com. points to in its place, or move a share of the names (`scheme: names`)"
    )
    mixed = replace(host("www.example.com."), rrsets=(*host("www.example.com.").rrsets, RRset("www.example.com.", "HTTPS", 60, ("0 lb-a.example.com.",))))  # fmt: skip  # noqa: E501
    (why,) = plans.obstacles(bound(mixed.name, stages=(50, 100)), (mixed,))
    assert why.endswith("; www.example.com. (HTTPS) attains 0, 100 alone")


def test_what_each_rrset_attains_by_itself() -> None:
    name = Held("www.example.com.", (*host("www.example.com.").rrsets, RRset("www.example.com.", "HTTPS", 60, ("1 lb-a.example.com.",))))  # fmt: skip  # noqa: E501
    config, can = bound(name.name), frozenset({0, 100})
    assert plans.by_type(config, name, Way("lua"), can) == {
        "A": frozenset(range(101)),
        "HTTPS": frozenset({0, 50, 100}),
    }
    assert plans.by_type(config, name, Way("names", 50), can) == {"A": can, "HTTPS": can}


# ---------------------------------------------------------------- views


VIEWS = (
    Dns("rfc2136", "example.com.", view="inside", addresses=("10.0.0.10", "10.0.0.20")),
    Dns("rfc2136", "example.com.", view="outside", addresses=("192.0.2.10", "192.0.2.20")),
)
NAME = "www.example.com."


def test_both_views_of_a_name_move_as_one_each_with_its_own_addresses() -> None:
    originals = (host(NAME, "10.0.0.10", view="inside"), host(NAME, view="outside"))
    plan = build(bound(NAME, dns=VIEWS, stages=(50, 100)), originals)
    assert [(batch.zone, batch.names) for batch in plan.batches] == [(0, (NAME,)), (1, (NAME,))]
    assert at(plan, 50) == {f"inside/{NAME}": "10.0.0.10 10.0.0.20", f"outside/{NAME}": "192.0.2.10 192.0.2.20"}
    assert at(plan, 100) == {f"inside/{NAME}": "10.0.0.20", f"outside/{NAME}": "192.0.2.20"}
    assert plans.entries(plan.bound, NAME) == (0, 1)
    assert plans.names_in(plan.bound, 1) == [NAME]


def test_an_address_of_the_other_view_is_a_strange_one() -> None:
    inside = replace(host(NAME, "192.0.2.10"), view="inside")
    assert "holds 192.0.2.10" in plans.obstacles(bound(NAME, dns=VIEWS), (inside,))[0]


# ---------------------------------------------------------------- what is asked, what does not fit


def test_the_servers_are_asked_for_the_types_that_a_name_holds_and_for_the_fence_of_a_lua_record() -> None:
    dns = (Dns("rfc2136", "example.com.", scheme="lua"), Dns("rfc2136", "example.org."))
    plan = build(
        bound(NAME, "api.example.com.", "cdn.example.com.", "www.example.org.", dns=dns),
        (host(NAME), host("api.example.com."), alias("cdn.example.com."), host("www.example.org.")),
    )
    assert plans.questions(plan, 0) == ((("A", "TXT"), (NAME, "api.example.com.")), (("CNAME",), ("cdn.example.com.",)))
    assert plans.questions(plan, 1) == ((("A",), ("www.example.org.",)),)


@pytest.mark.parametrize(
    ("scheme", "held", "why"),
    [
        ("srv", host(NAME), "holds A: `scheme: srv` does not fit"),
        ("addresses", service(), "holds SRV: `scheme: addresses` does not fit"),
        ("lua", service(), "holds SRV: `scheme: lua` does not fit"),
        ("srv", Held(NAME, ()), "has no record"),
        ("srv", service(), ""),
        ("addresses", alias(NAME), ""),
        ("lua", host(NAME), ""),
    ],
)
def test_a_scheme_must_fit_the_records(scheme: str, held: Held, why: str) -> None:
    found = plans.obstacles(bound(held.name, dns=(Dns("rfc2136", "example.com.", scheme=scheme),)), (held,))
    assert why in found[0] if why else not found
