// A button that closes the panel around it. Escape closes it too. The focus moves to the button when
// the panel opens, and back to where it was when the panel closes.

const FRAMES = 60; // in which the panel appears

function render({ model, el }) {
  const button = document.createElement("button");
  button.textContent = "Close";
  button.title = "hide the details (Escape)";
  el.append(button);
  let opener = null;
  const panel = () => el.closest(".liq-inspector");

  const focus = (tries) => {
    button.focus({ preventScroll: true }); // does nothing until the panel is visible
    if (document.activeElement !== button && tries) requestAnimationFrame(() => focus(tries - 1));
  };
  const open = (message) => {
    if (message.type !== "open") return;
    if (!panel()?.contains(document.activeElement)) opener = document.activeElement;
    panel()?.setAttribute("role", "dialog");
    panel()?.setAttribute("aria-label", "Details of a print");
    focus(FRAMES);
  };
  const close = () => {
    model.send({ type: "close" });
    find(opener)?.focus({ preventScroll: true });
    opener = null;
  };
  const escape = (event) => {
    const isOpen = panel()?.classList.contains("liq-hidden") === false;
    if (event.key === "Escape" && isOpen) close();
  };
  button.onclick = close;
  document.addEventListener("keydown", escape);
  model.on("msg:custom", open);
  return () => {
    document.removeEventListener("keydown", escape);
    model.off("msg:custom", open);
  };
}

/** Return the element, or the row that has replaced it since: a table is drawn again and again. */
function find(element) {
  const key = element?.dataset?.key;
  if (!key || element.isConnected) return element;
  const rows = Array.from(document.querySelectorAll("tr[data-key]"));
  return rows.find((row) => row.dataset.key === key) ?? rows[0]; // it has left the table
}

export default { render };
