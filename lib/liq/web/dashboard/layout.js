// Lets people arrange the panels of each board, and show the board alone on a whole screen. The
// arrangement is kept in the browser; the kernel knows nothing of it.

const KEY = "liq-layout";
const COLUMNS = 12;
const LEAVING = ["keydown", "fullscreenchange"]; // events that may end the wall
const [LOWEST, HIGHEST, STEP] = [160, 1200, 80]; // pixels of a panel's height

let memory = "{}"; // for the page's life, where the browser may store nothing

/** Return {board: {order: [panel], sizes: {panel: [columns, height]}, hidden: [panel]}}. */
function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? memory);
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    return JSON.parse(memory);
  }
}

function save(layouts) {
  memory = JSON.stringify(layouts);
  try {
    localStorage.setItem(KEY, memory);
  } catch {
    // the arrangement ends with the page
  }
}

const NAME = /^liq-[a-z-]+$/; // of a board or a panel: its class
const list = (value) => (Array.isArray(value) ? value.filter((name) => NAME.test(name)) : []);
const clamp = (value, least, most) => Math.min(most, Math.max(least, Math.round(value)));
const isOwn = (name) => NAME.test(name) && !["liq-card", "liq-board"].includes(name);
const identify = (element) => Array.from(element.classList).find(isOwn);
const nameOf = (panel) => panel.querySelector("h2")?.firstChild?.textContent ?? identify(panel);
const listPanels = (board) => Array.from(board.children).filter((each) => each.matches(".liq-card"));
const isSize = (size) => Array.isArray(size) && size.length === 2 && size.every(Number.isFinite);

/** Return a valid layout of a board from what is kept; null if nothing is. */
function check(kept) {
  if (!kept || typeof kept !== "object") return null;
  const sizes = Object.entries(kept.sizes ?? {}).filter(([name, size]) => NAME.test(name) && isSize(size));
  return {
    order: list(kept.order),
    hidden: list(kept.hidden),
    sizes: Object.fromEntries(
      sizes.map(([name, [width, height]]) => [name, [clamp(width, 2, COLUMNS), clamp(height, LOWEST, HIGHEST)]]),
    ),
  };
}

/**
 * Return the rules that place a board's panels. A panel that nobody has sized has the columns and the
 * least height of style.css. It grows with its contents, which may come after the panel, and with its
 * row. Once a panel is hidden, the others fill their rows. A narrow window has one column, so no sizes.
 */
function write(board, { order, hidden, sizes }) {
  const grid = `.liq-root .liq-page > .liq-board.${board}`;
  const place = (name) => `${grid} > .${name}`;
  // a tenth of a pixel less: a row of twelve columns must not be too wide by a rounding
  const width = (columns) => `calc(${columns} / ${COLUMNS} * (100% + var(--gap)) - var(--gap) - 0.1px)`;
  const sized = Object.entries(sizes).map(
    ([name, [columns, height]]) =>
      `${place(name)} { flex: 0 0 ${width(columns)}; height: ${height}px; min-height: 0; }
      ${place(name)} > :last-child { flex: 1 1 0; max-height: none; }`, // a longer table scrolls
  );
  return [
    `${grid} { display: flex; flex-flow: row wrap; }`,
    `${grid} > .liq-card { flex: 1 1 100%; min-height: var(--least); }`,
    ...order.map((name, i) => `${place(name)} { order: ${i - order.length}; }`), // newer panels come last
    ...hidden.map((name) => `${place(name)} { display: none; }`),
    "@media (min-width: 901px) {",
    `${grid} > .liq-card { flex: ${hidden.length ? 1 : 0} 1 ${width("var(--columns)")}; }`,
    ...sized,
    "}",
  ].join("\n");
}

/** The panels of the open board, and how they are arranged. */
class Arrangement {
  constructor(board, layout) {
    this.board = board;
    this.panels = new Map(listPanels(board).map((panel) => [identify(panel), panel]));
    const { order = [], sizes = {}, hidden = [] } = layout ?? {};
    const known = order.filter((name) => this.panels.has(name));
    this.order = [...new Set([...known, ...this.panels.keys()])];
    this.hidden = new Set(hidden.filter((name) => this.panels.has(name)));
    this.sizes = Object.fromEntries(Object.entries(sizes).filter(([name]) => this.panels.has(name)));
  }

  measure(panel) {
    const [own, all] = [panel, this.board].map((each) => each.getBoundingClientRect());
    return [clamp((COLUMNS * own.width) / all.width || COLUMNS, 2, COLUMNS), clamp(own.height, LOWEST, HIGHEST)];
  }

  get layout() {
    return { order: this.order, sizes: this.sizes, hidden: [...this.hidden] };
  }

  get shown() {
    return this.order.filter((name) => !this.hidden.has(name));
  }

  /** Move a panel by ``steps`` among those that are shown. */
  move(name, steps) {
    const { shown } = this;
    this.put(name, shown[clamp(shown.indexOf(name) + steps, 0, shown.length - 1)]);
  }

