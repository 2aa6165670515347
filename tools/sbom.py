"""List what liq is made of, in CycloneDX 1.6: `make sbom` writes dist/*.cdx.json.

``python.cdx.json`` holds the packages of .venv, with the hashes that uv.lock pins, and the scripts
of others that liq ships: uPlot and a part of plotly.js;
``jars.cdx.json`` what Maven resolves for Kafka, Kafka Connect, QuestDB, Spark and the sink. Neither
has a time or a serial number: the same versions give the same bytes.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PLOTLY = ROOT / "lib/liq/web/voila_app/static/plotly-finance.min.js"
UPLOT = ROOT / "lib/liq/web/dashboard/uPlot.iife.min.js"
VERSION = "1.6"
_PLUGIN = "org.cyclonedx:cyclonedx-maven-plugin:2.9.1:makeAggregateBom"


def python(out: Path) -> None:
    """Write the bill of the packages in .venv. Raises `subprocess.CalledProcessError`."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--sv", VERSION]
    # the tests validate: with the addresses of 200 packages that takes most of a minute
    command += [
        "--no-validate",
        "--output-reproducible",
        "--pyproject",
        str(ROOT / "pyproject.toml"),
    ]
    subprocess.run([*command, "--output-file", str(out), sys.executable], check=True)
    bill = json.loads(out.read_text())
    _add_distributions(bill["components"], ROOT / "uv.lock")
    bill["components"] += [
        _describe_script(UPLOT, "uplot", rb"uPlot \(v([\d.]+)\)"),
        _describe_script(PLOTLY, "plotly.js-finance-dist-min", rb"finance - minified\) v([\d.]+)"),
    ]
    out.write_text(json.dumps(bill, indent=2) + "\n")


def _add_distributions(components: list[dict[str, Any]], lock: Path) -> None:
    """Add the files of each package in the index, with their hashes, as uv.lock pins them."""
    entries = tomllib.loads(lock.read_text())["package"]
    pinned = {(canonicalize_name(one["name"]), one.get("version")): one for one in entries}
    for component in components:
        key = (canonicalize_name(component["name"]), component.get("version"))
        entry = pinned.get(key, {})
        files = [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]
        distributions = [
            {"type": "distribution", "url": file["url"], "hashes": [_hash(file["hash"])]}
            for file in files
        ]
        if distributions:
            component["externalReferences"] = [
                *component.get("externalReferences", []),
                *distributions,
            ]


def _describe_script(file: Path, name: str, pattern: bytes) -> dict[str, Any]:
    """Return the component of the file that npm's package ``name`` has under the same name."""
    content = file.read_bytes()
    [version] = re.findall(pattern, content[:100])
    return {
        "type": "library",
        "name": name,
        "version": version.decode(),
        "purl": f"pkg:npm/{name}@{version.decode()}",
        "bom-ref": f"{name}=={version.decode()}",
        "licenses": [{"license": {"id": "MIT"}}],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}],
    }


def _hash(text: str) -> dict[str, str]:
    kind, _, content = text.partition(":")
    return {"alg": re.sub(r"^sha", "SHA-", kind), "content": content}


def jars(out: Path) -> None:
    """Write the bill of the jars. Raises `subprocess.CalledProcessError`, `FileNotFoundError`."""
    settings = {
        "outputDirectory": out.parent,
        "outputName": out.name.removesuffix(".json"),
        "outputFormat": "json",
        "schemaVersion": VERSION,
        "projectType": "application",
        "includeBomSerialNumber": "false",
        "includeTestScope": "false",
        "liq.build": DIST / "maven",
    }
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(ROOT / "connect" / "pom.xml")]
    options = [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run([*command, _PLUGIN, *options], check=True)


def main() -> int:
    """Write both; return the exit code."""
    parser = argparse.ArgumentParser(prog="sbom", description="List what liq is made of.")
    parser.add_argument("--out", type=Path, default=DIST, help="folder to write into")
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        for write, file in ((python, "python.cdx.json"), (jars, "jars.cdx.json")):
            write(out / file)
            print(f"wrote {out / file}")
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"error: {error}; `make setup` installs the tools, jars need Maven", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
