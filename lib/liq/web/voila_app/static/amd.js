// A minimal AMD loader for the widget libraries; the script tag of each library names its module.
window.amd = { module: { uri: document.currentScript.src } };
window.define = (needs, factory) => {
  amd[document.currentScript.dataset.module] = factory(...needs.map((name) => amd[name]));
};
// ipywidgets' bundle registers itself in the classic notebook; this stub accepts every call
const nothing = new Proxy(() => nothing, { get: () => nothing });
window.Jupyter = { version: "6.5.0" };
window.requirejs = Object.assign((_names, then) => then?.(nothing, nothing, nothing), { config() {} });
// anywidget gives up on a widget's module after 2 s, which a busy machine may exceed
AbortSignal.timeout = () => new AbortController().signal;