  /** Put a panel where ``target`` is. */
  put(name, target) {
    const place = this.order.indexOf(target);
    this.order = this.order.filter((each) => each !== name);
    this.order.splice(place, 0, name);
  }

  /** Add to a panel's size. A panel that only gets taller keeps its columns, though it has grown. */
  resize(name, columns, height) {
    const panel = this.panels.get(name);
    const [width, tall] = this.sizes[name] ?? this.measure(panel);
    const own = Number(getComputedStyle(panel).getPropertyValue("--columns"));
    const before = columns || this.sizes[name] ? width : own;
    this.sizes[name] = [clamp(before + columns, 2, COLUMNS), clamp(tall + height, LOWEST, HIGHEST)];
  }
}

const NARROW = matchMedia("(max-width: 900px)"); // where panels are in one column, see write()
const ACTIONS = [
  ["◀", "move back", (each, name) => each.move(name, -1)],
  ["▶", "move forward", (each, name) => each.move(name, 1)],
  ["↔+", "wider", (each, name) => each.resize(name, 1, 0)],
  ["↔−", "narrower", (each, name) => each.resize(name, -1, 0)],
  ["↕+", "taller", (each, name) => each.resize(name, 0, STEP)],
  ["↕−", "lower", (each, name) => each.resize(name, 0, -STEP)],
  ["×", "hide", (each, name) => each.hidden.add(name)],
];
const SIZES = ["wider", "narrower", "taller", "lower"];

function button(text, title, act) {
  const made = document.createElement("button");
  made.textContent = text;
  made.title = title;
  made.onclick = act;
  return made;
}

/** What the page's buttons and its boards share. */
class Arranger {
  constructor(root, el) {
    this.root = root;
    this.isOn = false;
    this.first = new WeakMap(); // the panels of each board in the order of the start
    this.toggle = button("Arrange", "move, size and hide the panels of this board", () => this.switch());
    this.toggle.setAttribute("aria-pressed", "false");
    this.reset = button("Reset", "the places and sizes of the start", () => this.forget());
    this.wall = button("Wall", "this board alone, on the whole screen; Escape ends it", () => this.enter());
    this.exit = button("Exit wall", "show the whole page again (Escape)", () => this.leave());
    this.exit.className = "liq-exit"; // the wall hides all other buttons of the page
    root.append(this.exit);
    this.hidden = document.createElement("span");
    this.note = document.createElement("span");
    this.note.className = "liq-spoken";
    this.note.setAttribute("role", "status");
    this.reset.hidden = true;
    el.append(this.toggle, this.reset, this.hidden, this.wall, this.note);
    this.page = root.querySelector(".liq-page");
    this.watch = new MutationObserver(() => this.follow());
    this.watch.observe(this.page, { childList: true });
    this.text = ""; // of the sheet
    this.sheet = new CSSStyleSheet(); // ipywidgets sets the style of an element itself
    document.adoptedStyleSheets.push(this.sheet);
    this.end = (event) => {
      const ends = event.type === "keydown" ? event.key === "Escape" : !document.fullscreenElement;
      if (ends && !this.isForPrint(event)) this.leave();
    };
    for (const type of LEAVING) document.addEventListener(type, this.end);
    this.turn = () => this.place();
    NARROW.addEventListener("change", this.turn); // a tablet is turned
    this.follow();
  }

  /** Place the panels of all boards as they are kept, and follow changes of the open board. */
  place() {
    const layouts = Object.entries(load()).filter(([board]) => NAME.test(board));
    const kept = layouts.map(([board, layout]) => [board, check(layout)]).filter(([, layout]) => layout);
    const text = kept.map(([board, layout]) => write(board, layout)).join("\n");
    if (text !== this.text) this.sheet.replaceSync((this.text = text));
    const board = this.page.querySelector(":scope > .liq-board");
    const layout = board && new Map(kept).get(identify(board));
    this.arrangement = board && (this.isOn || layout) ? new Arrangement(board, layout) : null;
    if (board) this.first.set(board, [...new Set([...(this.first.get(board) ?? []), ...listPanels(board)])]);
    if (layout) this.sort();
    this.decorate();
    this.watch.takeRecords(); // of these changes
  }

  /** Sort the panels in the document too, so that Tab follows the order. */
  sort() {
    const { board, order, panels } = this.arrangement;
    const sorted = order.map((name) => panels.get(name));
    if (sorted.some((panel, i) => board.children[i] !== panel)) board.append(...sorted);
  }

  /**
   * Place another board, whose classes and panels come after it. It ends arranging: ipywidgets inserts
   * the parts of a panel by number, so buttons that are there first would put the heading last.
   */
  follow() {
    for (const board of this.page.children) {
      const options = { attributes: true, attributeFilter: ["class"] };
      this.watch.observe(board, { childList: true, ...options });
      for (const panel of board.children) this.watch.observe(panel, options);
    }
    const hasLeft = this.isOn && !this.arrangement?.board.isConnected;
    if (hasLeft) this.switch();
    else this.place();
  }

