"""Each test has the markers of the servers that its fixtures start, and a name with a subject."""

import re

import pytest

MARKERS = {"stack": "stack", "chromium": "browser"}  # by fixture
VAGUE = re.compile(r"test_(it|what|who|whom|whoever|whatever)_")


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


def test_names_of_tests_name_their_subject(request: pytest.FixtureRequest) -> None:
    names = {item.name.partition("[")[0] for item in request.session.items}
    assert not [name for name in names if VAGUE.match(name)]
