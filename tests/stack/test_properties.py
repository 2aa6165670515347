"""What Java reads from a file that we wrote: Java itself is asked."""

import random
import subprocess
from pathlib import Path

import pytest

from liq.stack import properties
from support.homes import ODD

READER = """
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;

public class Reader {
    public static void main(String[] files) throws Exception {
        Properties found = new Properties();
        try (var stream = Files.newInputStream(Path.of(files[0]))) { found.load(stream); }
        for (String key : new TreeSet<>(found.stringPropertyNames())) {
            byte[] text = found.getProperty(key).getBytes(StandardCharsets.UTF_8);
            System.out.println(key + " " + HexFormat.of().formatHex(text));
        }
    }
}
"""
VALUES = [
    "/home/jürgen/liq", "/home/日本/😀", "C:\\Users\\liq\\new", " leading", "trailing ", "a  b",
    "#no comment", "!none", "a=b:c", "%20", "'\"`", "tab\tline\nreturn\r\f", "\\u0041", "", "\\",
    "${env:HOME}", "$x", *ODD,
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/tmp/liq", "/tmp/liq"),  # noqa: S108 - no file is made
        ("ü", "\\u00fc"),
        ("😀", "\\ud83d\\ude00"),
        ("a\\b", "a\\\\b"),
        ("  a b", "\\  a b"),
        ("#!=:%'\"", "#!=:%'\""),
        ("\n", "\\u000a"),
    ],
)
def test_a_value_is_escaped(value: str, text: str) -> None:
    assert properties.escaped(value) == text
    assert properties.render({"key": value}) == f"key={text}\n"


def test_java_reads_properties_just_as_written(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    letters = [chr(n) for n in range(1, 0x3100)] + ["😀"]
    values = VALUES + ["".join(chance.choices(letters, k=200)) for _ in range(200)]
    written = {f"key{number:04}": value for number, value in enumerate(values)}
    (tmp_path / "Reader.java").write_text(READER)
    (tmp_path / "written").write_text(properties.render(written), encoding="ascii")
    done = subprocess.run(
        ["java", tmp_path / "Reader.java", tmp_path / "written"],  # noqa: S607 - the stack's own
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = (line.partition(" ") for line in done.stdout.splitlines())
    assert {key: bytes.fromhex(text).decode() for key, _, text in lines} == written
