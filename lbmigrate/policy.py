"""The least that a key must be allowed, in the words of BIND, Knot and PowerDNS. Pure.

Whatever stands in a server's configuration may be read as configuration, so nothing goes in but names and keys of one
plain grammar, types from one table, and comments on one line.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from lbmigrate.drawn import asked
from lbmigrate.errors import Refused
from lbmigrate.fence import owner
from lbmigrate.model import Held
from lbmigrate.spec import Dns
from lbmigrate.value import value

TYPES = {"A": 1, "AAAA": 28, "CNAME": 5, "HTTPS": 65, "LUA": 65402, "SRV": 33, "SVCB": 64, "TXT": 16}
SCRIPT = "/etc/powerdns/lbmigrate.lua"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"(?:_lbmigrate\.)?(?:\*\.)?(?:{_LABEL}\.)+")
_SOURCE = re.compile(r"[0-9a-f.:]+")


@value
class Grant:
    """One owner name, and the types that the key must be allowed to write there."""

    name: str
    rtypes: tuple[str, ...]


@value
class Need:
    """What the key of one `dns:` entry writes. `known` says where that is known from; `source`: our own address.

    `transfer`: it also reads the zone as a whole, because LUA records cannot be asked for.
    """

    zone: str
    key: str
    grants: tuple[Grant, ...]
    known: str
    source: str = ""
    transfer: bool = False


def types(states: Iterable[Held]) -> dict[str, set[str]]:
    """The types of each name in any of these states."""
    found: dict[str, set[str]] = {}
    for held in states:
        found.setdefault(held.name, set()).update(rtype for rrset in held.rrsets for rtype in asked(rrset))
    return found


def need(entry: Dns, names: Mapping[str, Collection[str]], known: str, source: str = "") -> Need:
    """What it takes to write names with these types in an entry's zone, and their fences.

    Raises Refused for a driver without keys, an entry without a key, and a name or key that is not plain.
    """
    if entry.driver != "rfc2136":
        raise Refused(f"dns: {entry.zone}: a policy for driver {entry.driver} is not in this version; rfc2136 only")
    if entry.tsig is None:
        raise Refused(f"dns: {entry.zone}: updates are not signed, so nothing can be granted; add tsig: to the entry")
    grants: list[Grant] = []
    for name, rtypes in names.items():
        grants += [Grant(_plain(name), tuple(sorted(rtypes)))] if rtypes else []
        grants.append(Grant(_plain(owner(name)), ("LUA", "TXT") if "LUA" in rtypes else ("TXT",)))
    transfer = entry.transfer is None and any("LUA" in rtypes for rtypes in names.values())
    key = _plain(f"{entry.tsig.name}.")[:-1]
    return Need(_plain(entry.zone), key, tuple(grants), _line(known), _address(source), transfer)


def _plain(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused(f"{name}: only letters, digits, `-` and `_` go into a policy; write this name's lines by hand")
    return name


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _address(text: str) -> str:
    return text if _SOURCE.fullmatch(text) else ""


# ---------------------------------------------------------------- BIND


def bind(needs: tuple[Need, ...]) -> str:
    """`update-policy` statements, a zone each; BIND looks at every record of a message by itself."""
    return "\n".join(_bind(one) for one in needs)


def _bind(one: Need) -> str:
    if alien := _only_powerdns(one):
        return f"// BIND, zone {one.zone[:-1]}: {alien}"
    return "\n".join([
        f"// BIND, zone {one.zone[:-1]}: in place of its allow-update, or the lines into its update-policy.",
        f"// {one.known}",
        "update-policy {",
        *(f"  grant {one.key} name {grant.name} {' '.join(grant.rtypes)};" for grant in one.grants),
        f"  // where BIND itself signs the zone (inline-signing) also: grant {one.key} name {one.zone} SOA;",
        "};",
    ])  # fmt: skip


def _only_powerdns(one: Need) -> str:
    lua = any("LUA" in grant.rtypes for grant in one.grants)
    return "these names are moved by LUA records, which only PowerDNS has" if lua else ""


# ---------------------------------------------------------------- Knot


def knot(needs: tuple[Need, ...]) -> str:
    """ACL rules, one a zone: Knot wants a single rule that fits every record of a message (acl.c, update_match)."""
    return "\n".join(_knot(one) for one in needs)


def _knot(one: Need) -> str:
    if alien := _only_powerdns(one):
        return f"# Knot, zone {one.zone[:-1]}: {alien}"
    rule = f"lbmigrate-{one.zone[:-1]}"
    names = ", ".join(f'"{grant.name}"' for grant in one.grants)
    rtypes = ", ".join(sorted({rtype for grant in one.grants for rtype in grant.rtypes}))
    return "\n".join([
        f"# Knot, zone {one.zone[:-1]}: the rule goes to the others under acl:, and its id to the zone's acl.",
        f"# {one.known}",
        "# One rule has to fit every record of a message, so the key may write each of these types at each of these",
        "# names: Knot cannot say less.",
        "acl:", f'  - id: "{rule}"', f'    key: "{one.key}"', "    action: update", "    update-owner: name",
        "    update-owner-match: equal", f"    update-owner-name: [{names}]", f"    update-type: [{rtypes}]",
        "zone:", f'  - domain: "{one.zone}"', f'    acl: ["{rule}"]',
    ])  # fmt: skip


# ---------------------------------------------------------------- PowerDNS


def powerdns(needs: tuple[Need, ...]) -> str:
    """A shell script: metadata by `pdnsutil`, and the policy script, which alone knows names and types."""
    lines = [
        "# PowerDNS. Metadata gives a key the whole zone; names and types are up to a script that judges every update.",
        "# Settings in pdns.conf (a policy script that is set there already has to be joined with this one):",
        "#   dnsupdate=yes",
        f"#   lua-dnsupdate-policy-script={SCRIPT}",
        *(line for one in needs for line in _metadata(one)),
        f"cat > {SCRIPT} <<'END'", script(needs).rstrip("\n"), "END",
    ]  # fmt: skip
    return "\n".join(lines)


def _metadata(one: Need) -> list[str]:
    zone = one.zone[:-1]
    source = f"pdnsutil add-meta {zone} ALLOW-DNSUPDATE-FROM {one.source}"
    unknown = f"# pdnsutil add-meta {zone} ALLOW-DNSUPDATE-FROM, and the address that lbmigrate runs on"
    return [
        f"# Zone {zone}",
        f"# {one.known}",
        *_shell(one),
        f"pdnsutil add-meta {zone} TSIG-ALLOW-DNSUPDATE {one.key}",
        source if one.source else unknown,
        f"# So that secondaries follow at once: pdnsutil set-meta {zone} NOTIFY-DNSUPDATE 1",
    ]


def _shell(one: Need) -> list[str]:
    if not _only_powerdns(one):
        return []
    return [
        "# LUA records are code that PowerDNS runs: whoever has this key can run commands on the DNS server.",
        "# From 5.1 on it also needs enable-lua-record-updates=yes in pdns.conf.",
        *([f"pdnsutil add-meta {one.zone[:-1]} TSIG-ALLOW-AXFR {one.key}"] if one.transfer else []),
    ]


LUA = """\
-- What lbmigrate's keys may write. Where there is a script, PowerDNS by itself asks neither TSIG-ALLOW-DNSUPDATE nor
-- ALLOW-DNSUPDATE-FROM any more: whoever else updates zones on this server has to be let in by others().
local function others(input)
  return false
