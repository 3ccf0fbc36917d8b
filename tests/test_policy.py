"""The text of the policies: least grants, one plain grammar, nothing that a configuration could take for its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmigrate import policy
from lbmigrate.errors import Refused
from lbmigrate.model import Held, RRset
from lbmigrate.policy import Grant, Need, need
from lbmigrate.spec import Dns, Transfer, Tsig
from lbmigrate.value import replace

ZONE, WWW = "example.com.", "www.example.com."
TSIG = Tsig("lbmigrate-key", "hmac-sha256", "env:X")
ENTRY = Dns("rfc2136", ZONE, server="192.0.2.53", tsig=TSIG)


def made(names: dict[str, set[str]], known: str = "known", source: str = "192.0.2.7") -> tuple[Need, ...]:
    return (need(ENTRY, names, known, source),)


def test_every_type_that_a_name_ever_holds_and_its_fence() -> None:
    before = Held(WWW, (RRset(WWW, "A", 60, ("192.0.2.1",)),))
    after = Held(WWW, (RRset(WWW, "LUA", 60, ("x",)),))
    names = policy.types([before, after, Held("gone.example.com.", ())])
    assert names == {WWW: {"A", "LUA"}, "gone.example.com.": set()}
    assert made(names)[0].grants == (
        Grant(WWW, ("A", "LUA")),
        Grant(f"_lbmigrate.{WWW}", ("LUA", "TXT")),
        Grant("_lbmigrate.gone.example.com.", ("TXT",)),
    )


BIND = """\
// BIND, zone example.com: in place of its allow-update, or the lines into its update-policy.
// known
update-policy {
  grant lbmigrate-key name www.example.com. A AAAA;
  grant lbmigrate-key name _lbmigrate.www.example.com. TXT;
  // where BIND itself signs the zone (inline-signing) also: grant lbmigrate-key name example.com. SOA;
};"""
KNOT = """\
acl:
  - id: "lbmigrate-example.com"
    key: "lbmigrate-key"
    action: update
    update-owner: name
    update-owner-match: equal
    update-owner-name: ["www.example.com.", "_lbmigrate.www.example.com."]
    update-type: [A, AAAA, TXT]
zone:
  - domain: "example.com."
    acl: ["lbmigrate-example.com"]"""


def test_bind_and_knot_in_their_own_words() -> None:
    needs = made({WWW: {"AAAA", "A"}})
    assert policy.bind(needs) == BIND
    assert policy.knot(needs).endswith(KNOT)
    assert policy.text(needs * 2, ["bind", "knot"]).count("update-policy {") == 2


def test_powerdns_as_a_shell_script_with_a_policy_script_in_it() -> None:
    text = policy.powerdns(made({WWW: {"A"}}))
    plain = [line for line in text.splitlines() if not line.startswith("#")]
    assert plain[:3] == [
        "pdnsutil add-meta example.com TSIG-ALLOW-DNSUPDATE lbmigrate-key",
        "pdnsutil add-meta example.com ALLOW-DNSUPDATE-FROM 192.0.2.7",
        "cat > /etc/powerdns/lbmigrate.lua <<'END'",
    ]
    assert plain[-1] == "END"
    assert 'grant("lbmigrate-key.", "example.com.", "www.example.com.", {[1] = true})' in text
    assert "AXFR" not in text
    assert "run commands" not in text


def test_an_unknown_address_is_left_to_the_reader() -> None:
    for source in ("", "192.0.2.7; reboot"):
        text = policy.powerdns(made({WWW: {"A"}}, source=source))
        assert "# pdnsutil add-meta example.com ALLOW-DNSUPDATE-FROM, and" in text
        assert "reboot" not in text


def test_lua_records_are_for_powerdns_alone_and_say_what_they_are() -> None:
    needs = made({WWW: {"A", "LUA"}})
    assert policy.bind(needs).endswith("which only PowerDNS has")
    assert policy.knot(needs).endswith("which only PowerDNS has")
    text = policy.powerdns(needs)
    assert "can run commands on the DNS server" in text
    assert "enable-lua-record-updates=yes" in text
    assert "{[1] = true, [65402] = true}" in text
    transfer = "pdnsutil add-meta example.com TSIG-ALLOW-AXFR lbmigrate-key"  # LUA records cannot be asked for
    assert transfer in text
    elsewhere = need(replace(ENTRY, transfer=Transfer("192.0.2.54")), {WWW: {"A", "LUA"}}, "known")
    assert transfer not in policy.powerdns((elsewhere,))


def test_the_document_holds_the_same_texts() -> None:
    needs = made({WWW: {"A"}})
    both = policy.document("192.0.2.53:53", needs, ["bind", "powerdns"])
    assert both["policies"] == {"bind": policy.bind(needs), "powerdns": policy.powerdns(needs)}
    assert both["script"] == policy.script(needs)
    assert both["zones"] == [
        {
            "zone": ZONE,
            "key": "lbmigrate-key",
            "known": "known",
            "grants": [{"name": WWW, "types": ["A"]}, {"name": f"_lbmigrate.{WWW}", "types": ["TXT"]}],
        }
    ]
    assert "script" not in policy.document("192.0.2.53:53", needs, ["knot"])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Dns("rfc2136", ZONE), "not signed"),
        (Dns("route53", ZONE, tsig=TSIG), "driver route53 is not in this version"),
        (Dns("rfc2136", ZONE, tsig=Tsig("a b", "hmac-sha256", "env:X")), "only letters"),
        (Dns("rfc2136", "exa mple.", tsig=TSIG), "only letters"),
    ],
)
def test_what_cannot_be_granted_is_refused(entry: Dns, why: str) -> None:
    with pytest.raises(Refused, match=why):
        need(entry, {}, "known")


WILD = "*.example.com."


def test_wildcards_and_services_are_plain_enough() -> None:
    text = policy.bind(made({WILD: {"A"}, "_https._tcp.example.com.": {"SRV"}}))
    assert "name *.example.com. A;" in text
    assert "name _lbmigrate.*.example.com. TXT;" in text
    assert "name _https._tcp.example.com. SRV;" in text


@given(st.text(min_size=1, max_size=30))
def test_no_name_smuggles_anything_in(label: str) -> None:
    plain = f"{label}.{ZONE}"
    try:
        needs = made({plain: {"A"}})
    except Refused:
        return
    assert set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.*")
    assert len(policy.bind(needs).splitlines()) == len(BIND.splitlines())


@pytest.mark.parametrize("known", ["a\nupdate-policy { grant x zonesub ANY; };", "a\r\nEND\nrm -rf /", "a\u2028b"])
@pytest.mark.parametrize("kind", policy.SERVERS)
def test_a_reason_stays_on_its_comment_line(kind: str, known: str) -> None:
    lines = policy.SERVERS[kind](made({WWW: {"A"}}, known)).splitlines()
    flat = "".join(c if c.isprintable() else " " for c in known)
    assert f"{'//' if kind == 'bind' else '#'} {flat}" in lines
    assert len(lines) == len(policy.SERVERS[kind](made({WWW: {"A"}})).splitlines())
