"""Voila: pages that are made faster, come to an end, and carry no inline script.

Voila makes an exporter for each page, and each compiles the templates again. That blocks the server
for half a second. After an error it never ends the page, which then loads for ever. It has no
setting for either.
"""

import asyncio
from collections.abc import AsyncIterator
from types import CodeType
from typing import Any

import voila.handler
import voila.notebook_renderer
from jinja2 import BytecodeCache, Environment, meta
from jinja2.bccache import Bucket
from voila.exporter import VoilaExporter
from voila.notebook_renderer import NotebookRenderer
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from liq.common.compat import ANYWIDGET, VOILA, WIDGETSNBEXTENSION

HEARTBEAT = "<script>window.voila_heartbeat()</script>\n"  # which our pages do not allow


def install() -> None:
    """Replace Voila's exporter and renderer. Raises `DependencyError` if they have other names."""
    generator = VOILA.get(voila.handler.VoilaHandler, "get_generator")
    VOILA.require(_has_text(generator.__code__, HEARTBEAT), "heartbeat of the known text")
    VOILA.get(NotebookRenderer, "generate_content_generator")
    VOILA.get(voila.handler, "NotebookRenderer")
    VOILA.get(voila.notebook_renderer, "VoilaExporter")
    voila.handler.NotebookRenderer = Renderer
    voila.notebook_renderer.VoilaExporter = Exporter


def find_pool(manager: Any, notebook: str) -> list[asyncio.Task[Any]]:
    """Return the preheated kernels of a notebook, ready or not. Raises `DependencyError`."""
    pool: list[asyncio.Task[Any]] = VOILA.get(manager, "_pools").get(notebook, [])
    return pool


def check_widgets(anywidget: bytes, widgets: bytes) -> None:
    """Raise `DependencyError` unless ``amd.js`` fits the two bundles of widgets."""
    ANYWIDGET.require(b"AbortSignal.timeout(" in anywidget, "AbortSignal.timeout in its bundle")
    WIDGETSNBEXTENSION.require(b"requirejs" in widgets, "requirejs in its bundle")


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
    """Converts a notebook to a page, with templates that are compiled once."""

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


class Renderer(NotebookRenderer):  # type: ignore[misc] # Voila ships no types
    """Makes a page, and ends it after an error: Voila's page would load for ever."""

    async def generate_content_generator(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """Yield the page's pieces; the page detects a missing last piece."""
        try:
            async for piece in super().generate_content_generator(*args, **options):
                yield piece
        except Exception:
            self.log.exception("A page could not be made to its end")


class Channels(VoilaKernelWebsocketHandler):  # type: ignore[misc] # Voila ships no types
    """The websocket between a page and its kernel."""

    def write_message(self, message: bytes | str | dict[str, Any], binary: bool = False) -> Any:  # noqa: FBT001, FBT002 - tornado's
        """Send ``message``; bytes unchanged.

        Voila filters bytes by a protocol that our page does not use. It takes the first bytes for a
        count and allocates that many zeros. Messages that the filter applies to have no bytes.
        """
        if isinstance(message, bytes):
            return super(VoilaKernelWebsocketHandler, self).write_message(message, binary)
        return super().write_message(message, binary)


def _has_text(code: CodeType, text: str) -> bool:
    """Return whether a function, or a function inside it, has this text."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return text in code.co_consts or any(_has_text(each, text) for each in inner)
