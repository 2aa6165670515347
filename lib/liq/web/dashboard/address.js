// Sends the page's address to the kernel, keeps it up to date without a reload, and copies it. The
// browser's Back undoes a change of the board, the time or a filter. In JupyterLab it leaves the
// address alone, which belongs to JupyterLab. Everywhere it reports what the browser prefers.

const LOOKS = ["theme", "zone"]; // Back keeps them

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
  let asked = model.get("answered"); // the number of the last message
  let isOpen = false; // whether the kernel has shown the address with which the page began
  let isNew = false; // whether there is a query that was not written yet
  const write = () => {
    isNew = true;
    // a query that came before the reply belongs to the entry that Back has left
    if (model.get("answered") < asked) return;
    isNew = false;
    const [now, then] = [model.get("query"), location.search].map((text) => new URLSearchParams(text));
    const names = [...now.keys(), ...then.keys()].filter((name) => !LOOKS.includes(name));
    const isStep = names.some((name) => now.get(name) !== then.get(name));
    // the reply to "opened" is no step: people have changed nothing yet
    history[isOpen && isStep ? "pushState" : "replaceState"](history.state, "", build() + location.hash);
  };
  const answer = () => {
    if (isNew) write();
    isOpen ||= model.get("answered") >= asked;
  };
  const ask = (type) => model.send({ type, query: location.search.slice(1), number: ++asked });
  const back = () => ask("returned");
  model.on("change:query", write);
  model.on("change:answered", answer);
  addEventListener("popstate", back);

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

  ask("opened");
  return () => {
    leave();
    removeEventListener("popstate", back);
    delete globalThis.liqAddress;
    model.off("change:query", write);
    model.off("change:answered", answer);
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
