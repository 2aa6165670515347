// Draws the notebook's outputs: plotly figures, and widgets of ipywidgets and anywidget.

import { Kernel } from "./kernel.js";
import { OutputModel, OutputView, drawFigure } from "./output.js";

const VIEW = "application/vnd.jupyter.widget-view+json";
const FIGURE = "application/vnd.plotly.v1+json";
const TRIES = 3; // reloads of an incomplete page
const AWAY_MS = 15_000; // a server that is only restarted answers sooner
const AWAY =
  "Connection lost, and the server does not answer. “liq status” shows whether the dashboard runs;" +
  " “liq run” starts it. Then reload the page, if it does not do so itself.";
const { base } = document.documentElement.dataset;
const { kernel: kernelId } = sent("liq-page");
const widgets = window.amd["@jupyter-widgets/base"]; // with controls and output in one bundle
const { JupyterLuminoWidget: Lumino } = widgets;
widgets.load_ipython_extension(); // adds the style sheets

// the bundle's Output needs the classic notebook
const OWN = { OutputModel, OutputView };

/** Return the data that the server sends at the end of a page; {} if the page is incomplete. */
function sent(id) {
  try {
    return JSON.parse(document.getElementById(id).textContent);
  } catch {
    return {};
  }
}

function classOf(name, module) {
  const shipped = module.startsWith("@jupyter-widgets/") ? widgets : window.amd[module];
  const found = (module === "@jupyter-widgets/output" ? OWN : shipped)?.[name];
  if (!found) throw new Error(`this page has no ${name} of ${module}; open the notebook in JupyterLab`);
  return found;
}

// the file, beside liq.web.dashboard.widgets, that has the module of each of its classes
const MODULES = {
  Alarm: "alarm", AmountField: "amount", Announcer: "announce", Chips: "chips", CloseButton: "close",
  Download: "download", Fold: "fold", More: "more", PageAddress: "address", PageHeartbeat: "heartbeat", PageLayout: "layout",
  PickTable: "table", Picker: "picker", Plot: "plot", PricePlot: "prices", RuleForm: "rules",
  SpanForm: "span", Tabs: "tabs", Tape: "tape",
};

/**
 * Have anywidget load a widget's module from this server: the page runs no code from a kernel, and
 * the content security policy blocks it too.
 */
function serveModule(state) {
  const [, kind] = /^liq\.web\.dashboard\.widgets\.(\w+)$/.exec(state._anywidget_id) ?? [];
  const name = new Map(Object.entries(MODULES)).get(kind);
  if (!name) throw new Error(`this page has no ${state._anywidget_id}; open the notebook in JupyterLab`);
  return { ...state, _esm: new URL(`./${name}.js`, import.meta.url).href };
}

/** Keeps a model for every widget of the kernel, and creates their views. */
class WidgetManager {
  constructor() {
    this.models = new Map();
    const origin = location.origin.replace(/^http/, "ws");
    this.kernel = new Kernel(`${origin}${base}kernels/${kernelId}/channels`, {
      onComm: (comm, message) => this.opened(comm, message),
      onLost: lost,
      onError: ({ ename, evalue }) =>
        notify(`This page's kernel raised ${ename}: ${evalue}. Reload the page to get a new kernel.`),
    });
  }

  /** Create the models of all widgets of the kernel. */
  async load() {
    await this.kernel.connected;
    const control = this.kernel.comm("jupyter.widget.control");
    await new Promise((resolve) => {
      control.on_msg(({ content: { data }, buffers }) => {
        data.buffer_paths.forEach(([id, ...path], i) =>
          widgets.put_buffers(data.states[id].state, [path], [buffers[i]]),
        );
        for (const [id, widget] of Object.entries(data.states)) {
          this.add(this.kernel.comm("jupyter.widget", id), widget, widget.state);
        }
        resolve();
      });
      control.open({}, undefined, { version: "1.0.0" });
      control.send({ method: "request_states" });
    });
    control.close();
  }

  opened(comm, { content, buffers }) {
    if (comm.target_name !== "jupyter.widget") return;
    const { state, buffer_paths = [] } = content.data;
    widgets.put_buffers(state, buffer_paths, buffers);
    const { _model_name: model_name, _model_module: model_module } = state;
    this.add(comm, { model_name, model_module }, state);
  }

  add(comm, { model_name, model_module }, state) {
    const build = async () => {
      await null; // until every model of this message has its promise: states refer to each other
      const Model = classOf(model_name, model_module);
      const options = { widget_manager: this, model_id: comm.comm_id, comm };
      const own = model_module === "anywidget" ? serveModule(state) : state;
      const model = new Model(await Model._deserialize_state(own, this), options);
      model.once("comm:close", () => this.models.delete(comm.comm_id));
      return Object.assign(model, { name: model_name, module: model_module });
    };
    this.models.set(comm.comm_id, build());
  }

