"""The driver for Route 53 against the laboratory's: every swap whole or not at all, everything else as it was."""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from route53s import WWW, ZONE, A, B, Ground, Set, address, alias, client, code, simple, weighted

from lbmigrate import dns as drivers
from lbmigrate.dns.route53 import batch, listing
from lbmigrate.dns.route53.api import SECOND, Api, Invalid, Pace
from lbmigrate.dns.route53.driver import Route53
from lbmigrate.errors import Denied, Drifted, Failed, Refused, Unreachable
from lbmigrate.fence import rdata
from lbmigrate.lab.process import freeport
from lbmigrate.lab.route53 import rules, sets, zones
from lbmigrate.lab.route53.world import KEY_ID, Made
from lbmigrate.model import Applied, Fence, Held, NotApplied, Records, RRset, Unknown
from lbmigrate.spec import Dns
from lbmigrate.value import replace
from lbmigrate.weighted import choice

API = f"api.{ZONE}"
FENCE = Fence("web", "a1b2c3d4", 7, (RRset(WWW, "A", 60, (A,)),))
KEYS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": "canary-r53", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CONFIG_FILE": "/nonexistent"}  # fmt: skip


class Lab(Ground):
    """The driver beside it. Time passes in the world where the driver waits."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.driver = self.made(zone_id=self.zone)

    def close(self) -> None:
        self.driver.close()

    def made(self, **changes: Any) -> Route53:
        entry = Dns("route53", ZONE, scheme="weighted", nameservers=tuple(self.servers), endpoint=f"http://{self.at}")
        return Route53(replace(entry, **changes), 2.0, 2.0, Pace(self.clock, self.pass_))

    def pass_(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds

    def listed(self) -> list[sets.RecordSet]:
        found = rules.listed(self.world.zones[self.zone].sets)
        return [one for one in found if one.rtype not in ("SOA", "NS")]

    def held(self, *names: str) -> Records:
        return self.driver.read(names or (WWW,))

    def claimed(self) -> Held:
        """WWW with its fence and a lowered TTL."""
        was = self.held().held[0]
        will = replace(was, rrsets=(replace(was.rrsets[0], ttl=5),), fence=replace(FENCE, originals=was.rrsets))
        assert self.driver.swap(Records((was,)), Records((will,))) == Applied()
        return will


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for key, text in KEYS.items():
        monkeypatch.setenv(key, text)
    one = Lab()
    with one.serving():
        yield one


def at(weight: int, held: Held, number: int) -> Held:
    """The name at a weight between A and B."""
    shares = (100 - weight, A), (weight, B)
    sets_ = RRset(held.name, "WEIGHTED", 5, (choice("A", shares),))
    assert held.fence is not None
    return replace(held, rrsets=(sets_,), fence=replace(held.fence, number=number))


# ---------------------------------------------------------------- reading


def test_a_name_is_read_with_its_records_and_without_a_fence(lab: Lab) -> None:
    lab.fill(simple(WWW, B, A), simple(WWW, "2001:DB8::0:10", rtype="AAAA"), simple(WWW, '"x"', rtype="TXT"))
    four, six = RRset(WWW, "A", 60, (A, B)), RRset(WWW, "AAAA", 60, ("2001:db8::10",))
    assert lab.held(WWW, f"no.{ZONE}") == Records((Held(WWW, (four, six)), Held(f"no.{ZONE}", ())))


def test_names_far_apart_and_many_sets_between_are_read_in_few_requests(lab: Lab) -> None:
    lab.fill(*[simple(f"a{n:03}.{ZONE}", A) for n in range(700)], simple(f"z.{ZONE}", B), simple(rf"\052.{ZONE}", A))
    names = (rf"*.{ZONE}", f"a000.{ZONE}", f"a699.{ZONE}", f"z.{ZONE}")
    lab.world.calls.clear()
    assert [one.rrsets[0].rdatas for one in lab.held(*names).held] == [(A,), (A,), (A,), (B,)]
    assert lab.world.calls == ["GetHostedZone", "ListResourceRecordSets", "ListResourceRecordSets"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{**simple(WWW, A), "SetIdentifier": "l", "Region": "eu-west-1"}], "is a latency set"),
        ([{**simple(WWW, A), "SetIdentifier": "m", "MultiValueAnswer": True}], "is a multivalue set"),
        ([{**simple(WWW, A), "SetIdentifier": "f", "Failover": "SECONDARY"}], "is a failover set"),
        ([{**simple(WWW, A), "SetIdentifier": "g", "GeoLocation": {"CountryCode": "DE"}}], "is a geolocation set"),
        ([{**simple(WWW, A), "SetIdentifier": "c", "CidrRoutingConfig": {"CollectionId": "c", "LocationName": "l"}}],
         "is a CIDR set"),
        ([weighted(WWW, 1, A, "one", ttl=60), {**weighted(WWW, 1, "2001:db8::1", "two", ttl=61), "Type": "AAAA"}],
         r"have the TTLs \[60, 61\]"),
    ],
)  # fmt: skip
def test_what_is_not_moved_is_refused_with_the_reason(lab: Lab, given: list[Set], said: str) -> None:
    lab.fill(*given)
    with pytest.raises(Refused, match=said):
        lab.held()


def test_a_field_that_could_not_be_put_back_is_refused() -> None:
    odd = {**simple(WWW, A), "TrafficPolicyInstanceId": "t"}
    with pytest.raises(Refused, match="has TrafficPolicyInstanceId, which could not be put back"):
        listing.read(WWW, ("", "Z1"), [odd], [])


def test_an_alias_within_the_zone_is_refused(lab: Lab) -> None:
    lab.fill(simple(API, A), alias(lab.zone, WWW, API))
    with pytest.raises(Refused, match=r"alias to api.* in this very zone, and follows it; move that name"):
        lab.held()


@pytest.mark.parametrize("values", [['"stranger"'], ['"lbm1 m=web"'], ['"lbmr53 0a0b"', '"lbm1 m=web"']])
def test_a_strangers_or_an_edited_txt_at_the_fence_is_drift(lab: Lab, values: list[str]) -> None:
    lab.fill(simple(WWW, A), simple(f"_lbmigrate.{WWW}", *values, rtype="TXT"))
    with pytest.raises(Drifted):
        lab.held()


# ---------------------------------------------------------------- which zone


def test_the_zone_is_found_by_its_name(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    assert lab.made().read([WWW]).held[0].rrsets[0].rdatas == (A,)


def test_of_a_public_and_a_private_zone_the_config_says_which(lab: Lab) -> None:
    private = lab.world.create(Made(ZONE, "two", private=True)).id
    with pytest.raises(Refused, match=rf"has .*{private} \(private\).*zone_id"):
        lab.made().read([WWW])
    lab.fill(simple(WWW, A))
    assert lab.made(zone_id=private, view="inside").read([WWW]).held == (Held(WWW, (), None, "inside"),)


@pytest.mark.parametrize(("changes", "said"), [({"zone": "other.test."}, "no zone of that name"), ({"zone_id": "Z9"}, "NoSuchHostedZone")])  # fmt: skip  # noqa: E501
def test_a_zone_that_is_not_there(lab: Lab, changes: dict[str, Any], said: str) -> None:
    with pytest.raises((Refused, Denied), match=said):
        lab.made(**changes).read([WWW])


def test_a_zone_id_of_another_zone(lab: Lab) -> None:
    other = lab.world.create(Made("other.test.", "two")).id
    with pytest.raises(Refused, match=r"is other\.test\.; correct zone_id"):
        lab.made(zone_id=other).read([WWW])


# ---------------------------------------------------------------- swap


def test_simple_to_weighted_and_back_leaves_the_listing_to_the_letter(lab: Lab) -> None:
    lab.fill(simple(WWW, "192.0.2.11", A, ttl=300), simple(WWW, "2001:DB8::0:10", rtype="AAAA", ttl=120),
             simple(API, B), {**simple(f"l.{ZONE}", A), "SetIdentifier": "l", "Region": "eu-west-1"})  # fmt: skip
    before = lab.listed()
    original = lab.held().held[0]
    fence = Fence("web", "a1b2c3d4", 7, original.rrsets)
    first = replace(original, rrsets=tuple(replace(one, ttl=5) for one in original.rrsets), fence=fence)
    half = RRset(WWW, "WEIGHTED", 5, (choice("A", ((1, A), (1, "192.0.2.11"), (2, B))),
                                      choice("AAAA", ((1, "2001:db8::10"), (1, "2001:db8::20")))))  # fmt: skip
    steps = [original, first, replace(first, rrsets=(half,), fence=replace(fence, number=9)), original]
    for old, new in pairwise(steps):
        assert lab.driver.swap(Records((old,)), Records((new,))) == Applied()
        assert lab.held().held == (new,)
    assert lab.listed() == before


def test_a_weight_is_one_batch_of_deletes_and_creates(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    claimed = lab.claimed()
    lab.world.calls.clear()
    assert lab.driver.swap(Records((claimed,)), Records((at(1, claimed, 8),))) == Applied()
    assert lab.world.calls == ["ListResourceRecordSets", "ChangeResourceRecordSets", "ListResourceRecordSets"]
    found = {one.identifier: (one.weight, one.values, one.ttl) for one in lab.listed() if one.routing == "weighted"}
    assert found == {f"lbmigrate {A}": (99, (A,), 5), f"lbmigrate {B}": (1, (B,), 5)}


def test_upsert_is_never_needed(lab: Lab) -> None:
    lab.set(denied=("UPSERT",))
    lab.fill(simple(WWW, A))
    claimed = lab.claimed()
    assert lab.driver.swap(Records((claimed,)), Records((at(25, claimed, 8),))) == Applied()


def test_no_two_claims_are_alike(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    words = set()
    for _ in range(3):
        original = lab.held()
        lab.claimed()
        words |= {one.values[1] for one in lab.listed() if one.rtype == "TXT"}
        assert lab.driver.swap(lab.held(), original) == Applied()
    assert len(words) == 3


def test_a_late_write_of_an_earlier_claim_is_refused(lab: Lab) -> None:
    """The same bytes once more, after a rollback and a second claim with the same attempt and number."""
    lab.fill(simple(WWW, A))
    original = lab.held()
    claimed = lab.claimed()
    late = lab.driver._list([WWW])
    assert lab.driver.swap(Records((claimed,)), original) == Applied()
    lab.claimed()
    changes = batch.changes(late, [at(50, claimed, 8)], lambda: "00000000")
    other = client(lab.at)
    given = {"Changes": [{"Action": action, "ResourceRecordSet": one} for action, one in changes]}
    said = code(lambda: other.change_resource_record_sets(HostedZoneId=lab.zone, ChangeBatch=given))
    other.close()
    assert said == "InvalidChangeBatch"


def test_what_is_put_back_over_a_lost_fence_cannot_come_again_late(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches: a late copy of the second is refused, though all else is as it was; the first moves nothing."""
    lab.fill(simple(WWW, A))
    original, sent, send = lab.held(), list[Any](), Api.change

    def kept(self: Api, zone_id: str, changes: Any) -> str:
        sent.append(changes)
        return send(self, zone_id, changes)

    half = at(25, lab.claimed(), 8)
    assert lab.driver.swap(lab.held(), Records((replace(half, fence=None),))) == Applied()
    bare = lab.held()
    monkeypatch.setattr(Api, "change", kept)
    assert lab.driver.swap(bare, Records((at(50, half, 9),))) == Applied()
    assert (lab.held().held[0], len(sent)) == (at(50, half, 9), 2)
    monkeypatch.undo()
    assert lab.driver.swap(lab.held(), bare) == Applied()
    with pytest.raises(Invalid):
        lab.driver._api.change(lab.zone, sent[1])
    lab.driver._api.change(lab.zone, sent[0])
    assert lab.held().held[0].rrsets == bare.held[0].rrsets != original.held[0].rrsets


