// The filters in use, each with a button that removes it, and one button that removes all of them.

function render({ model, el }) {
  const box = document.createElement("div");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "filters");
  el.append(box);

  const add = (text, name, message) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", name);
    button.title = name;
    button.dataset.message = JSON.stringify(message);
    button.append(text);
    return button;
  };
  const draw = () => {
    const held = box.contains(document.activeElement) && Array.from(box.children).indexOf(document.activeElement);
    const chips = model.get("chips").map(([field, name, text]) => {
      const chip = add("", `remove ${text}`, { type: "clear", field, name });
      const label = document.createElement("span");
      label.textContent = text;
      const cross = document.createElement("b");
      cross.textContent = "×";
      cross.ariaHidden = true;
      chip.append(label, cross);
      return chip;
    });
    if (chips.length) {
      const clear = add("Clear all", "Clear all filters", { type: "clear all" });
      clear.className = "liq-clear";
      chips.push(clear);
    }
    box.replaceChildren(...chips);
    el.hidden = !chips.length;
    if (held === false) return;
    const next = chips.length ? box.children[Math.min(held, Math.max(chips.length - 2, 0))] : field();
    next?.focus({ preventScroll: true });
  };
  const field = () => el.closest(".liq-root")?.querySelector(".liq-picker input");
  const send = (button) => model.send(JSON.parse(button.dataset.message));
  box.onclick = ({ target }) => {
    const button = target.closest("button");
    if (button) send(button);
  };
  box.onkeydown = (event) => {
    const all = Array.from(box.children);
    const at = all.indexOf(event.target);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) all[at + step]?.focus();
    else if (["Backspace", "Delete"].includes(event.key)) send(event.target);
    else return;
    event.preventDefault();
  };
  model.on("change:chips", draw);
  draw();
  return () => model.off("change:chips", draw);
}

export default { render };
