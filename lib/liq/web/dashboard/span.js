// A form for the start and the end of the window. Redraws leave a field alone while one types.

function render({ model, el }) {
  const form = document.createElement("form");
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
    return { field, end: () => model.off(events, draw) };
  });
  const show = document.createElement("button");
  show.textContent = "Show";
  show.title = "show the time from–to";
  form.append(show);
  form.onsubmit = (event) => {
    event.preventDefault();
    const [start, end] = fields.map(({ field }) => field.value);
    if (form.contains(document.activeElement)) show.focus(); // the fields get what was understood
    model.send({ type: "span", start, end });
  };
  el.append(form);
  return () => fields.forEach(({ end }) => end());
}

export default { render };
