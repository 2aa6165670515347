// Draws a plotly figure that the kernel sends as plain data.
//
// plotly.js is 4.8 MB, so a page loads it once. The server's template may have set window.Plotly
// while the kernel was starting, to a bundle of 1.3 MB that has the dashboard's traces; otherwise one
// chart requests the source from the kernel.

function plotly(model) {
  if (globalThis.Plotly) return Promise.resolve(globalThis.Plotly);
  globalThis.liqPlotly ??= new Promise((resolve) => {
    const receive = (message, buffers) => {
      if (message.type !== "plotly.js") return;
      model.off("msg:custom", receive);
      new Function(new TextDecoder().decode(buffers[0]))(); // it sets window.Plotly
      resolve(globalThis.Plotly);
    };
    model.on("msg:custom", receive);
    model.send({ type: "plotly.js" });
  });
  return globalThis.liqPlotly;
}

// Charts are drawn one a frame: the first shows before the last is drawn, and clicks are answered
// between them. JupyterLab loads this file once for each chart, so the page keeps the queue.
const queue = (globalThis.liqCharts ??= []);

function enqueue(draw) {
  if (queue.push(draw) === 1) requestAnimationFrame(drawNext);
}

function drawNext() {
  queue.shift()(); // not awaited: a chart that does not end must stop no other
  if (queue.length) requestAnimationFrame(drawNext);
}

let config = null; // one object for all redraws: for another one plotly would drop the zoom

function configure(Plotly) {
  const saveImage = {
    name: "saveImage",
    title: "save the chart as a picture",
    icon: Plotly.Icons.camera,
    click: (chart) => Plotly.downloadImage(chart, { format: "png", filename: namePicture(chart) }),
  };
  config ??= {
    displaylogo: false,
    showTips: false,
    // an explicit list, because plotly's default has a button that uploads the chart to its cloud
    modeBarButtons: [[saveImage, "zoom2d", "pan2d", "resetScale2d"]],
  };
  return config;
}

const nameOf = (chart) => chart.getAttribute("aria-label").split(":")[0];

/** Put the name of the chart into the names of its buttons: all charts have the same ones. */
function nameButtons(chart) {
  for (const each of chart.querySelectorAll(".modebar-btn")) each.ariaLabel = `${nameOf(chart)}: ${each.dataset.title}`;
}

// also in prices.js: JupyterLab loads each of the two files alone
/** Return a picture's name without its ending: the chart, the time that the page shows, its filters. */
function namePicture(chart) {
  const page = chart.closest(".liq-root");
  const chips = Array.from(page?.querySelectorAll(".liq-chips button > span") ?? []);
  const parts = [nameOf(chart), page?.querySelector(".liq-shown"), ...chips].map((part) => part?.textContent ?? part);
  const words = parts.filter(Boolean).map((part) => part.match(/[\p{L}\p{N}.+]+/gu)?.join("-"));
  return words.filter(Boolean).join("_").slice(0, 150);
}

// a finger that drags over a chart scrolls the page, and draws no range
const DRAG = matchMedia("(pointer: coarse)").matches ? { dragmode: false } : {};

/** Return the trace with texts in place of packed times: plotly reads texts as they are. */
function unpack(trace) {
  const packed = Object.entries(trace).filter(([, column]) => column?.times);
  const unpacked = packed.map(([name, { times }]) => [name, readTimes(times)]);
  return { ...trace, ...Object.fromEntries(unpacked) };
}

function readTimes(packed) {
  const bytes = Uint8Array.from(atob(packed), (each) => each.charCodeAt(0));
  return Array.from(new Float64Array(bytes.buffer), (milliseconds) => {
    const moment = new Date(milliseconds);
    return Number.isNaN(+moment) ? null : moment.toISOString().slice(0, -1);
  });
}

const [NARROW_PX, LOW_PX] = [480, 330];
const [LINE_PX, LEGEND_PX, LETTER_PX] = [18, 30, 6];
const BADGE_PX = 110;
const NUMBERS_PX = 44; // of an axis on the right

/** Return the axis with a title of two lines, broken before `text`. */
function breakTitle(axis, text) {
  const title = { ...axis.title, text: axis.title?.text?.replace(text, `<br>${text.trim()}`) };
  return axis.title?.text ? { ...axis, title } : axis;
}

