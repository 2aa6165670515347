"""What tests of pages need: the browser of tests/browser."""

from browser.conftest import chromium  # noqa: F401 - a fixture
