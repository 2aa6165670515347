// The table of alert rules, and a form that writes one. A rule is tried on the past before it can be
// saved; the kernel checks it and writes the file. A form that is open stays so while another board is
// shown.

const FIELDS = [ // name, label, kind or choices, hint
  ["name", "Name", "text", "small letters, digits and _"],
  ["description", "Description", "text", "what the rule is for"],
  ["query", "Query", "queries", ""],
  ["column", "Column", "columns", ""],
  ["aggregate", "Rows", ["any", "sum", "mean", "min", "max", "last", "count"], ""],
  ["is", "Is", [">=", ">", "<=", "<", "==", "!="], ""],
  ["threshold", "Threshold", "number", ""],
  ["window", "Window", "text", "1m, 15m, 1h"],
  ["cool_down", "Cool-down", "text", "5m"],
  ["severity", "Severity", ["info", "warning", "critical"], ""],
  ["message", "Message", "text", "${value:,.0f} within {window}"],
];
const SPANS = ["1d", "3d", "7d"];

const create = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

/** Name a field; the text of a label around a select would have its options too. */
function createLabel(text, field) {
  field.setAttribute("aria-label", text);
  return create("label", {}, create("span", {}, text), field);
}

/** Make the table and the form; a view shows them and passes on what the kernel sends. */
function build(model) {
  const table = create("div", { className: "liq-list" });
  const add = create("button", { type: "button" }, "New rule");
  const form = create("form", { className: "liq-rule-form", hidden: true });
  form.setAttribute("aria-label", "rule");
  const note = create("p", { role: "status" });
  const progress = create("p", { role: "status" }); // of the form: a line above it would move its buttons
  const question = create("p", { hidden: true });
  question.setAttribute("role", "group");
  question.setAttribute("aria-label", "remove a rule");
  let fields = {};
  let params = {}; // the fields of the query's parameters
  let typed = {}; // their values, and those of queries that were chosen before
  let isBusy = false;
  let tried = null; // the fields that were tried last, as text

  const readAll = (those) => Object.fromEntries(Object.entries(those).map(([name, field]) => [name, field.value]));
  const read = () => ({ ...readAll(fields), params: readAll(params) });
  const choose = (select, options) => {
    const { value } = select;
    select.replaceChildren(...options.map(([name, text]) => create("option", { value: name }, text)));
    if (options.some(([name]) => name === value)) select.value = value;
  };
  const listColumns = () => {
    const columns = model.get("catalogue")[fields.query.value] ?? {};
    choose(fields.column, Object.entries(columns).map(([name, unit]) => [name, unit ? `${name} (${unit})` : name]));
  };

  const only = create("fieldset", { className: "liq-params" });
  /** Show a field for each parameter of the query; what was typed stays for each name. */
  const listParams = (values) => {
    typed = { ...typed, ...values };
    const known = model.get("params")[fields.query.value] ?? [];
    params = {};
    const labels = known.map(({ name, kind, choices, usual, hint }) => {
      const field = create(choices.length ? "select" : "input", { title: hint });
      const value = typed[name] ?? "";
      const all = new Set(["", ...choices, value]); // a file may have a choice in another case
      if (choices.length) choose(field, Array.from(all, (each) => [each, each || (usual && `usual: ${usual}`)]));
      else Object.assign(field, { type: kind, placeholder: usual, autocomplete: "off", step: "any" });
      field.value = value;
      params[name] = field;
      return createLabel(name, field);
    });
    only.replaceChildren(create("legend", {}, "Parameters of the query; an empty one has its usual value"), ...labels);
    only.hidden = !known.length;
  };

  /** Return a button of a rule, or the nearest one if the table has lost it. */
  const findButton = (act, name) => {
    const same = Array.from(table.querySelectorAll("[data-act]")).filter((each) => each.dataset.name === name);
    return same.find((each) => each.dataset.act === act) ?? same.at(-1) ?? add;
  };

  const span = create("select", {}, ...SPANS.map((each) => create("option", { value: each }, each)));
  span.setAttribute("aria-label", "how far back");
  const attempt = create("button", { type: "button" }, "Try");
  const save = create("button", { type: "submit" }, "Save");
  const cancel = create("button", { type: "button" }, "Cancel");
  const result = create("div", { className: "liq-tried" });
  result.setAttribute("role", "status");
  const update = () => {
    attempt.disabled = isBusy;
    save.disabled = isBusy || tried !== JSON.stringify(read());
    save.title = save.disabled ? "try the rule first" : "write the rule into the file";
  };
  const open = ({ values, isNew }) => {
    fields = {};
    typed = {};
    const lines = FIELDS.map(([name, label, kind, hint]) => {
      const isChoice = Array.isArray(kind) || kind === "queries" || kind === "columns";
      const field = create(isChoice ? "select" : "input", {});
      if (!isChoice) Object.assign(field, { type: kind, placeholder: hint, autocomplete: "off", step: "any" });
      if (Array.isArray(kind)) choose(field, kind.map((each) => [each, each]));
      fields[name] = field;
      return createLabel(label, field);
    });
    choose(fields.query, Object.keys(model.get("catalogue")).map((name) => [name, name]));
    fields.query.value = values.query;
    listColumns();
    for (const [name, value] of Object.entries(values)) if (fields[name]) fields[name].value = value;
    listParams(values.params);
    fields.name.readOnly = !isNew;
    const findUsual = () => model.get("messages")[fields.query.value]?.[fields.aggregate.value === "any" ? 0 : 1] ?? "";
    let usual = findUsual();
    /** Give the message that fits the query, unless somebody has edited it. */
    const suggest = () => {
      const isUsual = fields.message.value === usual;
      usual = findUsual();
      if (isUsual) fields.message.value = usual;
    };
    fields.query.onchange = () => {
      listColumns();
      listParams(readAll(params));
      suggest();
      update();
    };
    fields.aggregate.onchange = () => {
      suggest();
      update();
    };
    const act = create("div", { className: "liq-act" }, "On the last ", span, attempt, save, cancel, progress);
    result.replaceChildren();
    tried = null;
    const message = lines.pop();
    form.replaceChildren(...lines, only, message, result, act);
    form.hidden = false;
    update();
    (isNew ? fields.name : fields.threshold).focus({ preventScroll: true });
    form.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    form.hidden = true;
    add.focus();
  };

  const say = (text, line) => {
    for (const each of [note, progress]) each.textContent = each === line ? text : "";
    if (line === progress) form.scrollIntoView({ block: "nearest" }); // a long text has lines of its own
  };

  let asked = null;
  const ask = (type, more) => {
    isBusy = true;
    asked = JSON.stringify(read());
    say(type === "try" ? "Trying the rule on the past …" : "", progress);
    update();
    model.send({ type, fields: read(), ...more });
  };
  attempt.onclick = () => ask("try", { window: span.value });
  cancel.onclick = close;
  add.onclick = () => model.send({ type: "new" });
  form.oninput = update;
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!save.disabled) ask("save");
  };
  form.onkeydown = (event) => {
    // Enter in a field submits, but not by a button that is disabled
    if (event.key === "Enter" && event.target.matches("input") && save.disabled) attempt.click();
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  /** Ask once before a rule is removed: nothing else keeps it. */
  const askRemoval = (button) => {
    const { name } = button.dataset;
    const keep = create("button", { type: "button" }, "Keep");
    const remove = create("button", { type: "button" }, "Remove");
    remove.setAttribute("aria-label", `remove ${name} now`);
    const end = () => {
      question.hidden = true;
      findButton("remove", name).focus({ preventScroll: true });
    };
    keep.onclick = end;
    remove.onclick = () => {
      end();
      model.send({ type: "remove", name });
    };
    question.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      end();
    };
    question.replaceChildren(`Remove ${name}? A rule that is muted stays in the file. `, keep, " ", remove);
    question.hidden = false;
    keep.focus();
  };
  table.onclick = ({ target }) => {
    const button = target.closest("[data-act]");
    if (button?.dataset.act === "remove") askRemoval(button);
    else if (button) model.send({ type: button.dataset.act, name: button.dataset.name });
  };
  const receive = (message) => {
    const isOfForm = isBusy && !form.hidden && ["tried", "problem"].includes(message.type);
    say(message.text ?? "", isOfForm ? progress : note);
    isBusy = false;
    if (message.type === "open") open(message);
    if (message.type === "tried") {
      result.innerHTML = model.get("result");
      for (const each of [result, form]) each.scrollIntoView({ block: "nearest" }); // the form has grown
      tried = asked;
    }
    if (message.type === "saved") close();
    update();
  };
  const draw = () => {
    const name = table.contains(document.activeElement) && document.activeElement.dataset;
    table.innerHTML = model.get("html");
    if (name) findButton(name.act, name.name).focus({ preventScroll: true });
  };
  const parts = [table, question, create("p", {}, add), note, form];
  return { parts, draw, receive, isOpen: () => !form.hidden };
}

/** Return the widget of one model. Its views end with their board, so an open form outlives them. */
function define() {
  let kept = null; // what a view with an open form has left
  const missed = []; // messages that came without a view
  const initialize = ({ model }) => {
    model.on("msg:custom", (message) => kept && missed.push(message));
  };
  const render = ({ model, el }) => {
    const made = kept ?? build(model);
    kept = null;
    el.append(...made.parts);
    model.on("change:html", made.draw);
    model.on("msg:custom", made.receive);
    made.draw();
    missed.splice(0).forEach(made.receive);
    return () => {
      model.off("change:html", made.draw);
      model.off("msg:custom", made.receive);
      if (made.isOpen()) kept = made;
    };
  };
  return { initialize, render };
}

export default define;