/** Return the layout for a chart of this size. */
function fit(layout, chart) {
  if (!layout.margin) return layout; // not of liq.analysis.charts, which sets it
  if (chart.clientWidth < NARROW_PX) return makeRoom(fitNarrow(layout, chart), chart);
  // charts of a group have the same left edge, however high each is
  const isWide = chart.clientHeight > LOW_PX && !chart.dataset.group;
  return makeRoom(isWide ? layout : { ...layout, ...breakTitles(layout) }, chart);
}

/** Return the layout with the right margin of the chart of the group that has numbers there. */
function makeRoom(layout, chart) {
  if (hasRightAxis(layout)) return layout;
  const { left, width } = chart.getBoundingClientRect();
  const isBelow = (box) => Math.abs(box.left - left) < 1 && Math.abs(box.width - width) < 1;
  const leader = listGroup(chart).find((each) => each.liqRight && isBelow(each.getBoundingClientRect()));
  return leader ? { ...layout, margin: { ...layout.margin, r: leader.liqRight } } : layout;
}

/** Return the charts of the board whose times are one below the other, apart from this one. */
function listGroup(chart) {
  const { group } = chart.dataset;
  const all = group ? chart.closest(".liq-board")?.querySelectorAll(`.liq-plot[data-group="${group}"]`) : [];
  return Array.from(all ?? []).filter((each) => each !== chart);
}

/** Have the others of the group follow a chart whose numbers on the right took another width. */
function leadGroup(chart, layout) {
  const area = chart.querySelector(".nsewdrag");
  const room = area && chart.getBoundingClientRect().right - area.getBoundingClientRect().right;
  const right = hasRightAxis(layout) ? room : null;
  if (right === chart.liqRight || Math.abs(right - chart.liqRight) < 0.5) return;
  chart.liqRight = right;
  for (const each of listGroup(chart)) each.dispatchEvent(new Event("liq-room"));
}

const hasRightAxis = (layout) => listAxes(layout).some(([, axis]) => axis.side === "right");
const listAxes = (layout) => Object.entries(layout).filter(([name]) => name.startsWith("yaxis"));

/** Return the y axes with titles of two lines, and the margin that these need. */
function breakTitles(layout) {
  const axes = listAxes(layout);
  const isBroken = axes.some(([, axis]) => axis.title?.text?.includes(" ("));
  const margin = { ...layout.margin, l: layout.margin.l + (isBroken ? LINE_PX : 0) };
  return { ...Object.fromEntries(axes.map(([name, axis]) => [name, breakTitle(axis, " (")])), margin };
}

/** Return the layout with the badge above the legend, and the title of the y axis beside the badge. */
function fitNarrow(layout, { clientWidth, liqLegendPx }) {
  const { axes, notes, margin } = levelTitles(layout, clientWidth);
  const title = layout.legend?.title && { ...layout.legend.title, side: "top" };
  const height = liqLegendPx ?? LEGEND_PX + (title ? LINE_PX : 0);
  const raise = (note) => (note.yanchor === "bottom" ? { ...note, yshift: height } : note);
  const level = layout.xaxis?.type === "date" && { tickangle: 0, nticks: 4 };
  return {
    ...layout,
    ...axes,
    ...(layout.xaxis && { xaxis: { ...breakTitle(layout.xaxis, " shaded"), ...level } }),
    ...(title && { legend: { ...layout.legend, title } }),
    margin: { ...margin, t: margin.t + height },
    annotations: [...(layout.annotations ?? []), ...notes].map(raise),
  };
}

/** Return the y axes without titles, which take a quarter of a phone's width, and a note in their place. */
function levelTitles(layout, width) {
  const axes = listAxes(layout);
  const first = layout.yaxis?.title?.text;
  if (!first || axes.some(([, axis]) => axis.domain)) {
    const { margin, ...broken } = breakTitles(layout); // each panel keeps its own
    return { axes: broken, notes: [], margin };
  }
  const margin = { ...layout.margin, l: layout.margin.l - LINE_PX };
  if (hasRightAxis(layout)) margin.r = NUMBERS_PX; // the legend names its line
  const isLong = first.length * LETTER_PX > width - margin.l - margin.r - BADGE_PX;
  if (isLong) margin.t += LINE_PX;
  const note = {
    text: isLong ? first.replace(" (", "<br>(") : first,
    font: { size: 11 }, align: "left", showarrow: false,
    xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom",
  };
  const untitled = axes.map(([name, axis]) => [name, { ...axis, title: { text: "" } }]);
  return { axes: Object.fromEntries(untitled), notes: [note], margin };
}

