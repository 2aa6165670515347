"""The bills of materials, as `make sbom` writes them, against CycloneDX's schema."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import audit
import pytest
import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def valid(file: Path, step: int) -> dict[str, Any]:
    """Return a bill whose head, and each component of that step, the schema allows."""
    bill: dict[str, Any] = json.loads(file.read_text())
    # of each the first address only: the validator takes a tenth of a second for one
    some = [
        {**one, "externalReferences": one.get("externalReferences", [])[:1]}
        for one in bill["components"][::step]
    ]
    text = json.dumps({**bill, "components": some})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "serialNumber" not in bill
    assert "timestamp" not in bill["metadata"]
    return bill


@pytest.fixture(scope="module")
def python_bill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sbom") / "python.cdx.json"
    sbom.python(file)
    return file


def test_the_python_bill_is_valid_and_has_licences_and_hashes(python_bill: Path) -> None:
    bill = valid(python_bill, step=20)
    packages = {one["name"].lower(): one for one in bill["components"]}
    flask = packages["flask"]
    assert flask["purl"].startswith("pkg:pypi/flask@")
    assert flask["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    files = [one for one in flask["externalReferences"] if one["type"] == "distribution"]
    assert len(files) == 2
    assert all(
        one["hashes"][0]["alg"] == "SHA-256" and len(one["hashes"][0]["content"]) == 64
        for one in files
    )


@pytest.mark.parametrize(
    ("file", "name"), [(sbom.PLOTLY, "plotly.js-finance-dist-min"), (sbom.UPLOT, "uplot")]
)
def test_the_python_bill_has_the_shipped_scripts(python_bill: Path, file: Path, name: str) -> None:
    bill = json.loads(python_bill.read_text())
    [shipped] = [one for one in bill["components"] if one["name"] == name]
    assert shipped["purl"] == f"pkg:npm/{name}@{shipped['version']}"
    assert f"v{shipped['version']}" in file.read_text()[:100]
    [digest] = shipped["hashes"]
    assert digest["content"] == hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps({**bill, "components": [shipped]})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_packages_give_the_same_bytes(python_bill: Path, tmp_path: Path) -> None:
    sbom.python(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == python_bill.read_bytes()


@pytest.mark.skipif(not shutil.which("mvn"), reason="jars are listed by Maven")
@pytest.mark.timeout(600)
def test_the_bill_of_jars_is_valid_and_is_read_by_the_audit(tmp_path: Path) -> None:
    file = tmp_path / "jars.cdx.json"
    sbom.jars(file)
    bill = valid(file, step=5)
    names = {package.name for package in audit.jars(file)}
    assert {"org.apache.kafka:connect-runtime", "org.questdb:questdb"} <= names
    assert not any(name.startswith("io.liq:") for name in names)
    for one in bill["components"]:
        if one.get("group") == "io.liq":
            continue
        assert any(each["alg"] == "SHA-256" for each in one["hashes"]), one["name"]
        assert one["purl"].startswith("pkg:maven/")
    assert sum(bool(one.get("licenses")) for one in bill["components"]) > 80
