"""Java's properties files, as Kafka and Kafka Connect read them: Latin-1, with escapes."""

import re
from collections.abc import Mapping

_ESCAPED = re.compile(r"\\|^ |[^ -~]")


def render(properties: Mapping[str, object]) -> str:
    """Return the text of a properties file; values may hold anything, keys are plain."""
    return "".join(f"{key}={escaped(str(value))}\n" for key, value in properties.items())


def escaped(value: str) -> str:
    """Escape a value so that `java.util.Properties` reads it unchanged."""
    return _ESCAPED.sub(lambda found: _escape(found[0]), value)


def _escape(character: str) -> str:
    if character in "\\ ":
        return f"\\{character}"
    code = character.encode("utf-16-be")  # beyond the basic plane Java has two for one
    return "".join(f"\\u{code[at : at + 2].hex()}" for at in range(0, len(code), 2))