def test_many_names_move_in_one_batch(lab: Lab) -> None:
    names = [f"n{n}.{ZONE}" for n in range(100)]
    lab.fill(*[simple(name, A) for name in names])
    old = lab.held(*names)
    new = Records(tuple(replace(one, fence=Fence("web", "a1", 1, one.rrsets)) for one in old.held))
    lab.world.calls.clear()
    assert lab.driver.swap(old, new) == Applied()
    assert lab.world.calls.count("ChangeResourceRecordSets") == 1


def test_records_that_changed_are_not_overwritten(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    old = lab.held()
    lab.fill(simple(API, B))
    other = client(lab.at)
    batch = [{"Action": "UPSERT", "ResourceRecordSet": simple(WWW, B)}]
    other.change_resource_record_sets(HostedZoneId=lab.zone, ChangeBatch={"Changes": batch})
    other.close()
    found = lab.driver.swap(old, Records((replace(old.held[0], fence=FENCE),)))
    assert isinstance(found, NotApplied)
    assert found.now.held[0].rrsets[0].rdatas == (B,)


def test_a_change_between_reading_and_writing_is_found_by_route_53(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.fill(simple(WWW, A))
    old = lab.held()
    send = Api.change

    def first(self: Api, zone_id: str, changes: Any) -> str:
        monkeypatch.setattr(Api, "change", send)
        other = lab.driver._api
        send(other, zone_id, [("DELETE", simple(WWW, A)), ("CREATE", simple(WWW, B))])
        return send(self, zone_id, changes)

    monkeypatch.setattr(Api, "change", first)
    found = lab.driver.swap(old, Records((replace(old.held[0], fence=FENCE),)))
    assert isinstance(found, NotApplied)
    assert found.now.held[0].rrsets[0].rdatas == (B,)


def test_a_lost_answer_is_read_back(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    old = lab.held()
    new = Records((replace(old.held[0], fence=FENCE),))
    lab.set(unheard=1)
    assert isinstance(lab.driver.swap(old, new), Unknown)
    lab.set(lost=1)
    assert lab.driver.swap(old, new) == Applied()
    assert lab.held() == new


def test_a_batch_that_was_done_already_counts_as_done(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers send the same: the second one's is refused, and what it wanted stands there."""
    lab.fill(simple(WWW, A))
    old = lab.held()
    new = Records((replace(old.held[0], fence=FENCE),))
    send = Api.change

    def twice(self: Api, zone_id: str, changes: Any) -> str:
        send(self, zone_id, changes)
        return send(self, zone_id, changes)

    monkeypatch.setattr(Api, "change", twice)
    assert lab.driver.swap(old, new) == Applied()


def test_a_protected_set_ends_with_route_53s_own_words(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    old = lab.held()
    lab.set(protected=(WWW,))
    with pytest.raises(Denied, match=r"InvalidChangeBatch: .*it is protected"):
        lab.driver.swap(old, Records((replace(old.held[0], fence=FENCE),)))


# ---------------------------------------------------------------- pace, throttling, keys


def test_five_requests_a_second_are_kept(lab: Lab) -> None:
    lab.set(rate=5.0)
    lab.fill(simple(WWW, A))
    for _ in range(12):
        lab.held()
    assert lab.slept == [SECOND, SECOND]


def test_throttling_and_a_busy_zone_are_waited_out(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    claimed = lab.claimed()
    lab.set(throttled=3, busy=2.0)
    assert lab.driver.swap(Records((claimed,)), Records((at(25, claimed, 8),))) == Applied()
    assert len(lab.slept) >= 3


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ({"throttled": 99}, Unreachable, "Throttling, 6 times"),
        ({"expired": True}, Unreachable, "ExpiredToken; renew the credentials"),
        ({"denied": ("ListResourceRecordSets", "GetHostedZone")}, Denied, "AccessDenied"),
    ],
)
def test_what_keeps_us_from_reading(lab: Lab, fault: dict[str, Any], kind: type[Exception], said: str) -> None:
    lab.set(**fault)
    with pytest.raises(kind, match=said) as told:
        lab.held()
    assert "canary-r53" not in str(told.value)


def test_without_keys_it_says_what_to_give(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(Denied, match="give a profile, or AWS_ACCESS_KEY_ID"):
        lab.held()
    with pytest.raises(Denied, match="give a profile"):
        lab.made(profile="nobody").read([WWW])


def test_a_server_that_is_not_there(lab: Lab) -> None:
    host = address()
    with pytest.raises(Unreachable, match="no answer"):
        lab.made(endpoint=f"http://{host}:{freeport(host)}").read([WWW])


# ---------------------------------------------------------------- served, check


def test_answers_count_when_the_change_is_in_sync(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbmigrate.dns.route53.driver.ASK_EVERY", 0.0)
    lab.fill(simple(WWW, A))
    lab.set(pending=30.0)
    claimed = lab.claimed()
    assert all("is PENDING" in one.error and one.rdatas is None for one in lab.driver.served([WWW], ("A", "WEIGHTED")))
    lab.clock.now += 30
    found = lab.driver.served([WWW], ("A", "WEIGHTED"))
    assert {(one.server, one.rtype, one.rdatas) for one in found} == {
        (server, rtype, rdatas)
        for server in lab.servers
        for rtype, rdatas in (("A", (A,)), ("WEIGHTED", (rdata(claimed.fence or FENCE),)))
    }


def test_pending_for_ever_and_an_unknown_change_are_told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbmigrate.dns.route53.driver.ASK_EVERY", 0.0)
    lab.fill(simple(WWW, A))
    lab.set(stuck=True)
    lab.claimed()
    lab.clock.now += 1e6
    assert "is PENDING" in lab.driver.served([WWW])[0].error
    lab.world.changes.clear()
    assert "NoSuchChange" in lab.driver.served([WWW])[0].error


def test_get_change_is_not_asked_at_every_poll(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    lab.set(stuck=True)
    lab.claimed()
    for _ in range(20):
        lab.driver.served([WWW])
    assert lab.world.calls.count("GetChange") < 5


def test_a_lagging_name_server_is_seen(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    lab.set(lag=(0.0, 60.0))
    lab.claimed()
    found = {one.server: one.rdatas for one in lab.driver.served([WWW], ("WEIGHTED",))}
    assert [bool(found[server]) for server in lab.servers] == [True, False]


def test_check_proves_the_key_without_changing_anything(lab: Lab) -> None:
    lab.fill(simple(WWW, A))
    versions = len(lab.world.zones[lab.zone].versions)
    assert lab.driver.check([WWW, f"no.{ZONE}"]) == (f"no.{ZONE}: does not exist",)
    assert len(lab.world.zones[lab.zone].versions) == versions
    lab.set(denied=("ChangeResourceRecordSets",))
    with pytest.raises(Denied, match="AccessDenied"):
        lab.driver.check([WWW])


def test_check_names_the_longer_zone_of_a_name(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same kind, however many pages of zones lie before it; a zone that only ends alike is none."""
    monkeypatch.setattr(zones, "MOST_ZONES", 2)
    lab.fill(simple(f"www.dev.{ZONE}", A), simple(WWW, A))
    for n, name in enumerate((f"a.{ZONE}", f"b.{ZONE}", f"c.{ZONE}", "dev.other-lab.test.")):
        lab.world.create(Made(name, f"more {n}"))
    dev = lab.world.create(Made(f"dev.{ZONE}", "dev")).id
    lab.world.create(Made(f"www.{ZONE}", "private", private=True))
    said = f"www.dev.{ZONE}: hosted zone dev.{ZONE} ({dev}) is longer for it; give that one its own entry under dns:"
    assert lab.driver.check([WWW, f"www.dev.{ZONE}"]) == (said,)
    lab.set(denied=("ListHostedZonesByName",))
    (told,) = lab.driver.check([WWW])
    assert told.startswith("whether another zone of the account is longer for these names is not known")


@pytest.mark.parametrize(
    ("private", "changes", "said"),
    [
        (True, {"private": True, "zone_id": ""}, ""),
        (False, {"private": True, "zone_id": ""}, "no private zone of that name"),
        (False, {"private": True}, r"is public; correct zone_id or private"),
    ],
)
def test_a_zone_is_found_by_being_private(lab: Lab, private: bool, changes: dict[str, Any], said: str) -> None:
    if private:
        lab.private(simple(WWW, B))
    driver = lab.made(**{"zone_id": lab.zone, **changes})
    if said:
        with pytest.raises(Refused, match=said):
            driver.read([WWW])
    else:
        assert driver.read([WWW]).held[0].rrsets[0].rdatas == (B,)
    driver.close()


def test_a_network_has_one_zone_of_a_name_and_a_private_zone_a_network(lab: Lab) -> None:
    zone, other = lab.private(), client(lab.at)
    vpc = {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}
    two = {**vpc, "VPCId": "vpc-2"}

    def made(name: str, network: dict[str, str]) -> str:
        return code(lambda: other.create_hosted_zone(Name=name, CallerReference=f"{name} {network}", VPC=network))

    def call(what: str, network: dict[str, str], at: str = zone) -> str:
        return code(lambda: getattr(other, what)(HostedZoneId=at, VPC=network))

    assert made(ZONE, vpc) == "ConflictingDomainExists"
    assert made(f"a.{ZONE}", vpc) == "taken"
    assert made(ZONE, {**vpc, "VPCId": "net"}) == "InvalidVPCId"
    assert call("disassociate_vpc_from_hosted_zone", vpc) == "LastVPCAssociation"
    assert call("associate_vpc_with_hosted_zone", two) == "taken"
    assert made(ZONE, two) == "ConflictingDomainExists"
    assert call("disassociate_vpc_from_hosted_zone", vpc) == "taken"
    assert call("disassociate_vpc_from_hosted_zone", vpc) == "VPCAssociationNotFound"
    assert call("associate_vpc_with_hosted_zone", vpc, lab.zone) == "PublicZoneVPCAssociation"
    assert [one["VPCId"] for one in other.get_hosted_zone(Id=zone)["VPCs"]] == ["vpc-2"]
    other.close()


def test_check_names_a_server_that_answers_otherwise(lab: Lab) -> None:
    other = lab.world.create(Made(ZONE, "two", private=True)).id
    lab.world.fill(other, [sets.from_json(simple(WWW, B))])
    (first, _) = lab.made(zone_id=other, nameservers=(lab.servers[0],)).check([WWW]), None
    assert first == (f"name server {lab.servers[0]}: {WWW} A: nothing, the zone holds {B}",)


def test_a_private_zone_needs_nameservers(lab: Lab) -> None:
    other = lab.world.create(Made(ZONE, "two", private=True)).id
    with pytest.raises(Refused, match="give nameservers"):
        lab.made(zone_id=other, nameservers=()).served([WWW])


# ---------------------------------------------------------------- the driver among others


def test_the_registry_makes_it_and_tells_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Dns("route53", ZONE, scheme="weighted")
    assert isinstance(drivers.make(entry), Route53)
    monkeypatch.setitem(sys.modules, "lbmigrate.dns.route53.driver", None)
    with pytest.raises(Failed, match=r"pip install 'lbmigrate\[route53\]'"):
        drivers.make(entry)


def test_a_keeper_of_many_values_is_written_and_read() -> None:
    values = tuple(f"2001:DB8:0:0:0:0:0:{n:x}" for n in range(20))
    keeper = listing.Keeper("0a0b", {"A": ("192.0.2.2", "192.0.2.1"), "AAAA": values})
    texts = listing.texts(keeper)
    assert all(len(one) <= 255 for one in texts)
    assert listing.strings(listing.quoted(texts)) == texts
    assert listing._keeper(WWW, texts) == keeper


def test_special_characters_survive_a_txt_value() -> None:
    texts = ('a "quoted" one', "a\\b", "plain")
    assert listing.strings(listing.quoted(texts)) == texts
    assert json.dumps(listing.quoted(texts)).count("\\\\") == 3
