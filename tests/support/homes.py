"""Names of folders that a user may have, and that some program or file format trips over."""

import os
import shutil
from pathlib import Path

from liq.config import Settings
from liq.stack import jars

ALL = "jürgen Ω 日本 100% %41 #1 !x \\u0041\\ 'q' \"dq\" $HOME ${x} `id` [b] {c} (d) &;|<>*?=~+@^"
BEYOND = "😀"  # of more than 16 bits: Java itself finds no jar below it
ODD = [
    "jürgen", "日本語", "e\u0301", "two words", " edges ", "100%", "%41%2f", "#1", "!x",
    "back\\slash", "\\u0041", "it's", 'say "x"', "$HOME", "${x}", "`id`", "[bold]", "{c}",
    "(d)", "a&b", "a;b", "a|b", "<x>", "*", "?", "a=b", "~x", "+", "@file", "^", ALL,
]  # fmt: skip


def link_jars(stack: Settings, settings: Settings) -> Path:
    """Give a cache of its own the jars that are built already."""
    folder = jars.find_folder(settings)
    without = shutil.ignore_patterns("*.jsa")
    shutil.copytree(jars.find_folder(stack), folder, copy_function=os.link, ignore=without)
    return folder
