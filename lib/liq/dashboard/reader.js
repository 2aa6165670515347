// Tells the kernel that somebody looks at the page: at once, then every few seconds while it shows.

const BEAT_MS = 5000; // the kernel's patience is thrice as long

function render({ model }) {
  const beat = () => {
    if (document.visibilityState === "visible") model.send({ type: "here" });
  };
  const timer = setInterval(beat, BEAT_MS);
  document.addEventListener("visibilitychange", beat);
  beat();
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", beat);
  };
}

export default { render };
