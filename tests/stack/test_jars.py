"""The folder of jars: what is in it, when it is built, and which files the cache keeps."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pin_jars
import pytest

from liq.common import files
from liq.config import Settings
from liq.errors import StackError
from liq.stack import downloads, jars
from liq.stack.service import Download, ignore_event
from support.homes import ALL
from support.mirror import Mirror, mirror

CONNECT = files.find_asset("connect")
JARS = downloads.read_list(CONNECT / "jars.txt")
POM = "{http://maven.apache.org/POM/4.0.0}"


@pytest.fixture(scope="module")
def repository() -> Iterator[Mirror]:
    """A repository with the jars that this machine's cache has, or gets now."""
    settings = Settings.load()
    jars.ensure(settings, ignore_event)
    built = jars.find_folder(settings)
    contents = {jar.path: (built / jar.folders[0] / jar.name).read_bytes() for jar in JARS}
    with mirror(contents) as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path, repository: Mirror) -> Settings:
    repository.asked.clear()
    return Settings.load(
        home=tmp_path / "home", cache=tmp_path / "cache", maven_mirror=repository.url
    )


def list_files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_jars_are_downloaded_once_and_the_sink_is_compiled(
    settings: Settings, repository: Mirror
) -> None:
    events: list[tuple[str, str]] = []
    jars.ensure(settings, lambda *event: events.append(event))
    sink = f"plugins/liq-sink/liq-sink-{version('liq')}.jar"
    pinned = {f"{folder}/{jar.name}" for jar in JARS for folder in jar.folders}
    folder = jars.find_folder(settings)
    assert {name for name in list_files(folder) if not name.endswith(".jsa")} == pinned | {sink}
    sizes = [(each.done, each.total) for _, each in events if isinstance(each, Download)]
    assert sizes[-1] == (sum(jar.size for jar in JARS),) * 2
    assert ("sink", "compiling") in events

    jars.ensure(settings, ignore_event)
    assert set(repository.asked.values()) == {1}
    assert {path.name for path in settings.cache.iterdir()} == {"lock", "jars", folder.name}


def test_the_sink_s_jar_has_its_services_its_version_and_classes_for_java_17(
    repository: Mirror,
) -> None:
    folder = jars.find_folder(Settings.load())
    [file] = (folder / "plugins" / "liq-sink").glob("liq-sink-*.jar")
    resources = CONNECT / "sink" / "src" / "main" / "resources"
    with zipfile.ZipFile(file) as jar:
        names = set(jar.namelist())
        assert {each.relative_to(resources).as_posix() for each in resources.rglob("org.*")} < names
        assert f"Implementation-Version: {version('liq')}" in jar.read(jar.namelist()[0]).decode()
        classes = [jar.read(name) for name in names if name.endswith(".class")]
        assert {content[6:8] for content in classes} == {(61).to_bytes(2)}
    sources = (CONNECT / "sink" / "src" / "main" / "java").rglob("*.java")
    assert {f"{each.stem}.class" for each in sources} <= {Path(name).name for name in names}


def test_a_cache_with_all_odd_characters_gets_the_same_bytes(
    settings: Settings, tmp_path: Path
) -> None:
    odd = settings.model_copy(update={"cache": tmp_path / f"cache {ALL}"})
    jars.ensure(odd, ignore_event)
    contents = [
        {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in list_files(folder)
            if not name.endswith(".jsa")
        }
        for folder in map(jars.find_folder, (Settings.load(), odd))  # the machine's is built
    ]
    assert contents[0] == contents[1]


def test_two_at_once_download_once(settings: Settings, repository: Mirror) -> None:
    code = "from liq.stack import jars; from liq.stack.service import ignore_event;"
    code += "from liq.config import Settings;"
    code += "jars.ensure(Settings.load(), ignore_event)"
    environment = os.environ | settings.environ()
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    assert set(repository.asked.values()) == {1}


def test_a_repository_that_is_away_leaves_no_folder(settings: Settings) -> None:
    away = settings.model_copy(update={"maven_mirror": "http://127.0.0.1:1"})
    with pytest.raises(StackError, match="cannot download"):
        jars.ensure(away, ignore_event)
    assert {path.name for path in settings.cache.iterdir()} == {"lock", "jars"}


def test_unused_folders_go_and_jars_that_no_folder_has(settings: Settings) -> None:
    store = settings.cache / "jars"
    store.mkdir(parents=True)
    for age in range(8):
        folder = settings.cache / f"stack-{age}"
        folder.mkdir()
        (store / f"{age}.jar").write_text("")
        (folder / f"{age}.jar").hardlink_to(store / f"{age}.jar")
        os.utime(folder, (1e9 - age, 1e9 - age))
    (store / "old.jar.part").write_text("")
    jars.ensure(settings, ignore_event)
    folders = {path.name for path in settings.cache.glob("stack-*")}
    assert folders == {"stack-0", "stack-1", "stack-2", jars.find_folder(settings).name}
    kept = {path.name for path in store.iterdir()}
    assert kept == {"0.jar", "1.jar", "2.jar", *(jar.name for jar in JARS)}


def test_the_remains_of_a_killed_build_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Settings.load(home=tmp_path / "home", cache=tmp_path / "cache")
    (own.cache / "build-killed" / "stack").mkdir(parents=True)
    store = own.cache / "jars"
    store.mkdir()
    (store / "a.jar").write_text("")
    (own.cache / "build-killed" / "stack" / "a.jar").hardlink_to(store / "a.jar")
    monkeypatch.setattr(jars, "_build", lambda _, target, __: target.mkdir())
    jars.ensure(own, ignore_event)
    kept = {path.name for path in own.cache.iterdir()}
    assert kept == {"lock", "jars", jars.find_folder(own).name}
    assert list(store.iterdir()) == []


def test_the_name_of_the_folder_follows_the_list_and_the_sources_and_nothing_else(
    tmp_path: Path,
) -> None:
    def write(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return jars.fingerprint(tmp_path)

    first = write("jars.txt", "1")
    irrelevant = ("altliqs.json", "pom.xml", "sink/src/test/java/T.java", "sink/target/A.class")
    for name in irrelevant:
        assert write(name, "x") == first
    names = [first, write("jars.txt", "2"), write("sink/src/main/java/A.java", "a")]
    names += [write("sink/src/main/java/A.java", "b"), write("sink/src/main/java/B.java", "b")]
    assert len(set(names)) == len(names)


def test_the_list_has_the_versions_of_the_poms() -> None:
    """`make jars` writes the list again."""
    properties = {
        each.tag.removeprefix(POM): each.text
        for each in ElementTree.parse(CONNECT / "pom.xml").iterfind(f"{POM}properties/*")  # noqa: S314 - ours
    }
    pinned = {jar.coordinates for jar in JARS}
    for folder in ("compiler", "kafka", "questdb", "spark", "sink"):
        pom = ElementTree.parse(CONNECT / folder / "pom.xml")  # noqa: S314 - ours
        for one in pom.iterfind(f"{POM}dependencies/{POM}dependency"):
            group, artifact, given = (
                one.findtext(f"{POM}{name}", "") for name in ("groupId", "artifactId", "version")
            )
            if one.findtext(f"{POM}scope") != "test":
                assert f"{group}:{artifact}:{properties[given[2:-1]]}" in pinned


@pytest.mark.skipif(not shutil.which("mvn"), reason="Maven resolves the jars")
@pytest.mark.timeout(600)
def test_the_list_is_what_maven_resolves() -> None:
    assert pin_jars.render(pin_jars.resolve()) == pin_jars.FILE.read_text()
