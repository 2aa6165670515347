// Sends the page's address to the kernel, keeps it up to date without a reload, and copies it.
// In JupyterLab it does nothing: the address there belongs to JupyterLab.

function render({ model, el }) {
  const isPage = document.getElementById("liq-page"); // see liq.web.voila_app
  if (!isPage || globalThis.liqAddress) return;
  globalThis.liqAddress = model; // of two dashboards on a page, the first has the address

  const build = () => {
    const query = model.get("query");
    return location.pathname + (query && `?${query}`);
  };
  const write = () => history.replaceState(history.state, "", build() + location.hash);
  model.on("change:query", write);

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

  model.send({ type: "opened", query: location.search.slice(1) });
  return () => {
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
