// Tells the kernel that somebody looks at the page: at once, then every few seconds while it shows.
// And that the page shows what came: the kernel counts up, the page answers when it has painted.
// The kernel sends signs of life too. A page that gets none says so: what it shows may be old.

const BEAT_MS = 5000; // the kernel's patience is thrice as long
const LOST_MS = 8000; // the kernel beats every second
const LOOK_MS = 1000;

function render({ model, el }) {
  const notice = document.createElement("div");
  notice.className = "liq-notice liq-failed";
  notice.setAttribute("role", "status");
  let heard = performance.now();
  const here = () => {
    if (document.visibilityState === "visible") model.send({ type: "here" });
  };
  const look = () => {
    if (document.visibilityState !== "visible") return; // the kernel rests while nobody looks
    const silence = performance.now() - heard;
    const lost = silence > LOST_MS;
    el.closest(".liq-root")?.classList.toggle("liq-lost", lost);
    if (!lost) return notice.remove();
    const seconds = Math.round(silence / 1000);
    notice.textContent =
      `Not live: no sign of life from this page's kernel for ${seconds} s. What you see is from before.` +
      " The page goes on by itself when the kernel answers. “liq status” shows whether the dashboard runs.";
    el.append(notice);
  };
  const beat = () => {
    heard = performance.now();
    look();
  };
  // charts draw in the next frame; the one after begins when that is painted
  const painted = () =>
    requestAnimationFrame(() =>
      requestAnimationFrame(() => model.send({ type: "painted", sent: model.get("sent") })),
    );
  const timers = [setInterval(here, BEAT_MS), setInterval(look, LOOK_MS)];
  document.addEventListener("visibilitychange", here);
  model.on("change:beat", beat);
  model.on("change:sent", painted);
  here();
  painted(); // who shows the widget anew shows all that was sent
  return () => {
    timers.forEach(clearInterval);
    document.removeEventListener("visibilitychange", here);
    model.off("change:beat", beat);
    model.off("change:sent", painted);
  };
}

export default { render };
