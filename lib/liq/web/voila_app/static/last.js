// Shows the dashboard's last frame, dimmed, while the kernel draws a new one.
//
// A page that closes keeps its frame in this browser alone. The next page with the same address
// shows it in a closed shadow tree: no script and no person can take it for the live page. Without
// a frame the element shows what the template puts into it, the outlines of a dashboard.

(() => {
  const KEY = "liq-last-frame";
  const MOST = 3_000_000; // characters; browsers keep about five million
  const OLDEST_MS = 24 * 3_600_000;

  const CHART = ":is(.main-svg, .uplot)"; // drawn by plotly or uPlot

  // the header says how fresh the page was
  const DIMMED = ".liq-root > * { opacity: .45; } .liq-root :is(.liq-header, .liq-notices) { visibility: hidden; }";

  const address = () => {
    const query = new URLSearchParams(location.search);
    query.delete("token");
    return `${location.pathname}?${query}`;
  };

  /** Return the frame of this address; null if there is none, and where nothing may be stored. */
  function load() {
    try {
      const frame = JSON.parse(localStorage.getItem(KEY));
      const age = Date.now() - frame.time;
      return frame.address === address() && 0 <= age && age < OLDEST_MS ? frame : null;
    } catch {
      return null;
    }
  }

  /** Return a copy of the page as text, with what is chosen in its controls. */
  function copy(root) {
    const clone = root.cloneNode(true);
    const controls = (page) => page.querySelectorAll("select, input");
    const copies = controls(clone);
    controls(root).forEach((control, i) => {
      if (control.type === "password") copies[i].removeAttribute("value");
      else if (control.options) copies[i].options[control.selectedIndex]?.setAttribute("selected", "");
      else copies[i].setAttribute("value", control.value);
    });
    const pictures = clone.querySelectorAll("canvas"); // a copied canvas is empty
    root.querySelectorAll("canvas").forEach((canvas, i) => {
      const picture = Object.assign(new Image(), { src: canvas.toDataURL(), className: "liq-picture" });
      pictures[i].replaceWith(picture);
    });
    clone.querySelectorAll("script, style, iframe, audio").forEach((each) => each.remove());
    return clone.outerHTML;
  }

  const rules = (sheet) => Array.from(sheet.cssRules, (rule) => rule.cssText).join("\n");

  /** Keep the page's frame, if it has drawn one. */
  function keep() {
    const root = document.querySelector(".liq-root");
    if (document.querySelector("liq-last-frame") || !root?.querySelector(CHART)) return;
    const css = [...document.styleSheets, ...document.adoptedStyleSheets].map(rules).join("\n");
    const text = JSON.stringify({ address: address(), time: Date.now(), css, html: copy(root) });
    try {
      if (text.length < MOST) localStorage.setItem(KEY, text);
      else localStorage.removeItem(KEY);
    } catch {
      // nothing may be stored: the next page shows outlines
    }
  }

  class LastFrame extends HTMLElement {
    connectedCallback() {
      document.documentElement.dataset.frame = ""; // see page.css
      const frame = load();
      if (!frame) return;
      const tree = this.attachShadow({ mode: "closed" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(`${frame.css}\n${DIMMED}`);
      tree.adoptedStyleSheets = [sheet];
      tree.innerHTML = frame.html; // scripts in it do not run, and the policy allows no handlers
      const seen = new Date(frame.time);
      const notice = document.getElementById("liq-notice");
      notice.textContent = `Loading. What is dimmed was seen on ${seen.toLocaleString()}.`;
    }

    /** Make way for the page once it has drawn a chart, or says why it has none. */
    async replace() {
      for (let tries = 0; tries < 100 && !document.querySelector(`.liq-root ${CHART}`); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      this.remove();
      delete document.documentElement.dataset.frame;
    }
  }

  customElements.define("liq-last-frame", LastFrame);
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.hidden && keep());
})();
