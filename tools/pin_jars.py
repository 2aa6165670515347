"""Write what Maven resolves for ``connect/`` into ``connect/jars.txt``: `make jars`.

`liq up` downloads these jars without Maven, and checks them by size and SHA-256.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from liq.stack.downloads import Jar

CONNECT = Path(__file__).parents[1] / "connect"
FILE = CONNECT / "jars.txt"
HEAD = """\
# What `liq up` downloads from a Maven repository: the jars that connect/*/pom.xml need. `make jars`
# writes this file. SHA-256, bytes, folders of the stack, group:artifact:version.
"""


def resolve() -> list[Jar]:
    """Return the jars that Maven resolves. Raises `CalledProcessError`, `FileNotFoundError`."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(CONNECT / "pom.xml")]
        command += ["dependency:copy-dependencies@dist", "-Dmdep.useRepositoryLayout=true"]
        command += [f"-Dliq.dist={scratch}/dist", f"-Dliq.build={scratch}/build"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return _read(Path(scratch, "dist"))


def _read(dist: Path) -> list[Jar]:
    """Return the jars below folders of the stack, each a Maven repository."""
    folders: dict[str, list[str]] = defaultdict(list)
    contents: dict[str, bytes] = {}
    for folder in ("compiler", "kafka", "plugins/liq-sink", "questdb", "spark"):
        for file in (dist / folder).rglob("*.jar"):
            coordinates = _name(file.relative_to(dist / folder))
            folders[coordinates].append(folder)
            contents[coordinates] = file.read_bytes()
    return [
        Jar(hashlib.sha256(contents[each]).hexdigest(), len(contents[each]), (*names,), each)
        for each, names in sorted(folders.items())
    ]


def _name(path: Path) -> str:
    """Return the coordinates of a jar by its place in a repository."""
    *group, artifact, version, _ = path.parts
    classifier = path.stem.removeprefix(f"{artifact}-{version}")
    return ":".join([".".join(group), artifact, version]) + classifier.replace("-", ":", 1)


def render(jars: list[Jar]) -> str:
    """Return the text of ``jars.txt``."""
    return HEAD + "".join(
        f"{jar.sha256} {jar.size:>8} {','.join(jar.folders):<16} {jar.coordinates}\n"
        for jar in jars
    )


def main() -> int:
    """Write the file; return the exit code."""
    try:
        jars = resolve()
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"error: {error}; Maven resolves the jars", file=sys.stderr)
        return 1
    FILE.write_text(render(jars))
    print(f"wrote {FILE}: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
