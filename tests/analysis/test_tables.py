import re
from typing import Any

import pandas as pd
from markupsafe import Markup

from liq.analysis import tables

EVIL = '<img src=x onerror="alert(1)">'
SHOWN = "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;"


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            EVIL: [EVIL, f"https://x.example/{EVIL}", f"javascript:{EVIL}"],
            "usd": [1234.5678, 2.0, None],
            "prints": [10_000, 2, 3],
        }
    )


def shown(table: Any) -> str:
    """Return what a notebook shows, by a method that pandas' stubs lack."""
    return str(table._repr_html_())


def test_cells_labels_and_captions_are_escaped_whatever_is_called_afterwards() -> None:
    grouped = frame().assign(other=EVIL).groupby([EVIL, "other"])[["usd", "prints"]].sum()
    for table in (
        tables.style_table(frame(), precision=2),
        tables.style_table(frame()).format(precision=1).format_index(precision=1, axis="columns"),
        tables.style_table(frame(), index=True).format(str, hyperlinks="html"),
        tables.style_table(grouped, index=True).set_caption(EVIL).format(precision=0, escape=None),
        tables.style_table(grouped, index=True).relabel_index([EVIL, EVIL], axis="columns"),
        tables.style_table(grouped.T, index=True).set_table_attributes(EVIL),
    ):
        page = shown(table)
        assert "<img" not in page
        assert SHOWN in page
        assert table.to_html() == shown(table)


def test_the_page_of_a_table_is_the_same_at_each_run() -> None:
    plain, marked = (tables.style_table(frame()) for _ in range(2))
    assert shown(plain) == shown(tables.style_table(frame()))
    marked.highlight_max(subset=["usd"])
    names = [re.findall(r'<table id="T_(\w+)"', shown(table)) for table in (plain, marked)]
    assert [len(found) for found in names] == [1, 1]
    assert names[0] != names[1]  # else both would be marked
    assert 'id="T_mine"' in plain.to_html(table_uuid="mine")


def test_numbers_have_their_digits_and_thousands_apart() -> None:
    page = tables.style_table(frame(), precision=2).to_html()
    for text in ("1,234.57", "10,000", "nan"):
        assert f">{text}</td>" in page
    assert "<th" not in re.sub("<thead>.*</thead>", "", page, flags=re.DOTALL)  # no row labels


def test_columns_of_text_are_aligned_left_and_numbers_are_not() -> None:
    page = tables.style_table(frame()).to_html()
    style = re.search("<style.*?>(.*?)</style>", page, re.DOTALL)
    assert style
    left = set(re.findall(r"(t[hd]\.col\d)\b", style[1]))
    assert left == {"th.col0", "td.col0"}


def test_labels_of_several_rows_and_columns_go_over_them() -> None:
    labels = pd.MultiIndex.from_product([["a", "b"], ["x", "y"]])
    page = tables.style_table(pd.DataFrame(1, labels, labels), index=True).to_html()
    assert page.count('rowspan="2"') == 2
    assert page.count('colspan="2"') == 2


def test_web_addresses_become_links_and_nothing_else_does() -> None:
    page = tables.style_table(frame(), links=[EVIL]).to_html()
    assert re.findall('href="(.*?)"', page) == [f"https://x.example/{SHOWN}"]
    assert f">javascript:{SHOWN}</td>" in page


def test_html_that_was_escaped_stays() -> None:
    page = tables.style_table(frame()).format(lambda _: Markup("<b>{}</b>").format(EVIL)).to_html()
    assert page.count(f"<b>{SHOWN}</b>") == 9
