"""The dashboard in Streamlit, over the HTTP API: ``streamlit run dashapp.py`` beside ``liq api``.

It asks for the newest row every second and reads the rest only when that has changed.
"""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from starlette.middleware import Middleware

from liq.analysis import charts
from liq.common import web
from liq.config import settings
from liq.errors import LiqError
from liq.query import coverage
from liq.web.client import ApiClient

EVERY_S = 1
SLIDE_S = 10  # without new rows the window still moves on, this often
INDEX = Path(st.__file__).with_name("static") / "index.html"
POLICY = web.build_policy(
    # Streamlit's page has one inline script, and counts in WebAssembly
    script_src=f"'self' 'wasm-unsafe-eval' {web.allow_scripts(INDEX.read_text())}",
    style_src="'self' 'unsafe-inline'",
    img_src="'self' data: blob:",
    font_src="'self' data:",
    connect_src="'self'",
)
NAMES = ("long", "short", "net", "largest")
FILTERED = ("totals", "top_symbols", "by_exchange", "latest_prints")


@st.cache_resource
def client() -> ApiClient:
    """Return the connections to the API, shared by all visitors."""
    return ApiClient(retries=0)  # the page itself asks again


def hitEndpoint(key: str, /, **params: Any) -> pd.DataFrame:  # noqa: N802 - the original app's name
    """Return the rows of the API's endpoint ``key``."""
    return client().fetch(key, **params)


def frames(bucket: str, filters: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Return all that is drawn; from the session unless something is newer."""
    newest = hitEndpoint("latest_timestamp")
    asked = (newest.to_dict("records"), bucket, filters, int(time.time() // SLIDE_S))
    state = st.session_state
    if state.get("asked") != asked:
        read = {key: hitEndpoint(key, **filters) for key in FILTERED}
        for key in ("liquidations_by_bucket", "cumulative_net"):
            read[key] = hitEndpoint(key, bucket=bucket, **filters)
        for key in ("coverage", "feed_coverage", "sources", "left_out"):  # of all feeds
            read[key] = hitEndpoint(key, window=filters["window"])
        read["latest_timestamp"] = newest
        state.asked, state.read = asked, read
    return dict(state.read)


@st.fragment(run_every=EVERY_S)
def live(bucket: str, filters: dict[str, Any]) -> None:
    """Draw what there is, again and again."""
    try:
        draw(frames(bucket, filters))
    except LiqError as error:
        st.error("Cannot read the data. Trying again.")
        st.text(str(error))  # st.error would take it for Markdown: links, pictures of other hosts


def draw(read: dict[str, pd.DataFrame]) -> None:
    """Draw one reading."""
    newest, totals = read["latest_timestamp"].iloc[0], read["totals"].iloc[0]
    for note in read["totals"].attrs.get("notes", ()):
        st.text(f"Note: {note}")  # as it is: a name is no Markdown
    odd = coverage.describe_left_out(int(read["left_out"]["rows"].sum()))
    when = "none" if pd.isna(newest["ts"]) else f"{newest['ts']:%Y-%m-%d %H:%M:%S.%f} UTC"
    st.caption(f"{newest['rows']:,} rows, newest {when}{odd and f'; {odd}'}")
    gaps, badge = read["coverage"], charts.source_badge(read["sources"])
    if line := coverage.summarise_feeds(read["feed_coverage"]):
        st.text(f"≥ {line}")  # plain text: a feed's name may be anything
    least = {"net": ""} if totals["partial"] or len(gaps) else dict.fromkeys(NAMES, "")
    for column, name in zip(st.columns(len(NAMES)), NAMES, strict=True):
        column.metric(f"{name}, USD", f"{least.get(name, '≥ ')}{totals[f'{name}_usd']:,.0f}")
    theme: charts.ThemeName = "dark" if st.context.theme.type == "dark" else "light"
    show("bars", charts.bars(read["liquidations_by_bucket"], theme, gaps=gaps, badge=badge))
    show("net", charts.cumulative_net(read["cumulative_net"], theme, gaps=gaps, badge=badge))
    left, right = st.columns(2)
    with left:
        show("symbols", charts.top_symbols(read["top_symbols"], theme, gaps=gaps, badge=badge))
    with right:
        show("exchanges", charts.by_exchange(read["by_exchange"], theme, gaps=gaps, badge=badge))
    st.dataframe(read["latest_prints"], hide_index=True)


def show(key: str, figure: Any) -> None:
    """Draw a figure in its own colours, in place of the one before."""
    st.plotly_chart(figure, key=key, theme=None)


def page() -> None:
    """Draw the page, for one visitor."""
    st.set_page_config(page_title="Liquidations", layout="wide")
    st.title("Liquidations")
    with st.sidebar:
        window = st.selectbox("Window", ["15m", "1h", "4h", "1d"], index=1)
        bucket = st.selectbox("Bucket", ["1s", "5s", "30s", "1m", "5m", "15m", "1h"], index=3)
        symbols = st.text_input("Symbols", placeholder="BTCUSDT,ETHUSDT; empty: all")
        least = st.number_input("Min size (USD)", min_value=0.0, step=1000.0)
    live(bucket, {"window": window, "symbols": symbols, "min_notional": least or None})


if __name__ == "__main__":  # Streamlit runs this file as a script, for each visitor
    page()
else:  # and imports it once, to serve it
    app = st.App(
        __file__,
        middleware=[
            Middleware(web.RequestFilter, settings=settings(), content_policy=POLICY),
            *([Middleware(web.TokenLogin, settings=settings())] * settings().is_behind_proxy),
        ],
    )
