"""sbom.json: what a user installs, as CycloneDX 1.6, made from requirements.txt alone: one lock, one file.

`scripts/sbom.py` writes it, `scripts/sbom.py --check` says whether it is in step with the lock.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parent.parent
LOCK, BOM = ROOT / "requirements.txt", ROOT / "sbom.json"
PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+?)(?: ; .*?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def pinned(lock: str) -> list[tuple[str, str, list[str]]]:
    """Name, version and the hashes of every package in the lock. Raises ValueError where a line is none of them."""
    found = [(name, version, re.findall(r"[0-9a-f]{64}", hashes)) for name, version, hashes in PINNED.findall(lock)]
    lines = [line for line in lock.splitlines() if re.match(r"[^\s#]", line)]
    if len(lines) != len(found) or not found:
        raise ValueError(f"{len(lines)} packages in the lock, {len(found)} with a version and hashes")
    return found


def component(name: str, version: str, hashes: Iterable[str]) -> Component:
    """One package: each of its files is a distribution with a hash."""
    purl = PackageURL("pypi", None, name, version)
    files = [HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes]
    where = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(purl.to_string()), hashes=files)
    ref = purl.to_string()
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=ref, external_references=[where]
    )


def made() -> str:
    """The file's text."""
    lock = LOCK.read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = [component(*one) for one in pinned(lock)]
    whole = Component(type=ComponentType.APPLICATION, name=project["name"], bom_ref=project["name"])
    bom = Bom(components=parts, serial_number=uuid.uuid5(uuid.NAMESPACE_URL, lock))
    bom.metadata.component = whole
    direct = {re.split(r"[^A-Za-z0-9.-]", one)[0].lower() for one in project["dependencies"]}
    bom.register_dependency(whole, [one for one in parts if one.name in direct])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]  # the lock has none
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def main(words: list[str]) -> int:
    """Write the file, or check it."""
    text = made()
    if words != ["--check"]:
        BOM.write_text(text)
        return 0
    if not BOM.exists() or BOM.read_text() != text:
        print("sbom: sbom.json is not in step with requirements.txt; give: make lock", file=sys.stderr)
        return 1
    print(f"sbom: sbom.json names the {len(json.loads(text)['components'])} packages of requirements.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