  /** Draw the buttons of each panel, and those that show hidden ones, while arranging. */
  decorate() {
    this.root.querySelectorAll(".liq-tools").forEach((each) => each.remove());
    this.hidden.replaceChildren();
    if (!this.isOn || !this.arrangement) return;
    for (const [name, panel] of this.arrangement.panels) {
      panel.prepend(this.build(name, panel));
    }
    for (const name of this.arrangement.hidden) {
      const title = nameOf(this.arrangement.panels.get(name));
      this.hidden.append(button(`Show ${title}`, "", () => this.change(name, "shown", () => this.arrangement.hidden.delete(name))));
    }
  }

  build(name, panel) {
    const tools = document.createElement("div");
    tools.className = "liq-tools";
    tools.draggable = true;
    tools.title = "drag to another panel's place";
    tools.setAttribute("role", "toolbar");
    tools.setAttribute("aria-label", `arrange ${nameOf(panel)}`);
    const useful = ACTIONS.filter(([, title]) => !NARROW.matches || !SIZES.includes(title));
    for (const [text, title, act] of useful) {
      const one = button(text, title, () => this.change(name, title, () => act(this.arrangement, name)));
      one.setAttribute("aria-label", `${nameOf(panel)}: ${title}`); // all panels have the same ones
      tools.append(one);
    }
    if (NARROW.matches) {
      const note = document.createElement("small");
      note.textContent = "sizes are for wider screens";
      tools.append(note);
    }
    tools.ondragstart = (event) => {
      this.dragged = name;
      event.dataTransfer.effectAllowed = "move";
    };
    panel.ondragover = (event) => this.dragged && event.preventDefault();
    panel.ondrop = (event) => {
      event.preventDefault();
      const dragged = this.dragged;
      this.dragged = null;
      if (dragged && dragged !== name) this.change(dragged, "moved", () => this.arrangement.put(dragged, name));
    };
    return tools;
  }

  /** Change one panel, keep the layout, and leave the focus on the button that was pressed. */
  change(name, title, act) {
    act();
    save({ ...load(), [identify(this.arrangement.board)]: this.arrangement.layout });
    this.place();
    const { panels, shown } = this.arrangement;
    const again = panels.get(name).querySelector(`.liq-tools [title="${title}"]`);
    (shown.includes(name) ? again : this.hidden.firstChild)?.focus();
    const place = shown.indexOf(name) + 1;
    this.note.textContent = `${nameOf(panels.get(name))}: ${place ? `${title}, ${place} of ${shown.length}` : "hidden"}`;
  }

  switch() {
    this.isOn = !this.isOn;
    this.toggle.setAttribute("aria-pressed", String(this.isOn));
    this.reset.hidden = !this.isOn;
    this.place();
  }

  forget() {
    const { board } = this.arrangement;
    const { [identify(board)]: _, ...others } = load();
    save(others);
    board.append(...this.first.get(board));
    this.place();
  }

  /** Show the board alone. Where no page may have the whole screen, it fills the window. */
  async enter() {
    this.root.classList.add("liq-wall");
    this.isClosing = false;
    this.exit.focus({ preventScroll: true });
    await this.root.requestFullscreen?.()?.catch(() => {});
  }

  /** Show the whole page again. */
  async leave() {
    if (!this.root.classList.contains("liq-wall")) return;
    const hasFocus = document.activeElement === this.exit; // which is hidden now
    this.root.classList.remove("liq-wall");
    if (hasFocus) this.wall.focus({ preventScroll: true });
    if (document.fullscreenElement === this.root) await document.exitFullscreen().catch(() => {});
  }

  /** Whether Escape closes the details of a print. The browser may leave the whole screen by it too. */
  isForPrint({ type }) {
    const isOpen = Boolean(this.root.querySelector(".liq-inspector:not(.liq-hidden)"));
    const isOurs = isOpen || (type === "fullscreenchange" && this.isClosing);
    this.isClosing = type === "keydown" && isOpen && Boolean(document.fullscreenElement);
    return isOurs;
  }

  remove() {
    this.watch.disconnect();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== this.sheet);
    this.exit.remove();
    NARROW.removeEventListener("change", this.turn);
    for (const type of LEAVING) document.removeEventListener(type, this.end);
  }
}

function render({ el }) {
  let arranger = null;
  let gone = false;
  const begin = () => {
    if (gone) return;
    const root = el.closest(".liq-root"); // none before the page has attached its widgets
    if (root?.querySelector(".liq-page")) arranger = new Arranger(root, el);
    else requestAnimationFrame(begin);
  };
  begin();
  return () => {
    gone = true;
    arranger?.remove();
  };
}

export default { render };
