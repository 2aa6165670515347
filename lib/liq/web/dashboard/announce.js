// A line that screen readers speak when it changes. It is on the page but not to be seen.

function render({ model, el }) {
  const line = document.createElement("div");
  line.setAttribute("role", "status");
  el.append(line);
  const draw = () => (line.textContent = model.get("text"));
  model.on("change:text", draw);
  draw();
  return () => model.off("change:text", draw);
}

export default { render };
