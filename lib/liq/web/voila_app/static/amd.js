// Enough of an AMD loader for the widget libraries: each stands in a script tag that names it.
window.amd = { module: { uri: document.currentScript.src } };
window.define = (needs, factory) => {
  amd[document.currentScript.dataset.module] = factory(...needs.map((name) => amd[name]));
};
// ipywidgets' bundle adds itself to the classic notebook: here is one that takes it all
const nothing = new Proxy(() => nothing, { get: () => nothing });
window.Jupyter = { version: "6.5.0" };
window.requirejs = Object.assign((_names, then) => then?.(nothing, nothing, nothing), { config() {} });
// anywidget gives a widget's module 2 s to load and else never updates the widget, on a busy machine too
AbortSignal.timeout = () => new AbortController().signal;
