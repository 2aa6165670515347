// The tape: rows of single prints, newest first. It holds still while the pointer or the focus is on
// it, and counts what is new. Each browser keeps its own columns, and thresholds with colour and sound.

const STORE = "liq-tape";
const COLUMNS = ["time", "side", "symbol", "size", "price", "exchange", "quantity", "completeness"];
const SIZE = COLUMNS.indexOf("size");
const USUAL = {
  hidden: ["quantity", "completeness"],
  thresholds: [
    { usd: 100_000, colour: "#e69f00", sound: "" },
    { usd: 1_000_000, colour: "#d1495b", sound: "" },
  ],
};
const SOUNDS = { low: 330, middle: 550, high: 880 }; // Hz
const MOST = 6; // thresholds
const [LEAST_DIGITS, MOST_DIGITS] = [2, 7]; // of a size in USD, at the ends of its bar

/** Return what was chosen before; another program, or an older page, may have stored anything. */
function load() {
  try {
    const { hidden, thresholds } = JSON.parse(localStorage.getItem(STORE));
    const known = thresholds
      .map(({ usd, colour, sound }) => ({ usd: Number(usd), colour: String(colour), sound: sound in SOUNDS ? sound : "" }))
      .filter(({ usd, colour }) => usd >= 0 && /^#[0-9a-f]{6}$/i.test(colour));
    return { hidden: COLUMNS.filter((name) => hidden.includes(name)), thresholds: known.slice(0, MOST) };
  } catch {
    return structuredClone(USUAL);
  }
}

function save(chosen) {
  try {
    localStorage.setItem(STORE, JSON.stringify(chosen));
  } catch {
    // a private window: the choice lasts as long as the page
  }
}

const create = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

function render({ model, el }) {
  const chosen = load();
  const news = create("button", { type: "button", className: "liq-new", hidden: true });
  const box = create("div", { className: "liq-rows-box" });
  const form = create("form", {});
  const menu = create("details", { className: "liq-menu" }, create("summary", {}, "Tape settings"), form);
  el.append(create("div", { className: "liq-tape-bar" }, news, menu), box);

  let scope = null; // of the rows that are shown
  let [isHovered, isFocused] = [false, false];
  let current = null; // key of the row that the Tab key reaches
  let unseen = new Set();
  let known = new Set(); // keys of the last redraw that came, shown or not

  const rows = () => Array.from(box.querySelectorAll("tr[data-key]"));
  const parse = () => {
    const drawn = document.createElement("template");
    drawn.innerHTML = model.get("html");
    return Array.from(drawn.content.querySelectorAll("tr[data-key]"));
  };
  const isHeld = () => isHovered || isFocused;
  const reach = (row) => {
    for (const each of rows()) each.tabIndex = each === row ? 0 : -1;
    current = row?.dataset.key;
  };
  const decorate = () => {
    const least = [...chosen.thresholds].sort((one, other) => other.usd - one.usd);
    for (const row of rows()) {
      const usd = Number(row.dataset.usd);
      const found = least.find((each) => usd >= each.usd);
      row.classList.toggle("liq-marked", Boolean(found));
      row.style.setProperty("--mark", found?.colour ?? "transparent");
      const share = (Math.log10(Math.max(usd, 1)) - LEAST_DIGITS) / (MOST_DIGITS - LEAST_DIGITS);
      row.cells[SIZE]?.style.setProperty("--share", `${100 * Math.min(Math.max(share, 0), 1)}%`);
    }
    for (const name of box.querySelectorAll("[data-filter]")) name.tabIndex = -1; // arrows reach it
    for (const row of box.querySelectorAll("tr")) {
      COLUMNS.forEach((name, number) => {
        if (row.cells[number]) row.cells[number].hidden = chosen.hidden.includes(name);
      });
    }
  };
  const sound = (fresh) => {
    const loud = chosen.thresholds.filter((each) => each.sound).sort((one, other) => other.usd - one.usd);
    const [largest] = fresh.map((row) => Number(row.dataset.usd)).sort((one, other) => other - one);
    const found = loud.find((each) => largest >= each.usd);
    if (found) document.dispatchEvent(new CustomEvent("liq-sound", { detail: { hertz: SOUNDS[found.sound] } }));
  };
  const show = () => {
    const focused = box.contains(document.activeElement) ? document.activeElement : null;
    const index = focused ? rows().indexOf(focused.closest("tr")) : -1;
    const button = focused?.dataset.filter;
    box.innerHTML = model.get("html");
    scope = model.get("scope");
    unseen = new Set();
    news.hidden = true;
    decorate();
    const all = rows();
    isFocused = Boolean(focused);
    if (!focused) return reach(all[0]);
    const row = all.find(({ dataset }) => dataset.key === current) ?? all[Math.max(index, 0)] ?? all.at(-1);
    reach(row);
    (row?.querySelector(`[data-filter="${button}"]`) ?? row)?.focus({ preventScroll: true });
  };
  const receive = () => {
    const isSame = scope === model.get("scope"); // else the visitor asked for other rows
    const isShown = !isSame || !isHeld();
    if (isShown) show();
    const all = isShown ? rows() : parse();
    const fresh = all.filter((row) => !known.has(row.dataset.key));
    known = new Set(all.map((row) => row.dataset.key));
    if (isSame && fresh.length) sound(fresh);
    if (isShown) return;
    for (const row of fresh) unseen.add(row.dataset.key);
    news.textContent = `${unseen.size} new`;
    news.title = "show the newest prints";
    news.hidden = !unseen.size;
  };
  const release = () => {
    if (unseen.size && !isHeld()) show();
  };

  el.onpointerenter = () => (isHovered = true);
  el.onpointerleave = () => {
    isHovered = false;
    release();
  };
  const holds = (target) => target === news || box.contains(target);
  el.addEventListener("focusin", ({ target }) => {
    isFocused = holds(target);
    const row = target.closest("tr[data-key]");
    if (row) reach(row);
  });
  el.addEventListener("focusout", ({ relatedTarget }) => {
    isFocused = holds(relatedTarget); // none where the focus leaves the page
    release();
  });
  news.onclick = (event) => {
    show();
    box.scrollTop = 0;
    if (!event.detail) rows()[0]?.focus(); // pressed by a key
  };

  const report = ({ target }) => {
    const name = target.closest("[data-filter]");
    const row = target.closest("tr[data-key]");
    if (name) model.send({ type: "filter", field: name.dataset.filter, name: name.dataset.name });
    else if (row) model.send({ type: "pick", key: row.dataset.key });
  };
  box.onclick = report;
  box.onkeydown = (event) => {
    const row = event.target.closest("tr[data-key]");
    if (!row) return;
    const all = rows();
    const at = all.indexOf(row);
    const names = Array.from(row.querySelectorAll("[data-filter]")).filter((each) => !each.closest("td").hidden);
    const stops = [row, ...names]; // from left to right
    const stop = stops.indexOf(event.target);
    const moves = {
      ArrowDown: () => all[at + 1], ArrowUp: () => all[at - 1], Home: () => all[0], End: () => all.at(-1),
      ArrowRight: () => stops[stop + 1], ArrowLeft: () => stops[stop - 1],
    };
    if (event.key === "Enter" && event.target === row) return report(event);
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]()?.focus();
  };

  const mine = Symbol("tape"); // a page of JupyterLab may have two dashboards
  const stayAwake = (isLoud = chosen.thresholds.some((each) => each.sound)) => {
    const awake = (globalThis.liqAwake ??= new Set()); // see heartbeat.js
    awake[isLoud ? "add" : "delete"](mine);
  };
  const change = () => {
    save(chosen);
    stayAwake();
    decorate();
  };
  const drawForm = () => {
    const columns = COLUMNS.map((name) => {
      const field = create("input", { type: "checkbox", checked: !chosen.hidden.includes(name) });
      field.onchange = () => {
        chosen.hidden = COLUMNS.filter((each) => (each === name ? !field.checked : chosen.hidden.includes(each)));
        change();
      };
      return create("label", {}, field, name);
    });
    const thresholds = chosen.thresholds.map((threshold, number) => {
      const usd = create("input", { type: "number", min: 0, step: "any", value: threshold.usd });
      usd.setAttribute("aria-label", `threshold ${number + 1} in USD`);
      usd.onchange = () => {
        threshold.usd = Math.max(Number(usd.value) || 0, 0);
        usd.value = threshold.usd;
        change();
      };
      const colour = create("input", { type: "color", value: threshold.colour });
      colour.setAttribute("aria-label", `colour of threshold ${number + 1}`);
      colour.oninput = () => {
        threshold.colour = colour.value;
        change();
      };
      const loud = create("select", {}, ...["", ...Object.keys(SOUNDS)].map((name) =>
        create("option", { value: name }, name || "silent")));
      loud.value = threshold.sound;
      loud.setAttribute("aria-label", `sound of threshold ${number + 1}`);
      loud.onchange = () => {
        threshold.sound = loud.value;
        change();
        const hertz = SOUNDS[loud.value];
        if (hertz) document.dispatchEvent(new CustomEvent("liq-sound", { detail: { hertz } }));
      };
      const remove = create("button", { type: "button" }, "×");
      remove.setAttribute("aria-label", `remove threshold ${number + 1}`);
      remove.onclick = () => {
        chosen.thresholds.splice(number, 1);
        change();
        drawForm();
        form.querySelector(".liq-add").focus();
      };
      return create("div", { className: "liq-threshold" }, "from $", usd, colour, loud, remove);
    });
    const add = create("button", { type: "button", className: "liq-add", disabled: chosen.thresholds.length >= MOST }, "Add a threshold");
    add.onclick = () => {
      const usd = 10 * Math.max(0, ...chosen.thresholds.map((each) => each.usd)) || USUAL.thresholds[0].usd;
      chosen.thresholds.push({ usd, colour: USUAL.thresholds[0].colour, sound: "" });
      change();
      drawForm();
      form.querySelector(".liq-threshold:last-of-type input").focus();
    };
    const reset = create("button", { type: "button" }, "Reset");
    reset.onclick = () => {
      Object.assign(chosen, structuredClone(USUAL));
      change();
      drawForm();
    };
    form.replaceChildren(
      create("fieldset", {}, create("legend", {}, "Columns"), ...columns),
      create("fieldset", {}, create("legend", {}, "Thresholds"), ...thresholds, add),
      reset,
    );
  };
  form.onsubmit = (event) => event.preventDefault();
  menu.ontoggle = () => {
    const { left } = menu.getBoundingClientRect();
    menu.classList.toggle("liq-flip", left > innerWidth / 2); // so that it stays on the page
  };
  menu.onkeydown = (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  };
  const leaveMenu = ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  };
  document.addEventListener("pointerdown", leaveMenu);
  drawForm();
  stayAwake();
  model.on("change:html", receive);
  model.on("change:scope", receive);
  receive();
  return () => {
    document.removeEventListener("pointerdown", leaveMenu);
    stayAwake(false);
    model.off("change:html", receive);
    model.off("change:scope", receive);
  };
}

export default { render };
