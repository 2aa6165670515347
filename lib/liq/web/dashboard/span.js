// A form for the start and the end of the window. Redraws leave a field alone while one types.

function render({ model, el }) {
  const form = document.createElement("form");
  const error = document.createElement("p");
  globalThis.liqCount = (globalThis.liqCount ?? 0) + 1; // JupyterLab loads this file for each form
  error.id = `liq-span-error-${globalThis.liqCount}`;
  error.className = "liq-error";
  error.setAttribute("role", "alert"); // screen readers speak it as it appears
  const fields = ["start", "end"].map((name, number) => {
    const field = document.createElement("input");
    field.placeholder = ["2026-03-02 13:00", "now"][number];
    field.title = "a day, a time of today, or both; in the page's time zone unless it names one";
    field.autocomplete = "off";
    field.spellcheck = false;
    const label = document.createElement("label");
    label.append(["From ", "To "][number], field);
    form.append(label);
    const draw = () => {
      if (document.activeElement !== field) field.value = model.get(name);
    };
    // a message comes with an unchanged text too, which replaces what was typed
    const events = `change:${name} msg:custom`;
    model.on(events, draw);
    draw();
    return { name, field, end: () => model.off(events, draw) };
  });
  const report = (errors) => {
    error.textContent = [...new Set(Object.values(errors))].join("; ");
    for (const { name, field } of fields) {
      field.setAttribute("aria-invalid", name in errors);
      if (name in errors) field.setAttribute("aria-describedby", error.id);
      else field.removeAttribute("aria-describedby");
    }
  };
  const showErrors = () => report(model.get("errors"));
  form.oninput = () => {
    report({});
    model.set("errors", {}); // another view of the form would show them
    model.save_changes();
  };
  model.on("change:errors", showErrors);
  const show = document.createElement("button");
  show.textContent = "Show";
  show.title = "show the time from–to";
  form.append(show, error);
  showErrors();
  form.onsubmit = (event) => {
    event.preventDefault();
    const [start, end] = fields.map(({ field }) => field.value);
    if (form.contains(document.activeElement)) show.focus(); // the fields get what was understood
    model.send({ type: "span", start, end });
  };
  el.append(form);
  return () => {
    model.off("change:errors", showErrors);
    fields.forEach(({ end }) => end());
  };
}

export default { render };
