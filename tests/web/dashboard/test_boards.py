from pathlib import Path

import pytest
from markupsafe import Markup

from liq.config import Settings
from liq.query.queries import queries
from liq.web.dashboard.board_queries import BOARDS
from liq.web.dashboard.boards import create_boards

OWN = {"Liquidated per bucket", "Price and liquidations", "Now", "Rules"}  # drawn with the data


@pytest.mark.parametrize("board", BOARDS)
def test_a_heading_has_what_its_query_answers_as_a_tooltip(board: str, tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)
    hints = [Markup('<h2 title="{}">').format(each.summary) for each in queries(settings).values()]
    cards = [card for card in create_boards(settings)[board].cards if card.name not in OWN]
    assert cards
    for card in cards:
        heading = card.widget.children[1].value
        assert heading.striptags().startswith(card.name)
        assert any(heading.startswith(hint) for hint in hints), heading


@pytest.mark.parametrize("board", BOARDS)
def test_the_grid_of_a_board_has_the_boards_name_as_its_class(board: str, tmp_path: Path) -> None:
    grid = create_boards(Settings.load(home=tmp_path))[board].widget
    assert grid._dom_classes == ("liq-board", f"liq-{board.lower()}")


def test_without_a_catalogue_headings_have_no_tooltip(tmp_path: Path) -> None:
    broken = tmp_path / "queries.json"
    broken.write_text("{")
    boards = create_boards(Settings.load(home=tmp_path, queries=broken))
    headings = [card.widget.children[1].value for card in boards["Overview"].cards]
    assert not any("title" in heading for heading in headings)