  // the interface that models and views expect of their manager

  get_model(id) {
    return this.models.get(id) ?? Promise.reject(new Error(`the kernel has no widget ${id}`));
  }

  async create_view(model, options = {}) {
    await model.state_change;
    const View = classOf(model.get("_view_name"), model.get("_view_module"));
    const view = new View({ model, options });
    const id = view.cid;
    model.views[id] = Promise.resolve(view);
    view.listenTo(model, "destroy", view.remove);
    view.once("remove", () => delete model.views?.[id]);
    await view.render();
    return view;
  }

  callbacks() {
    return {};
  }

  inline_sanitize(text) {
    const span = document.createElement("span");
    span.textContent = text;
    return span.innerHTML;
  }
}

async function draw(manager, slot) {
  const { model_id } = JSON.parse(slot.textContent);
  const view = await manager.create_view(await manager.get_model(model_id));
  Lumino.attach(view.luminoWidget, slot.parentElement);
  addEventListener("resize", () => view.luminoWidget.processMessage(Lumino.ResizeMessage.UnknownSize));
}

function notify(text) {
  const notice = document.getElementById("liq-notice");
  notice.textContent = text;
  notice.hidden = !text;
}

/** The kernel has ended: reload the page, which gets a new kernel, when the server responds. */
async function lost(reached) {
  if (leaving) return;
  leaving = true;
  if (!reached) return notify("Cannot connect to the kernel. Does a proxy block websockets?");
  notify("Connection lost. Reconnecting…");
  const announcing = setTimeout(() => notify(AWAY), AWAY_MS);
  await reload();
  clearTimeout(announcing); // the new page may take a while, though its server answers
}

/** The page is incomplete, e.g. since its kernel did not start: reload it with increasing pauses. */
async function retry() {
  const tries = Number(sessionStorage.getItem("liq-tries"));
  if (tries >= TRIES) {
    sessionStorage.removeItem("liq-tries");
    return notify("The page is incomplete. The server's log gives the cause: liq logs dashboard");
  }
  sessionStorage.setItem("liq-tries", tries + 1);
  notify("The page is incomplete. Reloading…");
  await pause(1000 * 2 ** tries);
  await reload();
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function reload() {
  for (;;) {
    await pause(1000);
    const response = await fetch(`${base}health`, { cache: "no-store" }).catch(() => null);
    if (response?.ok) return location.reload();
  }
}

const drawIn = (slot) => drawFigure(JSON.parse(slot.textContent), slot.parentElement);

/** Stop the kernel, which belongs to this page. */
function endKernel() {
  leaving = true;
  const form = new FormData();
  form.append("_xsrf", sent("liq-visit").xsrf);
  // no beacon: without a referrer it has no origin, which the server checks
  fetch(`${base}voila/api/shutdown/${kernelId}`, { method: "POST", body: form, keepalive: true });
}

const slots = (type) => Array.from(document.querySelectorAll(`script[type="${type}"]`));

const page = document.documentElement.dataset; // see page.css

let leaving = false;

async function drawWidgets() {
  if (!slots(VIEW).length) return endKernel(); // the page already has all outputs
  addEventListener("pagehide", endKernel);
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  const manager = new WidgetManager();
  await manager.load();
  await Promise.all(slots(VIEW).map((slot) => draw(manager, slot)));
}

/** Wait for the kernel to draw in the page's theme: it has its own until it knows the browser's. */
async function settleTheme() {
  for (let tries = 0; tries < 20 && !document.querySelector(`.liq-root.liq-${page.theme}`); tries++) await pause(50);
}

/** Give the page around a dashboard its theme; below the last frame it may not be the page's yet. */
function matchTheme() {
  const root = document.querySelector(".liq-root");
  if (!root) return;
  const own = root.classList.contains("liq-light") ? "light" : "dark";
  page.board = "frame" in page ? page.theme : own;
}

/** Match the theme from when a dashboard is drawn, which may be later than the page. */
function followTheme() {
  const seeking = new MutationObserver(() => {
    const root = document.querySelector(".liq-root");
    if (!root) return;
    seeking.disconnect();
    new MutationObserver(matchTheme).observe(root, { attributeFilter: ["class"] });
    matchTheme();
  });
  seeking.observe(document.body, { childList: true, subtree: true, attributeFilter: ["class"] });
}

async function drawAll() {
  followTheme();
  sessionStorage.removeItem("liq-tries");
  await Promise.all([drawWidgets(), ...slots(FIGURE).map(drawIn)]);
  const frame = document.querySelector("liq-last-frame");
  if (frame) await settleTheme();
  await frame?.replace();
  matchTheme();
  notify("");
}

try {
  await (kernelId ? drawAll() : retry());
} catch (error) {
  console.error(error);
  notify(`The page could not be drawn: ${error.message}. Reload it; the browser's console has the details.`);
}
