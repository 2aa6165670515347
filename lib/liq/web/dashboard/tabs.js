// Tabs by the pattern of the ARIA authoring practices: one stop of the Tab key, arrow keys move.

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

function render({ model, el }) {
  const names = model.get("options");
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "boards");
  const choose = (name) => {
    model.set("value", name);
    model.save_changes();
  };
  const tabs = names.map((name) => {
    const tab = document.createElement("button");
    tab.setAttribute("role", "tab");
    tab.textContent = name;
    tab.onclick = () => choose(name);
    return tab;
  });
  list.append(...tabs);
  el.append(list);

  list.onkeydown = (event) => {
    const at = tabs.indexOf(event.target);
    const ends = { Home: 0, End: tabs.length - 1 };
    const next = ends[event.key] ?? (at + STEPS[event.key] + tabs.length) % tabs.length;
    if (at < 0 || !tabs[next]) return; // another key
    event.preventDefault();
    tabs[next].focus();
    choose(names[next]);
  };

  // a phone scrolls them sideways: the chosen one is in view, and an edge fades where there are more
  const fade = () => {
    const { scrollLeft: before, scrollWidth, clientWidth } = list;
    list.classList.toggle("liq-more-before", before > 1);
    list.classList.toggle("liq-more-after", scrollWidth - clientWidth - before > 1);
  };
  const reveal = () => {
    const tab = tabs[names.indexOf(model.get("value"))];
    const [own, all] = [tab, list].map((each) => each?.getBoundingClientRect());
    const isOut = own && (own.left < all.left || own.right > all.right);
    if (isOut) list.scrollLeft += (own.left + own.right - all.left - all.right) / 2;
    fade();
  };
  list.onscroll = fade;
  const size = new ResizeObserver(reveal);
  size.observe(list);

  let isGone = false;
  const nameBoard = () => {
    const board = el.closest(".liq-root")?.querySelector(".liq-page");
    if (!board) return isGone || requestAnimationFrame(nameBoard); // the page is being built
    board.setAttribute("role", "tabpanel");
    board.setAttribute("aria-label", model.get("value"));
    board.ariaBusy = model.get("is_busy");
  };
  const draw = () => {
    tabs.forEach((tab, number) => {
      const isChosen = names[number] === model.get("value");
      tab.setAttribute("aria-selected", isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
    });
    nameBoard();
    reveal();
  };
  model.on("change:value", draw);
  model.on("change:is_busy", nameBoard);
  draw();
  return () => {
    isGone = true;
    size.disconnect();
    model.off("change:value", draw);
    model.off("change:is_busy", nameBoard);
  };
}

export default { render };
