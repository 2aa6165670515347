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
    responsive: true,
    displaylogo: false,
    showTips: false,
    // an explicit list, because plotly's default has a button that uploads the chart to its cloud
    modeBarButtons: [[saveImage, "zoom2d", "pan2d", "resetScale2d"]],
  };
  return config;
}

// also in prices.js: JupyterLab loads each of the two files alone
/** Return a picture's name without its ending: the chart, the time that the page shows, its filters. */
function namePicture(chart) {
  const page = chart.closest(".liq-root");
  const [title] = chart.getAttribute("aria-label").split(":");
  const chips = Array.from(page?.querySelectorAll(".liq-chips button > span") ?? []);
  const parts = [title, page?.querySelector(".liq-shown"), ...chips].map((part) => part?.textContent ?? part);
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
const [LINE_PX, LEGEND_PX] = [18, 30];

/** Return the axis with a title of two lines, broken before `text`. */
function breakTitle(axis, text) {
  const title = { ...axis.title, text: axis.title?.text?.replace(text, `<br>${text.trim()}`) };
  return axis.title?.text ? { ...axis, title } : axis;
}

/** Return the layout for a chart of this size. On a narrow one the badge is above the legend. */
function fit(layout, { clientWidth, clientHeight, liqLegendPx }) {
  const isNarrow = clientWidth < NARROW_PX;
  const isOurs = layout.margin; // of liq.analysis.charts, which sets it
  if (!isOurs || (!isNarrow && clientHeight > LOW_PX)) return layout;
  const axes = Object.entries(layout).filter(([name]) => name.startsWith("yaxis"));
  const broken = axes.map(([name, axis]) => [name, breakTitle(axis, " (")]);
  const margin = { ...layout.margin, l: layout.margin.l + LINE_PX };
  const fitted = { ...layout, ...Object.fromEntries(broken), margin };
  if (!isNarrow) return fitted;
  const title = layout.legend?.title && { ...layout.legend.title, side: "top" };
  const height = liqLegendPx ?? LEGEND_PX + (title ? LINE_PX : 0);
  const raise = (note) => (note.yanchor === "bottom" ? { ...note, yshift: height } : note);
  margin.t += height;
  return {
    ...fitted,
    ...(layout.xaxis && { xaxis: breakTitle(layout.xaxis, " shaded") }),
    ...(title && { legend: { ...layout.legend, title } }),
    annotations: layout.annotations?.map(raise),
  };
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
      chart.classList.toggle("liq-clickable", spec.data.some(isClickable));
      if (!chart.liqPick) {
        chart.liqPick = true;
        chart.on("plotly_click", (click) => sendPick(model, findClicked(click)));
      }
      for (const picture of chart.querySelectorAll(".main-svg")) picture.ariaHidden = true;
      if (model.get("brush") && !chart.liqBrush) {
        chart.liqBrush = true;
        chart.on("plotly_relayout", (change) => sendRange(model, change));
        chart.on("plotly_doubleclick", () => model.send({ type: "unbrush" }));
      }
    });
  };

  // a screen reader speaks the sentence in place of the picture's scattered texts
  chart.setAttribute("role", "figure");
  const name = () => chart.setAttribute("aria-label", model.get("label"));
  model.on("change:label", name);
  name();
  model.on("change:spec", draw);
  draw();
  return () => {
    gone = true;
    model.off("change:label", name);
    model.off("change:spec", draw);
    globalThis.Plotly?.purge(chart);
  };
}

export default { render };
