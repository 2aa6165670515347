"""Golden files: ``payloads/<venue>.json`` holds documented frames and the records expected."""

from collections.abc import Callable

import pytest

from support.recordings import Recording, load_recording

RecordingOf = Callable[[str], Recording]


@pytest.fixture(scope="session")
def recording_of() -> RecordingOf:
    return load_recording


@pytest.fixture
def recording(request: pytest.FixtureRequest) -> Recording:
    """Return the recording that the test module is named after."""
    return load_recording(request.module.__name__.rpartition("test_")[2])