/** Draw the figure; once more if its legend has other lines than those that the badge is above. */
async function drawFitted(Plotly, chart, { data, layout }) {
  for (const isLast of [false, true]) {
    const fitted = { autosize: true, ...fit(layout, chart), ...DRAG };
    await Plotly.react(chart, data.map(unpack), fitted, configure(Plotly));
    const height = chart.querySelector(".legend .bg")?.getBoundingClientRect().height;
    const isKnown = !height || Math.abs(height - (chart.liqLegendPx ?? 0)) <= 1;
    if (isLast || isKnown || chart.clientWidth >= NARROW_PX) return;
    chart.liqLegendPx = height;
  }
}

/** Send a time range that the visitor drew; a redraw changes no range. */
function sendRange(model, change) {
  const [from, to] = [0, 1].map((end) => change[`xaxis.range[${end}]`]);
  if (from === undefined || to === undefined) return;
  model.send({ type: "brush", from: time(from), to: time(to) });
}

/** Return the clicked point: where one tooltip has all bars of a stack, plotly reports all of them. */
function findClicked({ points, yPixel }) {
  const stack = points.filter(({ data }) => data.type === "bar" && data.orientation !== "h");
  if (stack.length < 2) return points[0];
  const { yaxis } = points[0];
  const height = yaxis.p2d(yPixel - yaxis._offset);
  let top = 0;
  const isBelow = ({ y }) => height <= (top += Number(y));
  return stack.sort((one, other) => one.curveNumber - other.curveNumber).find(isBelow) ?? points[0];
}

/** Send the filter or the link of a clicked mark: a trace's meta names the filter, its customdata the name. */
function sendPick(model, point) {
  const { meta, ids } = point.data;
  const link = Array.isArray(ids) && ids[point.pointNumber];
  if (link) return model.send({ type: "follow", query: link.slice(1) });
  const name = meta?.filter && String(meta.name ?? point.customdata ?? "");
  if (name) model.send({ type: "filter", field: meta.filter, name }); // a sum of others has none
}

const isClickable = ({ meta, ids }) => Boolean(ids || meta?.filter);

const time = (text) => Date.parse(`${String(text).replace(" ", "T")}Z`); // plotly's dates have no time zone

function render({ model, el }) {
  const chart = document.createElement("div");
  chart.className = "liq-plot";
  if (model.get("group")) chart.dataset.group = model.get("group");
  el.append(chart);
  let waiting = false;
  let gone = false;

  const draw = () => {
    if (waiting) return; // its turn draws the newest spec
    waiting = true;
    enqueue(async () => {
      const Plotly = await plotly(model);
      waiting = false;
      if (gone) return;
      const spec = model.get("spec");
      await drawFitted(Plotly, chart, spec);
      if (!waiting) chart.classList.remove("liq-undrawn");
      leadGroup(chart, spec.layout);
      chart.classList.toggle("liq-clickable", spec.data.some(isClickable));
      if (!chart.liqPick) {
        chart.liqPick = true;
        chart.on("plotly_click", (click) => sendPick(model, findClicked(click)));
      }
      for (const picture of chart.querySelectorAll(".main-svg")) picture.ariaHidden = true;
      nameButtons(chart);
      if (model.get("brush") && !chart.liqBrush) {
        chart.liqBrush = true;
        chart.on("plotly_relayout", (change) => sendRange(model, change));
        chart.on("plotly_doubleclick", () => model.send({ type: "unbrush" }));
      }
    });
  };

  // the page is no longer marked when the last of its charts has its turn
  const receive = () => {
    if (chart.closest(".liq-awaiting")) chart.classList.add("liq-undrawn");
    draw();
  };

  // a screen reader speaks the sentence in place of the picture's scattered texts
  chart.setAttribute("role", "figure");
  const name = () => {
    chart.setAttribute("aria-label", model.get("label"));
    nameButtons(chart);
  };
  model.on("change:label", name);
  name();
  model.on("change:spec", receive);
  // a drawn range that is not taken
  const undo = ({ type }) => {
    if (type === "undo") globalThis.Plotly?.relayout(chart, { "xaxis.range": [...model.get("spec").layout.xaxis.range] });
  };
  model.on("msg:custom", undo);
  chart.addEventListener("liq-room", draw);
  // margins and titles depend on the size, so that plotly's own resizing is not enough
  const size = new ResizeObserver(() => chart.clientWidth && draw());
  size.observe(chart);
  draw();
  return () => {
    gone = true;
    size.disconnect();
    model.off("change:label", name);
    model.off("change:spec", receive);
    model.off("msg:custom", undo);
    globalThis.Plotly?.purge(chart);
  };
}

export default { render };