end

local function text(name)
  return name:toString():lower()
end

local grants = {}
local function grant(key, zone, name, types)
  local id = text(newDN(key)) .. " " .. text(newDN(zone))
  grants[id] = grants[id] or {}
  grants[id][text(newDN(name))] = types
end
%s

function updatepolicy(input)
  local signed, key = pcall(function() return text(input:getTsigName()) end)
  local ours = signed and grants[key .. " " .. text(input:getZoneName())]
  if not ours then
    return others(input)
  end
  local types = ours[text(input:getQName())]
  if types and types[input:getQType()] then
    return true
  end
  -- An error refuses the whole message; `return false` would leave out this record and apply the rest.
  error("lbmigrate: not allowed: " .. text(input:getQName()) .. " type " .. input:getQType())
end
"""


def script(needs: tuple[Need, ...]) -> str:
    """The update policy in Lua, for every zone of one server."""
    lines = [
        f'grant("{one.key}.", "{one.zone}", "{grant.name}", {{{_numbers(grant.rtypes)}}})'
        for one in needs
        for grant in one.grants
    ]
    return LUA % "\n".join(lines)


def _numbers(rtypes: tuple[str, ...]) -> str:
    return ", ".join(f"[{TYPES[rtype]}] = true" for rtype in rtypes)


SERVERS: dict[str, Callable[[tuple[Need, ...]], str]] = {"bind": bind, "knot": knot, "powerdns": powerdns}


def document(server: str, needs: tuple[Need, ...], kinds: Iterable[str]) -> dict[str, object]:
    """One server's policies for `-o json`."""
    zones = [
        {
            "zone": one.zone,
            "key": one.key,
            "known": one.known,
            "grants": [{"name": grant.name, "types": list(grant.rtypes)} for grant in one.grants],
        }
        for one in needs
    ]
    policies = {kind: SERVERS[kind](needs) for kind in kinds}
    found: dict[str, object] = {"server": server, "zones": zones, "policies": policies}
    return found | ({"script": script(needs)} if "powerdns" in policies else {})


def text(needs: tuple[Need, ...], kinds: Iterable[str]) -> str:
    """One server's policies, one after another."""
    return "\n\n".join(SERVERS[kind](needs) for kind in kinds)
