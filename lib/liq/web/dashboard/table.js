// Shows HTML that the kernel has escaped, and reports the row that was picked.

function render({ model, el }) {
  const draw = () => (el.innerHTML = model.get("html"));
  const pick = ({ target, type, key }) => {
    const row = target.closest("tr[data-key]");
    if (row && (type === "click" || key === "Enter")) model.send({ type: "pick", key: row.dataset.key });
  };
  el.addEventListener("click", pick);
  el.addEventListener("keydown", pick);
  model.on("change:html", draw);
  draw();
  return () => model.off("change:html", draw);
}

export default { render };
