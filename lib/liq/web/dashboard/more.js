// A button that shows the notices of the page in full. Each has one line, so that no notice moves the
// charts; where all of them fit, there is no button. A phone has room for one: it shows the state in the
// header alone if there is another notice.

const NOTICES = ".liq-notice, .liq-fault p";
const INVALID = ".liq-lost .liq-notices"; // hidden while the kernel is lost, see style.css

const isCut = (each) =>
  !each.checkVisibility() || each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1;

function render({ el }) {
  const button = document.createElement("button");
  button.hidden = true;
  el.append(button);
  let strip, chips;

  const open = (isOpen) => {
    strip.classList.toggle("liq-unfolded", isOpen);
    button.setAttribute("aria-expanded", isOpen);
    button.textContent = isOpen ? "Less" : "More";
    button.title = isOpen ? "one line for each notice" : "show the notices in full";
  };
  const check = () => {
    const all = Array.from(strip.querySelectorAll(NOTICES));
    const notices = all.filter((each) => each.textContent && !each.closest(INVALID));
    const others = notices.filter((each) => !each.closest(".liq-notices"));
    strip.dataset.count = others.length || notices.length; // that a phone shows
    strip.classList.toggle("liq-others", others.length > 0);
    strip.parentElement.classList.toggle("liq-blank", !notices.length && chips.hidden);
    const isOpen = strip.classList.contains("liq-unfolded");
    if (isOpen && notices.length) return;
    if (isOpen) open(false); // not each time: it changes a text, which is what is observed
    const hasFocus = document.activeElement === button;
    button.hidden = true; // it takes room
    const cut = notices.filter(isCut);
    button.hidden = !cut.length;
    if (hasFocus && !button.hidden) button.focus({ preventScroll: true });
    for (const each of notices) each.title = each.textContent.trim();
  };
  button.onclick = () => {
    open(button.getAttribute("aria-expanded") !== "true");
    check();
  };

  const size = new ResizeObserver(check);
  const text = new MutationObserver(check);
  let isGone = false;
  const begin = () => {
    strip = el.closest(".liq-root .liq-strip"); // none before the page has attached its widgets
    if (!strip) return isGone || requestAnimationFrame(begin);
    chips = strip.parentElement.querySelector(".liq-chips");
    strip.onkeydown = (event) => {
      if (event.key !== "Escape" || !strip.classList.contains("liq-unfolded")) return;
      event.stopPropagation(); // else it would end the wall too
      button.click();
    };
    open(false);
    size.observe(strip);
    text.observe(strip, { childList: true, characterData: true, subtree: true });
    text.observe(chips, { attributeFilter: ["hidden"] });
    text.observe(strip.closest(".liq-root"), { attributeFilter: ["class"] }); // the kernel is lost or back
  };
  begin();
  return () => {
    isGone = true;
    size.disconnect();
    text.disconnect();
  };
}

export default { render };
