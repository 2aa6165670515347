// A field that adds and removes names, or chooses a single one, by the combobox pattern of the ARIA
// authoring practices: type to search, arrow keys move, Enter chooses, Backspace removes the last,
// Escape closes the list. The first option removes all names.

const MOST = 100; // names in the list at once
const ALL = ""; // the name of the option that removes all names
const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

function render({ model, el }) {
  globalThis.liqCount = (globalThis.liqCount ?? 0) + 1; // JupyterLab loads this file for each field
  const id = `liq-picker-${globalThis.liqCount}`;
  const make = (tag, attributes) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const [what, plural, isSingle] = ["label", "plural", "single"].map((trait) => model.get(trait));
  const field = make("input", {
    role: "combobox", "aria-label": what, "aria-expanded": false, "aria-controls": id,
    "aria-autocomplete": "list", autocomplete: "off", spellcheck: false, placeholder: "",
  });
  const list = make("ul", { role: "listbox", id, "aria-label": what, "aria-multiselectable": !isSingle });
  const hint = make("div", { class: "liq-hint" }); // not in the list, which has options alone
  const popup = make("div", { class: "liq-options" });
  popup.append(list, hint);
  popup.hidden = true;
  const note = make("div", { role: "status", class: "liq-spoken" });
  const error = make("div", { role: "alert", class: "liq-error", id: `${id}-error` });
  el.append(field, popup, error, note);
  let active = -1;

  const chosen = () => model.get("value");
  const options = () => Array.from(list.querySelectorAll("[role=option]"));
  const find = () => {
    const text = field.value.trim().toLowerCase();
    const [starts, others] = [[], []];
    for (const [name, group] of model.get("options")) {
      const folded = name.toLowerCase();
      if (folded.startsWith(text) || group.toLowerCase() === text) starts.push([name, group]);
      else if (folded.includes(text)) others.push([name, group]);
    }
    return [...starts, ...others];
  };

  const mark = (next) => {
    const all = options();
    active = all.length ? Math.max(-1, Math.min(next, all.length - 1)) : -1;
    all.forEach((option, number) => option.classList.toggle("liq-active", number === active));
    all[active]?.scrollIntoView({ block: "nearest" });
    if (active < 0) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", all[active].id);
  };
  const draw = () => {
    const names = chosen();
    const shown = names.length === 1 ? names[0] : `${names.length} ${plural}`;
    field.placeholder = names.length ? shown : `all ${plural}`;
    field.title = field.placeholder;
    if (popup.hidden) return;
    const held = options()[active]?.dataset.name; // a redraw keeps what the arrow keys reached
    const scroll = list.scrollTop;
    const found = find();
    const groups = new Map(); // of a name's group, the largest first
    for (const [name, group] of found.slice(0, MOST)) {
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(name);
    }
    const typed = field.value.trim();
    let number = 0;
    const offer = (name, text) => {
      const option = make("li", {
        role: "option", id: `${id}-${(number += 1)}`, "aria-selected": names.includes(name), title: text,
      });
      option.dataset.name = name;
      option.textContent = text;
      return option;
    };
    const all = names.length && !typed ? [offer(ALL, `all ${plural}`)] : [];
    const items = Array.from(groups, ([group, members]) => {
      const box = make("ul", { role: group ? "group" : "presentation" });
      if (group) {
        box.setAttribute("aria-label", group);
        const heading = make("li", { role: "presentation", class: "liq-group" });
        heading.textContent = group;
        box.append(heading);
      }
      box.append(...members.map((name) => offer(name, name)));
      return box;
    });
    const more = found.length - MOST;
    const text = more > 0 ? `${more} more: type to find them`
      : found.length ? ""
      : typed ? `none in view is like “${typed}”; Enter looks in all rows`
      : `no ${plural} in view`;
    hint.textContent = text;
    list.replaceChildren(...all, ...items);
    list.scrollTop = scroll;
    note.textContent = found.length ? `${found.length} found` : text;
    mark(held === undefined ? active : options().findIndex((each) => each.dataset.name === held));
  };
  const open = (isOpen) => {
    popup.hidden = !isOpen;
    field.setAttribute("aria-expanded", isOpen);
    active = -1;
    if (isOpen) draw();
    else {
      list.replaceChildren();
      note.textContent = "";
      mark(-1);
    }
  };
  const set = (names) => {
    model.set("value", names);
    model.save_changes();
  };
  const choose = (name) => {
    const others = chosen().filter((each) => each !== name);
    const isChosen = others.length < chosen().length;
    field.value = "";
    open(false);
    if (name === ALL) set([]);
    else if (isChosen) set(others);
    else set(isSingle ? [name] : [...others, name]);
  };
  const submit = () => {
    const option = options()[active];
    const text = field.value.trim();
    if (option) return choose(option.dataset.name);
    field.value = "";
    open(false);
    if (text) model.send({ type: "typed", text }); // in any case, several with commas between
  };

  const report = (text) => {
    error.textContent = text;
    field.setAttribute("aria-invalid", Boolean(text));
    if (text) field.setAttribute("aria-describedby", error.id);
    else field.removeAttribute("aria-describedby");
  };
  const showError = () => report(model.get("error"));
  const clearError = () => {
    report("");
    if (!model.get("error")) return;
    model.set("error", ""); // another view of the field would show it
    model.save_changes();
  };

  field.oninput = () => {
    clearError();
    open(true);
    list.scrollTop = 0;
  };
  field.onclick = () => open(true);
  field.onblur = () => {
    clearError();
    open(false);
  };
  field.onkeydown = (event) => {
    const { key } = event;
    if (event.isComposing) return;
    if (key in STEPS) {
      event.preventDefault();
      if (popup.hidden) open(true);
      const last = options().length - 1;
      const next = active + STEPS[key];
      mark(active < 0 && STEPS[key] < 0 ? last : next < 0 && active > 0 ? 0 : next);
    } else if (key === "Enter") {
      event.preventDefault();
      submit();
    } else if (key === "Escape" && (!popup.hidden || field.value)) {
      event.stopPropagation(); // an open panel stays open
      if (popup.hidden) field.value = "";
      open(false);
    } else if (key === "Backspace" && !field.value && chosen().length) {
      set(chosen().slice(0, -1));
    }
  };
  popup.onmousedown = (event) => event.preventDefault(); // the field keeps the focus
  list.onclick = ({ target }) => {
    const option = target.closest("[role=option]");
    if (option) choose(option.dataset.name);
  };
  const hasChosen = () => {
    clearError();
    draw();
  };
  model.on("change:value", hasChosen);
  model.on("change:options", draw);
  model.on("change:error", showError);
  showError();
  draw();
  return () => {
    model.off("change:error", showError);
    model.off("change:value", hasChosen);
    model.off("change:options", draw);
  };
}

export default { render };
