// Draws the outputs of cells (figures, HTML, pictures, text) and ipywidgets' Output widget.

const FIGURE = "application/vnd.plotly.v1+json";
const VIEW = "application/vnd.jupyter.widget-view+json";
const widgets = window.amd["@jupyter-widgets/base"];

// liq.web.dashboard.widgets awaits this promise before it requests plotly.js from the kernel
window.liqPlotly = new Promise((resolve) => {
  if (window.Plotly) resolve(window.Plotly);
  else document.getElementById("liq-plotly").addEventListener("load", () => resolve(window.Plotly));
});

// the same as in liq.web.dashboard.widgets: no button uploads a chart to another host
const CONFIG = {
  responsive: true,
  displaylogo: false,
  showTips: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

// the traces in plotly-finance.min.js, a quarter of plotly.js, which the live dashboard loads
const FINANCE = new Set([
  "bar", "candlestick", "funnel", "funnelarea", "histogram", "indicator", "ohlc", "pie", "scatter", "waterfall",
]);
let whole;

/** Return plotly.js, and load all of it for traces that the page's bundle lacks. */
async function loadPlotly(data) {
  const Plotly = await window.liqPlotly;
  const { dataset } = document.getElementById("liq-plotly");
  if (!dataset.whole || data.every(({ type = "scatter" }) => FINANCE.has(type))) return Plotly;
  whole ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: dataset.whole, onload: () => resolve(window.Plotly), onerror: reject });
    document.head.append(script);
  });
  return whole;
}

/** Draw plotly's figure in an element. */
export async function drawFigure({ data, layout, frames }, el) {
  const Plotly = await loadPlotly(data);
  await Plotly.newPlot(el, { data, layout, frames, config: CONFIG });
}

/** Stores outputs, and receives the outputs of the request `msg_id`. */
export class OutputModel extends widgets.DOMWidgetModel {
  defaults() {
    const module = "@jupyter-widgets/output";
    const names = { _model_name: "OutputModel", _view_name: "OutputView", _model_module: module, _view_module: module };
    return { ...super.defaults(), ...names, msg_id: "", outputs: [] };
  }
  initialize(attributes, options) {
    super.initialize(attributes, options);
    const { kernel } = this.comm;
    this.listenTo(this, "change:msg_id", () => {
      kernel.captures.delete(this.previous("msg_id"));
      if (this.get("msg_id")) kernel.captures.set(this.get("msg_id"), (message) => this.take(message));
    });
  }
  take({ header: { msg_type }, content }) {
    const clear = msg_type === "clear_output";
    const kept = this.clearing || (clear && !content.wait) ? [] : this.get("outputs");
    this.clearing = clear && content.wait;
    this.set("outputs", clear ? kept : [...kept, { output_type: msg_type, ...content }]);
  }
}

export class OutputView extends widgets.DOMWidgetView {
  render() {
    super.render();
    this.listenTo(this.model, "change:outputs", this.draw);
    return this.draw();
  }
  async draw() {
    const drawn = await Promise.all(this.model.get("outputs").map((output) => this.element(output)));
    this.el.replaceChildren(...drawn);
  }
  async element({ output_type, data = {}, text, traceback }) {
    const el = document.createElement("div");
    if (output_type === "stream" || output_type === "error") el.append(pre(text ?? traceback.join("\n")));
    else if (data[VIEW]) await this.widget(data[VIEW].model_id, el);
    else if (data[FIGURE]) await drawFigure(data[FIGURE], el);
    else if (data["text/html"]) el.innerHTML = data["text/html"];
    else if (data["image/png"]) el.append(picture(data["image/png"]));
    else el.append(pre(data["text/plain"] ?? ""));
    el.className = "jp-RenderedHTMLCommon";
    return el;
  }
  async widget(id, el) {
    const manager = this.model.widget_manager;
    const view = await manager.create_view(await manager.get_model(id));
    el.append(view.el);
  }
}

function picture(png) {
  const el = document.createElement("img");
  el.src = `data:image/png;base64,${png}`;
  el.alt = "";
  return el;
}

function pre(text) {
  const el = document.createElement("pre");
  el.textContent = text.replace(/\x1b\[[0-9;]*m/g, ""); // a terminal's colours
  return el;
}
