"""Each test has the markers of the servers that its fixtures start."""

import pytest

MARKERS = {"stack": "stack", "chromium": "browser"}  # by fixture


@pytest.mark.parametrize("fixture", MARKERS)
def test_a_test_has_the_marker_of_its_servers(request: pytest.FixtureRequest, fixture: str) -> None:
    """All tests of this run are checked: with ``-m`` these are the tests without the marker."""
    unmarked = [
        item.nodeid
        for item in request.session.items
        if fixture in getattr(item, "fixturenames", ())
        and not item.get_closest_marker(MARKERS[fixture])
    ]
    assert not unmarked
