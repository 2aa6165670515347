// Shows HTML that the kernel has escaped. Reports the row that was picked and the link to a place of
// the dashboard that was followed, which then needs no new page. The focus stays on its row or link.

/** Return what a row or a link keeps from one redraw to the next. */
const nameOf = (element) => element.dataset.key ?? element.getAttribute("href");

function render({ model, el }) {
  const draw = () => {
    const name = el.contains(document.activeElement) && nameOf(document.activeElement);
    el.innerHTML = model.get("html");
    if (!name) return;
    const all = Array.from(el.querySelectorAll("tr[data-key], a[href]"));
    const next = all.find((each) => nameOf(each) === name) ?? all.at(-1); // it has left the table
    next?.focus({ preventScroll: true });
  };
  const pick = ({ target, type, key }) => {
    const row = target.closest("tr[data-key]");
    if (row && (type === "click" || key === "Enter")) model.send({ type: "pick", key: row.dataset.key });
  };
  const follow = (event) => {
    const link = event.target.closest('a[href^="?"]');
    const opensTab = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || opensTab) return;
    event.preventDefault();
    model.send({ type: "follow", query: link.getAttribute("href").slice(1) });
  };
  el.addEventListener("click", follow);
  el.addEventListener("click", pick);
  el.addEventListener("keydown", pick);
  model.on("change:html", draw);
  draw();
  return () => model.off("change:html", draw);
}

export default { render };
