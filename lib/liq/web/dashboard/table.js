// Shows HTML that the kernel has escaped. Reports the name that was chosen as a filter, and the link
// to a place of the dashboard that was followed, which then needs no new page. Another part of the
// page may follow a link by the event liq-follow. The focus stays where it is, and so does what is
// pressed: it would lose its click.

const ENDS = ["pointerup", "pointercancel", "contextmenu", "blur"]; // of a press
const CLICK_MS = 300; // a finger's click comes a while after its release

/** Return what a name or a link keeps from one redraw to the next. */
const nameOf = (element) =>
  element.getAttribute("href") ?? JSON.stringify([element.dataset.filter, element.dataset.name]);

function render({ model, el }) {
  let [isPressed, release, shown] = [false, 0, null];
  const draw = () => {
    if (isPressed || shown === model.get("html")) return;
    shown = model.get("html");
    const name = el.contains(document.activeElement) && nameOf(document.activeElement);
    el.innerHTML = model.get("html");
    if (!name) return;
    const all = Array.from(el.querySelectorAll("[data-filter], a[href]"));
    const next = all.find((each) => nameOf(each) === name) ?? all.at(-1); // it has left the table
    next?.focus({ preventScroll: true });
  };
  const choose = ({ target }) => {
    const name = target.closest("[data-filter]");
    if (name) model.send({ type: "filter", field: name.dataset.filter, name: name.dataset.name });
  };
  const visit = (link) => model.send({ type: "follow", query: link.slice(1) }); // without its ?
  const follow = (event) => {
    const link = event.target.closest('a[href^="?"]');
    const opensTab = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || opensTab) return;
    event.preventDefault();
    visit(link.getAttribute("href"));
  };
  const press = ({ isPrimary, button }) => {
    clearTimeout(release);
    isPressed = isPrimary && !button;
  };
  const free = () => {
    release = setTimeout(() => {
      isPressed = false;
      draw();
    }, CLICK_MS);
  };
  el.addEventListener("pointerdown", press);
  for (const end of ENDS) addEventListener(end, free);
  el.addEventListener("click", follow);
  el.addEventListener("liq-follow", ({ detail }) => visit(detail));
  el.addEventListener("click", choose);
  model.on("change:html", draw);
  draw();
  return () => {
    model.off("change:html", draw);
    clearTimeout(release);
    for (const end of ENDS) removeEventListener(end, free);
  };
}

export default { render };
