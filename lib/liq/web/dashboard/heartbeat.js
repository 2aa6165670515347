// Sends the kernel a heartbeat while the page is visible or may raise alarms, and reports which
// updates are painted. Receives the kernel's heartbeats. Without them the page says that its data may
// be old.

const BEAT_MS = 5000; // a third of the kernel's timeout
const LOST_MS = 8000; // the kernel sends a heartbeat every second
const CHECK_MS = 1000;

function render({ model, el }) {
  const notice = document.createElement("div");
  notice.className = "liq-notice liq-failed";
  notice.setAttribute("role", "status");
  const seconds = document.createElement("span");
  seconds.ariaHidden = true; // spoken once, and not every second
  notice.append(
    "Not live: no heartbeat from this page's kernel", seconds, ". The page shows older data." +
      " It continues when the kernel responds. “liq status” shows whether the dashboard runs.",
  );
  let received = performance.now();
  let sent = 0;
  // a hidden page goes on for its alarms (alarm.js) and the sounds of its tape (tape.js), though the
  // browser slows its timers down
  const isUsed = () => document.visibilityState === "visible" || globalThis.liqAwake?.size;
  const send = () => {
    if (!isUsed()) return;
    sent = performance.now();
    model.send({ type: "visible" });
  };
  const check = () => {
    if (document.visibilityState !== "visible") return; // the kernel pauses for a hidden page
    const silence = performance.now() - received;
    const lost = silence > LOST_MS;
    el.closest(".liq-root")?.classList.toggle("liq-lost", lost);
    if (!lost) return notice.remove();
    seconds.textContent = ` for ${Math.round(silence / 1000)} s`;
    if (!notice.isConnected) el.append(notice);
  };
  const receive = () => {
    received = performance.now();
    if (received - sent > BEAT_MS) send();
    check();
  };
  // charts draw in the next frame; when the frame after that begins, they are painted
  const reportPainted = () =>
    requestAnimationFrame(() =>
      requestAnimationFrame(() => model.send({ type: "painted", update: model.get("update") })),
    );
  const timers = [setInterval(send, BEAT_MS), setInterval(check, CHECK_MS)];
  document.addEventListener("visibilitychange", send);
  model.on("change:beat", receive);
  model.on("change:update", reportPainted);
  send();
  reportPainted(); // a new view has painted every earlier update
  return () => {
    timers.forEach(clearInterval);
    document.removeEventListener("visibilitychange", send);
    model.off("change:beat", receive);
    model.off("change:update", reportPainted);
  };
}

export default { render };
