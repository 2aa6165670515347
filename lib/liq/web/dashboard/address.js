// Sends the page's address to the kernel, keeps it up to date without a reload, and copies it. The
// browser's Back returns to the time or the board before. In JupyterLab it leaves the address alone,
// which belongs to JupyterLab. Everywhere it reports what the browser prefers.

const STEPS = ["board", "from", "to"]; // a change of one of them can be undone by Back

function render({ model, el }) {
  const light = matchMedia("(prefers-color-scheme: light)");
  const describe = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    model.send({ type: "visitor", zone, theme: light.matches ? "light" : "dark" });
  };
  light.addEventListener("change", describe);
  describe();
  const leave = () => light.removeEventListener("change", describe);
  const isPage = document.getElementById("liq-page"); // see liq.web.voila_app
  if (!isPage || globalThis.liqAddress) return leave;
  globalThis.liqAddress = model; // of two dashboards on a page, the first has the address

  const build = () => {
    const query = model.get("query");
    return location.pathname + (query && `?${query}`);
  };
  const write = () => {
    const [now, then] = [model.get("query"), location.search].map((text) => new URLSearchParams(text));
    const isStep = STEPS.some((name) => now.get(name) !== then.get(name));
    // the first query is the reply to "opened": people have changed nothing yet
    const keep = isOpen && isStep ? "pushState" : "replaceState";
    isOpen = true;
    history[keep](history.state, "", build() + location.hash);
  };
  const open = () => model.send({ type: "opened", query: location.search.slice(1) });
  let isOpen = !location.search;
  model.on("change:query", write);
  addEventListener("popstate", open);

  const button = document.createElement("button");
  button.textContent = "Copy link";
  button.title = "copy the address of what the page shows";
  const field = document.createElement("input");
  field.readOnly = true;
  field.hidden = true;
  field.setAttribute("aria-label", "link");
  const note = document.createElement("span");
  note.setAttribute("role", "status");
  button.onclick = async () => {
    const url = location.origin + build();
    const isCopied = await copy(url, field);
    note.textContent = isCopied ? "copied" : "press Ctrl+C";
  };
  el.append(button, field, note);

  open();
  return () => {
    leave();
    removeEventListener("popstate", open);
    delete globalThis.liqAddress;
    model.off("change:query", write);
  };
}

/** Copy text; where the browser does not allow it, show the text selected and return false. */
async function copy(text, field) {
  field.hidden = true;
  try {
    await navigator.clipboard.writeText(text); // there is none on plain http from another machine
    return true;
  } catch {
    field.hidden = false;
    field.value = text;
    field.select();
    if (!document.execCommand("copy")) return false;
    field.hidden = true;
    return true;
  }
}

export default { render };
