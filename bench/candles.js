// The board of prices, liq's own and in three libraries, for bench/candles.py: candles, bubbles, sums
// by price, net and a crosshair. Each function returns one that redraws with other data.

const SIZE = { width: 1280, height: 560 };
const [PANEL, WIDTH] = [400, 1080]; // of the candles, in the drawings by hand
const CARD = "#161b22", TEXT = "#e6edf3", NET = "#f0e442";
const SIDES = { long: "#e8702a", short: "#56b4e9" };

/** Draw bubbles and sums by price on a canvas, whose pixels `x` and `y` return. */
function drawLiquidations(context, { bubbles, sums }, x, y, right) {
  const largest = Math.max(...bubbles.map(({ usd }) => usd));
  context.lineWidth = 1;
  for (const { ts, price, usd, side } of bubbles) {
    context.beginPath();
    context.arc(x(ts), y(price), Math.max(1, 20 * Math.sqrt(usd / largest)), 0, 2 * Math.PI);
    context.fillStyle = SIDES[side] + "8c";
    context.strokeStyle = SIDES[side];
    context.fill();
    context.stroke();
  }
  const most = Math.max(...sums.map(({ long, short }) => long + short));
  for (const { low, high, long, short } of sums) {
    const [top, height] = [y(high), Math.max(1, 0.9 * (y(low) - y(high)))];
    let left = right;
    for (const [side, usd] of [["long", long], ["short", short]]) {
      context.fillStyle = SIDES[side];
      context.fillRect(left, top, (150 * usd) / most, height);
      left += (150 * usd) / most;
    }
  }
}

/** liq's own, with its legend, badge and hover text. */
function board(element) {
  Object.assign(element.style, { position: "relative", width: `${SIZE.width}px`, height: `${SIZE.height}px` });
  const chart = document.createElement("div");
  chart.className = "liq-plot liq-price-plot";
  chart.setAttribute("aria-label", "Price: of the benchmark"); // its tools have its name
  element.append(chart);
  const drawn = new Board(uPlot, chart, () => {});
  return ({ spec }) => drawn.draw(spec);
}

function plotly(element) {
  return ({ spec }) => Plotly.react(element, spec.data.map(unpack), { ...spec.layout, ...SIZE });
}

function lightweight(element) {
  const chart = LightweightCharts.createChart(element, {
    ...SIZE,
    layout: { background: { color: CARD }, textColor: TEXT },
    timeScale: { timeVisible: true, rightOffset: 12 },
  });
  const candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
    upColor: CARD, downColor: TEXT, borderColor: TEXT, wickColor: TEXT,
  });
  const net = chart.addSeries(LightweightCharts.LineSeries, { color: NET, lineType: 1 }, 1);
  let shown, update;
  candles.attachPrimitive({
    attached: ({ requestUpdate }) => (update = requestUpdate),
    paneViews: () => [{ renderer: () => ({ draw: (target) => target.useMediaCoordinateSpace(
      ({ context }) => shown && drawLiquidations(
        context, shown,
        (ts) => chart.timeScale().timeToCoordinate(ts / 1000),
        (price) => candles.priceToCoordinate(price),
        WIDTH,
      ),
    ) }) }],
  });
  return ({ frame }) => {
    shown = frame;
    const rows = frame.ts.map((ts, at) => ({
      time: ts / 1000, open: frame.open[at], high: frame.high[at], low: frame.low[at], close: frame.close[at],
    }));
    candles.setData(rows);
    net.setData(frame.ts.map((ts, at) => ({ time: ts / 1000, value: frame.net[at] })));
    update?.();
  };
}

function uplot(element) {
  let shown;
  const draw = (plot) => {
    const { ctx } = plot;
    const x = (ts) => plot.valToPos(ts / 1000, "x", true);
    const y = (price) => plot.valToPos(price, "y", true);
    const [times, opens, highs, lows, closes] = plot.data;
    const width = 0.6 * (x(60_000) - x(0));
    ctx.strokeStyle = TEXT;
    times.forEach((time, at) => {
      const middle = plot.valToPos(time, "x", true);
      const [open, close] = [y(opens[at]), y(closes[at])];
      ctx.beginPath();
      ctx.moveTo(middle, y(highs[at]));
      ctx.lineTo(middle, y(lows[at]));
      ctx.stroke();
      ctx.fillStyle = close < open ? CARD : TEXT;
      ctx.fillRect(middle - width / 2, Math.min(open, close), width, Math.abs(open - close) || 1);
      ctx.strokeRect(middle - width / 2, Math.min(open, close), width, Math.abs(open - close) || 1);
    });
    if (shown) drawLiquidations(ctx, shown, x, y, plot.bbox.left + plot.bbox.width - 150);
  };
  const axis = { stroke: TEXT, grid: { stroke: "#2a313b" } };
  const hidden = (label) => ({ label, paths: () => null, points: { show: false } });
  const common = { width: SIZE.width, axes: [axis, axis], cursor: { sync: { key: "board" } } };
  const candles = new uPlot({
    ...common, height: PANEL, hooks: { draw: [draw] },
    series: [{}, ...["open", "high", "low", "close"].map(hidden)],
  }, null, element);
  const net = new uPlot({
    ...common, height: SIZE.height - PANEL, series: [{}, { label: "net", stroke: NET }],
  }, null, element);
  return ({ frame }) => {
    shown = frame;
    const times = frame.ts.map((ts) => ts / 1000);
    candles.setData([times, frame.open, frame.high, frame.low, frame.close]);
    net.setData([times, frame.net]);
  };
}

/** Redraw with each of `updates`; return the milliseconds from each to its second frame. */
async function redraw(draw, updates) {
  const took = [];
  for (const update of updates) {
    const begun = performance.now();
    await draw(JSON.parse(update));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    took.push(performance.now() - begun);
  }
  return took;
}
