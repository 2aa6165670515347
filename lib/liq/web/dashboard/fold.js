// A button that shows and hides the page's controls. Wide screens show them always: see style.css.

function render({ model, el }) {
  const button = document.createElement("button");
  button.textContent = model.get("label");
  const open = (isOpen) => {
    button.setAttribute("aria-expanded", isOpen);
    el.closest(".liq-root")?.classList.toggle("liq-open", isOpen);
  };
  button.onclick = () => open(button.getAttribute("aria-expanded") !== "true");
  open(false);
  el.append(button);
}

export default { render };
