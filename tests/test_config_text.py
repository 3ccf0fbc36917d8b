"""The two words that are read without YAML: right wherever they are read, and read from files as people write them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbmigrate.config import nodes
from lbmigrate.config.text import words
from lbmigrate.errors import Usage

KEYS = ("migration", "journal")
PLAIN = """\
# It's a comment: [ { "
migration: web-2026   # its name
names: [www.example.com, {discover: [example.com]}]
a: {addresses: [192.0.2.10, "2001:db8::10"]}
dns:
  - driver: rfc2136
    note: "a: [b"
stages:
- 50
- weight: 100
  approve: true
text: |
  migration: not-this
journal: sqlite:.lbmigrate/journal.db
"""
BOTH = {"migration": "web-2026", "journal": "sqlite:.lbmigrate/journal.db"}
SIGNS = "[]{}:,-&*!|>%@#'\"\\\n\r\t \u00e9\u2028\ufefft0~"


def test_a_file_as_people_write_it_needs_no_yaml() -> None:
    assert words(PLAIN, KEYS) == BOTH
    assert words("migration: m\n", KEYS) == {"migration": "m"}
    assert words("names: []\n", KEYS) == {}


@pytest.mark.parametrize(
    "text",
    [
        "migration: 'web'\n",
        "migration: web\n  and more\n",
        "migration: web\n\n  and more\n",
        "migration: true\n",
        "migration: Null\n",
        "migration: 2026\n",
        "migration: &a web\n",
        "migration:\n  web\n",
        "migration: a\nmigration: b\n",
        "migration: web\r\n",
        "migration: web\rjournal: sqlite:x\n",
        '"migration": web\n',
        "{migration: web}\n",
        "--- \nmigration: web\n",
        "a: [\nmigration: web]\n",
        'a: "\nmigration: web\n"\n',
        "a: '\nmigration: web\n'\n",
        'a: ["]"\nmigration: web, b]\n',
        'a: [b", "]", "\nmigration: web\n"]\n',
        "? migration\n: web\n",
        "- migration: web\n",
        "journal:\n- a\nmigration: web\n",
        "a: b\n-\nmigration: web\n",
        "a:\tb\nmigration: web\n",
        "  migration: web\n",
    ],
)
def test_anything_else_is_left_to_yaml(text: str) -> None:
    assert words(text, KEYS) is None


def check(folder: Path, text: str) -> None:
    """What is read without YAML is what YAML reads, wherever YAML reads the file at all."""
    found = words(text, KEYS)
    if found is None:
        return
    file = folder / "lbmigrate.yaml"
    file.write_bytes(text.encode())
    try:
        top = nodes.read(file)
    except Usage:
        return  # the rest of the file is wrong
    for key in KEYS:
        _, node = top.nodes.get(key, (0, None))
        if key in found:
            assert isinstance(node, nodes.Scalar)
            assert (node.kind, node.text) == ("text", found[key])
        else:
            assert node is None


ANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANY
@given(st.integers(0, len(PLAIN)), st.integers(0, 12), st.text(alphabet=SIGNS, max_size=8))
def test_a_slip_of_the_pen_is_read_as_yaml_reads_it(tmp_path: Path, at: int, cut: int, put: str) -> None:
    check(tmp_path, PLAIN[:at] + put + PLAIN[at + cut :])


PIECES = ("migration: web", "journal: sqlite:x", "a: ", "b:", "- ", "- e", " c: d", "  ", "#", " #", "\n", "\n", *SIGNS)


@ANY
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_whatever_is_made_of_yamls_signs_is_read_as_yaml_reads_it(tmp_path: Path, text: str) -> None:
    check(tmp_path, text)
