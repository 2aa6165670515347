// Alerts that reach people who look elsewhere: a sound, a notification of the desktop, and
// a count in the page's title, by severity. All are off until they are asked for, in each browser.
// The tape has its sounds played here too.

const STORE = "liq-alarms";
const SEVERITIES = ["critical", "warning", "info"];
const WAYS = ["sound", "notification", "title"];
const TONES = { info: [440], warning: [660, 660], critical: [880, 660, 880] }; // Hz, one by one
const TONE_S = 0.16;
const MOST = 200; // remembered alerts

/** Return what was asked for; another program, or an older page, may have stored anything. */
function load() {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    // nothing that can be read
  }
  const read = (severity) => WAYS.filter((way) => stored[severity]?.includes?.(way));
  return Object.fromEntries(SEVERITIES.map((severity) => [severity, read(severity)]));
}

function save(chosen) {
  try {
    localStorage.setItem(STORE, JSON.stringify(chosen));
  } catch {
    // a private window: the choice lasts as long as the page
  }
}

let audio = null;

/** Play tones; a browser stays silent until somebody has clicked on the page or typed. */
function play(tones) {
  audio ??= new AudioContext();
  audio.resume();
  tones.forEach((hertz, number) => {
    const [start, tone, gain] = [audio.currentTime + number * TONE_S, audio.createOscillator(), audio.createGain()];
    tone.frequency.value = hertz;
    gain.gain.setValueAtTime(0.2, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + TONE_S); // an abrupt end clicks
    tone.connect(gain).connect(audio.destination);
    tone.start(start);
    tone.stop(start + TONE_S);
  });
}

const create = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

/** Of two dashboards on a page, e.g. in JupyterLab, the first one raises the alarm while it is there. */
function render(widget) {
  const all = (globalThis.liqAlarms ??= []);
  const mine = { install: () => install(widget) };
  const begin = () => {
    if (all.length) all[0].remove ??= all[0].install();
  };
  all.push(mine);
  begin();
  return () => {
    all.splice(all.indexOf(mine), 1);
    mine.remove?.();
    begin();
  };
}

function install({ model, el }) {
  const chosen = load();
  const seen = new Set();
  let isFirst = true; // what was raised before is no news
  let count = 0; // of alerts since somebody last used the page
  let title = "";

  const note = create("p", { role: "status" });
  const say = (text) => (note.textContent = text);
  const summary = create("summary", {});
  const form = create("form", { onsubmit: (event) => event.preventDefault() });
  const menu = create("details", { className: "liq-menu" }, summary, form);

  const mine = Symbol("alarm");
  const isOn = () => SEVERITIES.some((severity) => chosen[severity].length);
  const draw = () => {
    summary.textContent = isOn() ? "Alarms on" : "Alarms off";
    const awake = (globalThis.liqAwake ??= new Set()); // see heartbeat.js: a hidden page goes on too
    awake[isOn() ? "add" : "delete"](mine);
  };
  const permit = async () => {
    if (!globalThis.Notification) return "this browser shows notifications on https pages only";
    const permission = await Notification.requestPermission();
    return permission === "granted" ? "" : "the browser blocks notifications of this page";
  };
  const toggle = async (severity, way, field) => {
    const fault = way === "notification" && field.checked ? await permit() : "";
    say(fault);
    if (fault) field.checked = false;
    chosen[severity] = WAYS.filter((each) => (each === way ? field.checked : chosen[severity].includes(each)));
    save(chosen);
    draw();
    if (way === "sound" && field.checked) play(TONES[severity]);
  };
  const restore = () => {
    if (!count) return;
    count = 0;
    if (document.title.endsWith(title)) document.title = title;
  };
  // the line of alerts sends the kernel what a click on the alert there sends
  const follow = (link) => {
    const line = el.closest(".liq-root")?.querySelector(".liq-recent");
    if (link) line?.dispatchEvent(new CustomEvent("liq-follow", { detail: link }));
  };
  const notify = ({ severity, rule, message, mark, link }) => {
    const text = `${severity}: ${rule}${mark && ` (${mark})`}`;
    const shown = new Notification(text, { body: message, tag: `${rule} ${message}` });
    shown.onclick = () => {
      window.focus();
      follow(link);
      shown.close();
    };
  };
  const raise = (alerts) => {
    const by = (way) => alerts.filter(({ severity }) => chosen[severity]?.includes(way));
    const [loudest] = by("sound").map(({ severity }) => SEVERITIES.indexOf(severity)).sort();
    if (loudest !== undefined) play(TONES[SEVERITIES[loudest]]);
    for (const alert of by("notification")) {
      try {
        notify(alert);
      } catch {
        say("the browser shows no notifications"); // some phones have the class and refuse to use it
      }
    }
    const titled = by("title");
    if (!titled.length) return;
    if (!count) title = document.title;
    count += titled.length;
    document.title = `(${count}) ${titled[0].severity}: ${titled[0].rule} · ${title}`;
  };

  const head = ["", ...WAYS, ""].map((text) => create("th", { scope: "col" }, text));
  const lines = SEVERITIES.map((severity) => {
    const fields = WAYS.map((way) => {
      const field = create("input", { type: "checkbox", checked: chosen[severity].includes(way) });
      field.setAttribute("aria-label", `${way} for ${severity} alerts`);
      field.onchange = () => toggle(severity, way, field);
      return create("td", {}, field);
    });
    const attempt = create("button", { type: "button" }, "Try");
    attempt.setAttribute("aria-label", `try ${severity} alerts`);
    attempt.onclick = () => {
      say(chosen[severity].length ? "" : "choose a way first");
      raise([{ severity, rule: "a try", message: "This is how alerts reach you.", mark: "", link: "" }]);
    };
    return create("tr", {}, create("th", { scope: "row" }, severity), ...fields, create("td", {}, attempt));
  });
  const table = create("table", {}, create("thead", {}, create("tr", {}, ...head)), create("tbody", {}, ...lines));
  const about = create("p", { className: "liq-about" }, "A new alert reaches you in this browser by the ways that you tick here.");
  form.append(about, table, note);
  el.append(menu);

  const receive = () => {
    const fresh = model.get("alerts").filter(({ id }) => !seen.has(id));
    for (const { id } of fresh) seen.add(id);
    for (const id of seen) {
      if (seen.size <= MOST) break;
      seen.delete(id); // the oldest
    }
    if (!isFirst && fresh.length) raise(fresh);
    isFirst &&= !model.get("ready");
  };
  const sound = ({ detail }) => play([detail.hertz]);
  const leave = ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  };
  menu.ontoggle = () => {
    const { left } = menu.getBoundingClientRect();
    menu.classList.toggle("liq-flip", left > innerWidth / 2); // so that it stays on the page
  };
  menu.onkeydown = (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    summary.focus();
  };
  const listeners = { pointerdown: restore, keydown: restore, "liq-sound": sound };
  for (const [event, act] of Object.entries(listeners)) document.addEventListener(event, act);
  document.addEventListener("pointerdown", leave);
  const wake = () => audio?.resume();
  document.addEventListener("pointerdown", wake);
  draw();
  model.on("change:alerts", receive);
  model.on("change:ready", receive);
  receive();
  return () => {
    for (const [event, act] of Object.entries(listeners)) document.removeEventListener(event, act);
    document.removeEventListener("pointerdown", leave);
    document.removeEventListener("pointerdown", wake);
    menu.remove();
    globalThis.liqAwake?.delete(mine);
    model.off("change:alerts", receive);
    model.off("change:ready", receive);
  };
}

export default { render };
