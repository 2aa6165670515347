// A field for an amount of money, with a unit or without. Enter, or leaving the field, sends it. Redraws
// leave the field alone while one types.

function render({ model, el }) {
  globalThis.liqCount = (globalThis.liqCount ?? 0) + 1; // JupyterLab loads this file for each field
  const field = document.createElement("input");
  field.inputMode = "decimal";
  field.autocomplete = "off";
  field.spellcheck = false;
  field.title = "like 100k, 2.5M or 1B";
  field.setAttribute("aria-label", model.get("label"));
  const error = document.createElement("p");
  error.id = `liq-amount-error-${globalThis.liqCount}`;
  error.className = "liq-error";
  error.setAttribute("role", "alert"); // screen readers speak it as it appears
  el.append(field, error);
  let isTyping = false;

  const draw = () => {
    if (!isTyping) field.value = model.get("value");
  };
  const report = () => {
    const text = model.get("error");
    error.textContent = text;
    field.setAttribute("aria-invalid", Boolean(text));
    if (text) field.setAttribute("aria-describedby", error.id);
    else field.removeAttribute("aria-describedby");
  };
  const submit = () => {
    if (!isTyping) return;
    isTyping = false;
    model.send({ type: "typed", text: field.value });
  };
  field.oninput = () => {
    isTyping = true;
    if (!model.get("error")) return;
    model.set("error", "");
    model.save_changes();
  };
  field.onchange = submit;
  field.onkeydown = ({ key }) => {
    if (key === "Enter") submit();
  };
  // a message comes with an unchanged amount too, which replaces what was typed
  model.on("change:value msg:custom", draw);
  model.on("change:error", report);
  draw();
  report();
  return () => {
    model.off("change:value msg:custom", draw);
    model.off("change:error", report);
  };
}

export default { render };
