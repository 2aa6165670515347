// Tells the kernel that somebody looks at the page: at once, then every few seconds while it shows.
// And that the page shows what came: the kernel counts up, the page answers when it has painted.

const BEAT_MS = 5000; // the kernel's patience is thrice as long

function render({ model }) {
  const beat = () => {
    if (document.visibilityState === "visible") model.send({ type: "here" });
  };
  // charts draw in the next frame; the one after begins when that is painted
  const painted = () =>
    requestAnimationFrame(() =>
      requestAnimationFrame(() => model.send({ type: "painted", sent: model.get("sent") })),
    );
  const timer = setInterval(beat, BEAT_MS);
  document.addEventListener("visibilitychange", beat);
  model.on("change:sent", painted);
  beat();
  painted(); // who shows the widget anew shows all that was sent
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", beat);
    model.off("change:sent", painted);
  };
}

export default { render };
