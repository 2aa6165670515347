// Shows HTML that the kernel has escaped. Reports the row that was picked and the link to a place of
// the dashboard that was followed, which then needs no new page.

function render({ model, el }) {
  const draw = () => (el.innerHTML = model.get("html"));
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
