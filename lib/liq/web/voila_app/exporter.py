"""Voila's exporter with templates that are compiled once.

Voila 0.5 makes an exporter for each page, and each compiles the templates again. That blocks the
server for half a second.
"""

import voila.notebook_renderer
from jinja2 import BytecodeCache, Environment, meta
from jinja2.bccache import Bucket
from voila.exporter import VoilaExporter


class _Compiled(BytecodeCache):
    """Keeps compiled templates in memory."""

    def __init__(self) -> None:
        self._templates: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._templates.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._templates[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class Exporter(VoilaExporter):  # type: ignore[misc] # Voila ships no types
    """Converts a notebook to a page."""

    @property
    def environment(self) -> Environment:
        """Jinja's environment."""
        environment: Environment = super().environment
        environment.bytecode_cache = _COMPILED
        return environment

    def compile(self) -> None:
        """Compile the page's template and every template that it extends."""
        environment, names = self.environment, {str(self.template_file)}
        environment.filters |= {"highlight_code": str, "trusted": str}  # Voila adds them later
        done: set[str] = set()
        while names := names - done:
            name = names.pop()
            environment.get_template(name)
            source, *_ = environment.loader.get_source(environment, name)  # type: ignore[union-attr]
            found = meta.find_referenced_templates(environment.parse(source))
            names |= set(filter(None, found))
            done.add(name)


def install() -> None:
    """Replace Voila's exporter by this one; Voila has no setting for it."""
    assert voila.notebook_renderer.VoilaExporter  # noqa: S101 - the name may change with Voila
    voila.notebook_renderer.VoilaExporter = Exporter
