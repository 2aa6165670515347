// Draws the board of prices by uPlot: candles with bubbles, sums by price at their right edge, and
// the net below. The kernel sends what create_panels of liq/analysis/charts/prices.py returns.
//
// uPlot has the scales, axes, crosshair and selections. The marks are drawn on its canvases here.
// Times are milliseconds on the clock of the page's zone, as if it were UTC.

/** Return uPlot: a page of liq's server has the file beside this one, others request the source. */
function loadUPlot(model) {
  if (globalThis.uPlot) return Promise.resolve(globalThis.uPlot);
  globalThis.liqUPlot ??= /^https?:/.test(import.meta.url) ? loadFile() : request(model);
  return globalThis.liqUPlot;
}

const ANSWER_MS = 30_000; // for a busy kernel
const REFUSAL_MS = 3_000; // after which a move that the kernel did not follow is undone

function loadFile() {
  return new Promise((resolve, reject) => {
    const src = new URL("./uPlot.iife.min.js", import.meta.url).href;
    const onload = () => resolve(globalThis.uPlot);
    const onerror = () => {
      globalThis.liqUPlot = undefined; // the next update tries again
      reject(new Error("this page cannot load uPlot"));
    };
    document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror }));
  });
}

function request(model) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      model.off("msg:custom", receive);
      globalThis.liqUPlot = undefined; // another chart asks its own kernel
      reject(new Error("the page's kernel sent no uPlot"));
    }, ANSWER_MS);
    const receive = (message, buffers) => {
      if (message.type !== "uPlot.js") return;
      clearTimeout(late);
      model.off("msg:custom", receive);
      resolve(new Function(`${new TextDecoder().decode(buffers[0])}; return uPlot`)());
    };
    model.on("msg:custom", receive);
    model.send({ type: "uPlot.js" });
  });
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28, 91, 364].map((count) => count * DAY),
];
const SIDES = ["long", "short"];
const MARKS = {
  price: ["mark price"], long: ["longs", "liquidated"], short: ["shorts", "liquidated"], net: ["long minus short"],
};
const nameOf = (mark) => MARKS[mark].join(" ");
const FONT = "Inter, system-ui, sans-serif";
const LINE_PX = 14, LETTER_PX = 6.1; // of a text of 11 or 12 px
const TICKS_PX = 52; // left of the panels, at least
const BUBBLE_SHARE = 0.04; // radius of the largest, of the panel's height
const LEAST_BUBBLE_PX = 1;
const BRUSH_PX = 5; // a shorter drag is a click
const ONE_WAY_PX = 30; // a drag that leaves its direction by less is along one axis

const hasFinger = matchMedia("(pointer: coarse)").matches; // it scrolls the page, and draws no range

const round = (value, digits) => value.toLocaleString("en-US", { maximumSignificantDigits: digits });
const dollars = (usd) => `${usd < 0 ? "−" : ""}$${Math.round(Math.abs(usd)).toLocaleString("en-US")}`;
const qualify = (usd, isBound) => (isBound ? "≥\u00a0" : "") + dollars(usd);

/** Return dollars as the other charts' axes do: 250k, 1.5M, 2B. */
function abbreviate(usd) {
  const size = Math.abs(usd);
  const [unit, name] = [[1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([least]) => size >= least) ?? [1, ""];
  return `${usd < 0 ? "−" : ""}${round(size / unit, 3)}${name}`;
}

const clock = (ms, step = SECOND) =>
  new Date(ms).toISOString().slice(11, step >= MINUTE ? 16 : step >= SECOND ? 19 : 23);
const day = (ms) => new Date(ms).toISOString().slice(0, 10);

/** Return labels of times; the first of a day has the day on a second line. */
function labelTimes(times, step) {
  return times.map((ms, at) => {
    const date = day(ms);
    if (step >= DAY) return date;
    return at === 0 || day(times[at - 1]) !== date ? `${clock(ms, step)}\n${date}` : clock(ms, step);
  });
}

function decode(packed) {
  if (typeof packed !== "string") return packed;
  return new Float64Array(Uint8Array.from(atob(packed), (each) => each.charCodeAt(0)).buffer);
}

function readTables(tables) {
  const read = (table) => Object.fromEntries(Object.entries(table).map(([name, column]) => [name, decode(column)]));
  return Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, read(table)]));
}

/** Return lines of a title that fit into `length` pixels, broken before its unit and within. */
function breakTitle(text, length) {
  const ways = [text, text.replace(" (", "\n("), text.replace(" (", "\n(").replace(", ", ",\n")];
  const lines = ways.map((way) => way.split("\n"));
  return lines.find((some) => some.every((line) => line.length * LETTER_PX < length)) ?? lines[2];
}

function create(name, className, ...children) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...children);
  return element;
}

/** Call `move` as the pointer moves anywhere, until its button is released, then `end`. */
function trackPointer(move, end) {
  const release = () => {
    document.removeEventListener("mousemove", move);
    end();
  };
  document.addEventListener("mousemove", move);
  document.addEventListener("mouseup", release, { once: true });
}

/** The panels of one chart. `send` gets messages for the kernel. */
class Board {
  constructor(uPlot, element, send) {
    Object.assign(this, { uPlot, element, send, zoom: {}, hidden: new Set(), moved: 0 });
    this.legend = create("div", "liq-price-legend");
    this.badge = create("span", "liq-price-badge");
    this.tools = create("div", "liq-price-tools");
    this.panels = create("div", "liq-price-panels");
    this.panels.ariaHidden = true; // the figure's name has the numbers
    this.note = create("div", "liq-price-note");
    this.hover = create("div", "liq-price-hover");
    this.hover.hidden = true;
    element.append(create("div", "liq-price-top", this.legend, this.badge, this.tools), this.panels, this.note, this.hover);
    for (const mark of Object.keys(MARKS)) this.legend.append(this.createToggle(mark));
    this.tools.append(
      this.createTool("⇄", "drag to move the window, in place of choosing a part", () => this.toggleMoving(), {
        ariaPressed: "false",
      }),
      this.createTool("⟲", "show all prices again", () => this.reset()),
      this.createTool("⤓", "save the chart as a picture", () => this.save()),
    );
    this.nameTools();
    this.observer = new ResizeObserver(() => this.resize());
  }

  createToggle(mark) {
    const [short, rest] = MARKS[mark];
    const button = create("button", `liq-price-${mark}`, create("i", ""), short);
    if (rest) button.append(create("span", "", ` ${rest}`)); // a phone has no room for it
    button.ariaPressed = "true";
    button.title = "show or hide";
    button.onclick = () => {
      if (!this.hidden.delete(mark)) this.hidden.add(mark);
      button.ariaPressed = String(!this.hidden.has(mark));
      this.redraw();
    };
    return button;
  }

  /** Put the name of the chart, which has the asset and the bucket, into the names of its tools. */
  nameTools() {
    const [name] = this.element.getAttribute("aria-label").split(":");
    for (const each of this.tools.children) each.ariaLabel = `${name}: ${each.title}`;
  }

  createTool(sign, label, act, more = {}) {
    const button = create("button", "", sign);
    Object.assign(button, { title: label, onclick: act, ...more });
    return button;
  }

  /** Draw what the kernel sent; another revision ends a visitor's zoom. */
  draw(spec) {
    if (spec.revision !== this.spec?.revision) this.zoom = {};
    this.spec = { ...spec, ...readTables(spec.tables) };
    if (!this.isHeld) this.moved = 0;
    this.width = spec.width ?? 0;
    const { buckets, sums } = this.spec;
    this.largest = Math.max(1, ...SIDES.flatMap((side) => Array.from(this.spec[side].usd)));
    this.most = Math.max(1, ...Array.from(sums.long, (usd, at) => usd + sums.short[at]));
    const totals = Array.from(buckets.total).filter((each) => !Number.isNaN(each));
    const [least, most] = [Math.min(0, ...totals), Math.max(0, ...totals)];
    const room = 0.05 * (most - least) || 1;
    this.nets = [least && least - room, most || !least ? most + room : 0];
    this.badge.textContent = spec.badge;
    this.note.textContent = spec.empty;
    // without data an axis would show a made-up range
    this.panels.style.visibility = spec.empty && !totals.length ? "hidden" : "";
    for (const [name, colour] of Object.entries(spec.colours)) {
      if (typeof colour === "string") this.element.style.setProperty(`--chart-${name}`, colour);
    }
    if (this.price) {
      this.resize(); // other prices and titles take another width
      this.redraw();
    } else this.build();
  }

  get range() {
    const { range, buckets } = this.spec;
    const { ts } = buckets;
    const [from, to] = range ?? (ts.length ? [ts[0], ts[ts.length - 1] + this.width] : [0, 0]);
    return from < to ? [from + this.moved, to + this.moved] : [from - MINUTE, from + MINUTE];
  }

  get prices() {
    const [low, high] = this.spec.prices;
    return low < high ? [low, high] : [low - 1, high + 1];
  }

  /** Return the pixels of the whole, of the panel below, and of the sums and titles beside them. */
  measure() {
    const { clientWidth: width, clientHeight: height } = this.panels;
    const below = Math.max(120, Math.round(0.28 * height));
    const right = Math.max(72, Math.round(0.13 * width));
    const { titles } = this.spec;
    const lines = Math.max(
      breakTitle(titles.net, below).length, breakTitle(titles.price, height - below).length,
    );
    const longest = Math.max(...this.prices.map((price) => round(price, 7).length));
    const ticks = Math.max(TICKS_PX, Math.ceil(LETTER_PX * longest) + 6);
    return { width, above: Math.max(80, height - below), below, right, left: ticks + LINE_PX * lines + 4 };
  }

  build() {
    this.sizes = this.measure();
    const { uPlot } = this;
    const key = Symbol("board"); // charts of other boards keep their own crosshair
    const colour = (name) => () => this.spec.colours[name];
    const grid = { stroke: colour("grid"), width: 1 };
    const text = { stroke: colour("text"), font: `11px ${FONT}`, ticks: { show: false }, grid };
    const values = (format) => (_plot, splits, _axis, _space, step) => splits.map((each) => format(each, step));
    const create = (height, above, name, range, format, time) => new uPlot({
      width: this.sizes.width,
      height,
      ms: 1,
      padding: [8, () => this.sizes.right + 12, time.values ? 0 : 2, 0],
      legend: { show: false },
      scales: { x: { time: false, range: () => this.range }, [name]: { range: () => this.zoom[name] ?? range() } },
      series: [{}, { scale: name, paths: () => null, points: { show: false } }],
      axes: [
        {
          ...text, space: 76, incrs: STEPS, gap: 4,
          splits: (_plot, _axis, from, to, step) => {
            const first = Math.ceil(from / step) * step;
            return Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, at) => first + at * step);
          },
          ...time,
        },
        { ...text, scale: name, size: () => this.sizes.left, gap: 6, space: 34, values: values(format) },
      ],
      cursor: {
        points: { show: false },
        drag: { x: !hasFinger, y: !hasFinger, uni: ONE_WAY_PX, dist: BRUSH_PX, setScale: false },
        sync: { key, scales: ["x", null] },
        bind: {
          mousedown: (plot, _target, start) => (event) => this.press(plot, event, start),
          // uPlot would extend a drag that slips out above or below to the panel's edge
          mouseleave: (_plot, _target, leave) => (event) => event.buttons & 1 || leave(event),
          dblclick: () => () => {
            this.reset();
            this.send({ type: "unbrush" });
          },
        },
      },
      hooks: {
        drawClear: [(plot) => this.shade(plot)],
        draw: [above],
        setSelect: [(plot) => this.select(plot, name)],
        setCursor: [(plot) => this.point(plot)],
      },
    }, this.data, this.panels);
    this.price = create(
      this.sizes.above, (plot) => this.drawPrices(plot), "price", () => this.prices,
      (price) => (this.spec.empty ? "" : round(price, 7)),
      { values: (_plot, splits) => splits.map(() => ""), size: () => 6 + LINE_PX * (1 + this.sumsTitle.length) },
    );
    this.net = create(
      this.sizes.below, (plot) => this.drawNet(plot), "net", () => this.nets, abbreviate,
      { values: (_plot, splits, _axis, _space, step) => labelTimes(splits, step), size: 36 + LINE_PX },
    );
    this.observer.observe(this.panels);
  }

  get sumsTitle() {
    return breakTitle(this.spec.titles.by_price, this.sizes.right);
  }

  get data() {
    return [this.range, [null, null]]; // the marks are drawn from the spec
  }

  get plots() {
    return this.price ? [this.price, this.net] : [];
  }

  redraw() {
    for (const plot of this.plots) plot.setData(this.data);
    if (this.pointed) this.point(this.pointed);
  }

  resize() {
    const sizes = this.measure();
    if (!sizes.width || JSON.stringify(sizes) === JSON.stringify(this.sizes)) return;
    this.sizes = sizes;
    this.price.setSize({ width: sizes.width, height: sizes.above });
    this.net.setSize({ width: sizes.width, height: sizes.below });
  }

  destroy() {
    this.observer.disconnect();
    for (const plot of this.plots) plot.destroy();
  }

  // what a visitor does

  reset() {
    this.zoom = {};
    this.redraw();
  }

  toggleMoving() {
    const [button] = this.tools.children;
    this.isMoving = !this.isMoving;
    button.ariaPressed = String(this.isMoving);
  }

  /** Begin a selection, or move the window with the pointer. */
  press(plot, event, start) {
    this.pressed = plot;
    if (event.button !== 0 || !(this.isMoving || event.shiftKey) || hasFinger) {
      start(event);
      this.follow(plot);
      return;
    }
    const before = this.moved;
    const [from, to] = this.range.map((each) => each - before);
    const scale = (to - from) / plot.over.clientWidth;
    const begun = event.clientX;
    this.isHeld = true;
    const move = ({ clientX }) => {
      this.moved = before + (begun - clientX) * scale;
      this.redraw();
    };
    const end = () => {
      this.isHeld = false;
      if (!this.moved) return;
      this.send({ type: "brush", from: from + this.moved, to: to + this.moved });
      setTimeout(() => {
        if (this.isHeld || !this.moved) return;
        this.moved = 0;
        this.redraw();
      }, REFUSAL_MS);
    };
    trackPointer(move, end);
  }

  /** Go on with a selection while the pointer is outside the panel. */
  follow(plot) {
    const clamp = (value, from, to) => Math.min(Math.max(value, from), to);
    const move = (event) => {
      if (plot.over.contains(event.target)) return;
      const { left, right, top, bottom } = plot.over.getBoundingClientRect();
      const clientX = clamp(event.clientX, left, right);
      const clientY = clamp(event.clientY, top, bottom);
      // uPlot ignores events without a movement
      plot.over.dispatchEvent(new MouseEvent("mousemove", { clientX, clientY, buttons: 1, movementX: 1 }));
    };
    trackPointer(move, () => {
      if (!plot.over.matches(":hover")) plot.setCursor({ left: -10, top: -10 });
    });
  }

  /** Make the window of a range of time, and the axis of a range of prices or dollars alone. */
  select(plot, name) {
    const { left, top, width, height } = plot.select;
    if (!width || !height) return;
    for (const each of this.plots) each.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (plot !== this.pressed) return; // the other panel shows the selection too
    this.pressed = null;
    const isWhole = width >= plot.over.clientWidth - 1;
    if (!isWhole) {
      const [from, to] = [left, left + width].map((at) => plot.posToVal(at, "x"));
      this.send({ type: "brush", from, to });
    } else if (height < plot.over.clientHeight - 1) {
      this.zoom[name] = [top + height, top].map((at) => plot.posToVal(at, name));
      this.redraw();
    }
  }

  /** Show the numbers of the bucket under the pointer. */
  point(plot) {
    const { left } = plot.cursor;
    const isInside = left !== undefined && left !== null && left >= 0;
    if (!isInside && plot !== this.pointed) return;
    this.pointed = isInside ? plot : null;
    const rows = isInside ? this.describe(plot.posToVal(left, "x")) : [];
    this.hover.hidden = !rows.length;
    if (!rows.length) return;
    this.hover.replaceChildren(...rows.map(([className, name, value]) =>
      create("div", className, ...(value === undefined ? [name] : [create("span", "", name), create("b", "", value)]))));
    const edge = plot.over.getBoundingClientRect().left - this.element.getBoundingClientRect().left;
    const [room, own] = [this.element.clientWidth, this.hover.offsetWidth];
    const after = edge + left + 14;
    const at = after + own <= room ? after : Math.max(0, edge + left - 14 - own);
    this.hover.style.transform = `translate(${Math.min(at, Math.max(0, room - own))}px, 0)`;
  }

  /** Return lines about the bucket at a time: a class, a name and perhaps a value. */
  describe(time) {
    const { buckets, cuts, gaps } = this.spec;
    const { width } = this;
    const at = buckets.ts.findLastIndex((start) => start <= time);
    const start = at >= 0 && time < buckets.ts[at] + (width || Infinity) ? buckets.ts[at] : null;
    const [from, to] = start === null ? [time, time] : [start, start + width];
    const isLost = gaps.some(([begin, end]) => begin < Math.max(to, from + 1) && from < end);
    const lost = isLost ? [["liq-price-lost", "a feed was disconnected: events are missing"]] : [];
    if (start === null) return lost.length ? [["liq-price-time", `${day(time)} ${clock(time)}`], ...lost] : [];
    const step = width % MINUTE ? SECOND : MINUTE;
    const last = width ? ` to ${day(to) === day(from) ? "" : `${day(to)} `}${clock(to, step)}` : "";
    const parts = cuts.filter(([begin]) => begin === start).map(([, , part]) => `, ${part}`);
    const lines = [["liq-price-time", `${day(from)} ${clock(from, step)}${last}${parts.join("")}`]];
    const [open, high, low, close] = ["open", "high", "low", "close"].map((name) => buckets[name][at]);
    if (Number.isNaN(close)) lines.push(["", "no mark price received"]);
    else lines.push(...Object.entries({ open, high, low, close }).map(([name, price]) => ["", name, round(price, 7)]));
    for (const side of SIDES) {
      if (Number.isNaN(buckets[side][at])) continue; // the query's rows do not reach back to here
      lines.push([`liq-price-${side}`, nameOf(side), qualify(buckets[side][at], buckets.bound[at])]);
      const largest = this.findLargest(side, start);
      if (largest) lines.push(["liq-price-most", `most ${side}s`, largest]);
    }
    const [net, total] = [buckets.net[at], buckets.total[at]];
    if (!Number.isNaN(net)) lines.push(["liq-price-net", nameOf("net"), dollars(net)]);
    if (!Number.isNaN(total)) lines.push(["", "its sum so far", dollars(total)]);
    return [...lines, ...lost];
  }

  findLargest(side, start) {
    const { ts, usd, low, high, bound } = this.spec[side];
    const at = ts.lastIndexOf(start); // the largest of a bucket comes last
    return at >= 0 && `${qualify(usd[at], bound[at])} from ${round(low[at], 6)} to ${round(high[at], 6)}`;
  }

  // the drawings

  /** Return the context, the ratio of its pixels to the page's, and the panel in the context's pixels. */
  open(plot) {
    const { ctx, bbox } = plot;
    return { ctx, ratio: ctx.canvas.width / plot.width, ...bbox, right: bbox.left + bbox.width, bottom: bbox.top + bbox.height };
  }

  /** Shade coverage gaps and mark the buckets that the window or now cuts, below all else. */
  shade(plot) {
    const { ctx, ratio, left, top, right, height } = this.open(plot);
    const { gaps, cuts, colours } = this.spec;
    const edge = (time) => Math.min(right, Math.max(left, plot.valToPos(time, "x", true)));
    ctx.save();
    ctx.globalAlpha = 0.22;
    ctx.fillStyle = colours.muted;
    for (const [from, to] of gaps) {
      const begin = edge(from);
      if (edge(to) > begin) ctx.fillRect(begin, top, Math.max(ratio, edge(to) - begin), height);
    }
    for (const [begin, end] of cuts.map(([from, to]) => [edge(from), edge(to)])) {
      if (begin === end) continue; // before the first row, where the axis begins
      ctx.globalAlpha = 0.07;
      ctx.fillStyle = colours.text;
      ctx.fillRect(begin, top, end - begin, height);
      ctx.globalAlpha = 1;
      ctx.strokeStyle = colours.muted;
      ctx.lineWidth = ratio;
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.strokeRect(begin, top, end - begin, height);
    }
    ctx.restore();
  }

  drawPrices(plot) {
    const { ctx, left, top, width, height } = this.open(plot);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    const bubbles = this.listBubbles(plot);
    this.fillBubbles(plot, bubbles);
    if (!this.hidden.has("price")) this.drawCandles(plot); // above the fills, which would hide them
    this.outlineBubbles(plot, bubbles);
    ctx.restore();
    this.drawSums(plot);
    this.drawTitle(plot, this.spec.titles.price);
  }

  /** Draw candles: hollow where the price rose, since hues are the sides'. */
  drawCandles(plot) {
    const { ctx, ratio } = this.open(plot);
    const { buckets: { ts, open, high, low, close }, colours } = this.spec;
    const x = (time) => plot.valToPos(time, "x", true);
    const y = (price) => plot.valToPos(price, "price", true);
    const body = Math.max(ratio, 0.7 * (x(ts[0] + this.width) - x(ts[0])));
    const wicks = new Path2D(), [risen, fallen] = [new Path2D(), new Path2D()];
    for (let at = 0; at < ts.length; at++) {
      if (Number.isNaN(close[at])) continue;
      const middle = Math.round(x(ts[at] + this.width / 2)) + (ratio % 2) / 2; // sharp lines
      const [begin, end] = [y(open[at]), y(close[at])];
      wicks.moveTo(middle, y(high[at]));
      wicks.lineTo(middle, y(low[at]));
      (close[at] > open[at] ? risen : fallen).rect(
        middle - body / 2, Math.min(begin, end), body, Math.max(1, Math.abs(end - begin)),
      );
    }
    ctx.lineWidth = ratio;
    ctx.strokeStyle = colours.text;
    ctx.stroke(wicks);
    ctx.fillStyle = colours.card;
    ctx.fill(risen);
    ctx.stroke(risen);
    ctx.fillStyle = colours.text;
    ctx.fill(fallen);
    ctx.stroke(fallen);
  }

  /** Return the bubbles of the sides in view, the largest first: small ones stay in view. */
  listBubbles(plot) {
    const { ratio, height } = this.open(plot);
    const most = BUBBLE_SHARE * height;
    const shown = SIDES.filter((side) => !this.hidden.has(side));
    const bubbles = shown.flatMap((side) => {
      const { ts, low, high, usd } = this.spec[side];
      return Array.from(ts, (start, at) => ({
        side,
        x: plot.valToPos(start + this.width / 2, "x", true),
        y: plot.valToPos(Math.sqrt(low[at] * high[at]), "price", true),
        radius: Math.max(LEAST_BUBBLE_PX * ratio, most * Math.sqrt(usd[at] / this.largest)), // its area is the notional
      }));
    });
    return bubbles.sort((one, other) => other.radius - one.radius);
  }

  fillBubbles({ ctx }, bubbles) {
    ctx.save();
    ctx.globalAlpha = 0.35;
    for (const { side, x, y, radius } of bubbles) {
      ctx.fillStyle = this.spec.colours[side];
      ctx.beginPath();
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }

  /** Draw the bubbles' outlines with an edge in the card's colour: a full candle may be below them. */
  outlineBubbles(plot, bubbles) {
    const { ctx, ratio } = this.open(plot);
    const { colours } = this.spec;
    for (const { side, x, y, radius } of bubbles) {
      ctx.beginPath();
      ctx.arc(x, y, radius, 0, 2 * Math.PI);
      for (const [colour, width] of [[colours.card, 2.5], [colours[side], 1.2]]) {
        ctx.strokeStyle = colour;
        ctx.lineWidth = width * ratio;
        ctx.stroke();
      }
    }
  }

  /** Draw the sums by price right of the candles, with an axis of their own below. */
  drawSums(plot) {
    if (this.spec.empty) return;
    const { ctx, ratio, top, right, height, bottom } = this.open(plot);
    const { sums, colours } = this.spec;
    const shown = SIDES.filter((side) => !this.hidden.has(side));
    const begin = right + 10 * ratio;
    const unit = ((this.sizes.right - 6) * ratio) / this.most;
    ctx.save();
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.font = `${11 * ratio}px ${FONT}`;
    const widthOf = (usd) => ctx.measureText(abbreviate(usd)).width;
    let step = findStep(this.most / 1.5);
    // a phone has no room for all numbers
    while (2 * step <= this.most && step * unit < Math.max(widthOf(step), widthOf(2 * step)) + 12 * ratio) step *= 2;
    ctx.lineWidth = ratio;
    ctx.strokeStyle = colours.grid;
    for (let usd = 0; usd <= this.most; usd += step) {
      const at = Math.round(begin + usd * unit);
      ctx.beginPath();
      ctx.moveTo(at, top);
      ctx.lineTo(at, bottom);
      ctx.stroke();
      ctx.fillStyle = colours.text;
      const edge = ctx.canvas.width - widthOf(usd) / 2 - ratio;
      ctx.fillText(abbreviate(usd), Math.min(at, edge), bottom + 4 * ratio);
    }
    const middle = begin + (this.sizes.right * ratio) / 2 - 3 * ratio;
    this.sumsTitle.forEach((line, at) => ctx.fillText(line, middle, bottom + (5 + LINE_PX * (at + 1)) * ratio));
    ctx.beginPath();
    ctx.rect(begin, top, this.sizes.right * ratio, height);
    ctx.clip();
    for (let at = 0; at < sums.low.length; at++) {
      const [upper, lower] = [sums.high[at], sums.low[at]].map((price) => plot.valToPos(price, "price", true));
      let left = begin;
      for (const side of shown) {
        ctx.fillStyle = colours[side];
        ctx.fillRect(left, upper + 0.05 * (lower - upper), sums[side][at] * unit, Math.max(1, 0.9 * (lower - upper)));
        left += sums[side][at] * unit;
      }
    }
    ctx.restore();
  }

  /** Draw the running sum: of a bucket at its end, of one that the window or now cuts there. */
  drawNet(plot) {
    const { ctx, ratio, left, top, width, height, bottom } = this.open(plot);
    const { buckets: { ts, net, total }, colours, titles, window } = this.spec;
    const [since, until] = [window[0] ?? -Infinity, window[1] ?? Infinity];
    const x = (time) => plot.valToPos(time, "x", true);
    const y = (usd) => plot.valToPos(usd, "net", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.lineWidth = ratio;
    ctx.strokeStyle = colours.muted;
    ctx.strokeRect(left - ratio, y(0), width + 2 * ratio, 0);
    if (!this.hidden.has("net")) {
      const [line, area] = [new Path2D(), new Path2D()];
      let isDrawn = false;
      let last = null; // the end of the line
      for (let at = 0; at < ts.length; at++) {
        if (Number.isNaN(total[at])) {
          isDrawn = false; // no row, and no line
          continue;
        }
        const [begin, end] = [x(Math.max(ts[at], since)), x(Math.min(ts[at] + this.width, until))];
        const [before, after] = [y(total[at] - net[at]), y(total[at])];
        if (!isDrawn) line.moveTo(begin, before);
        line.lineTo(end, after);
        area.moveTo(begin, y(0));
        area.lineTo(begin, before);
        area.lineTo(end, after);
        area.lineTo(end, y(0));
        isDrawn = true;
        last = [end, after];
      }
      if (last && Number.isFinite(until) && x(until) > last[0]) { // no rows after the last print
        line.moveTo(...last);
        line.lineTo(x(until), last[1]);
        area.rect(last[0], y(0), x(until) - last[0], last[1] - y(0));
      }
      ctx.fillStyle = ctx.strokeStyle = colours.net;
      ctx.globalAlpha = 0.15;
      ctx.fill(area);
      ctx.globalAlpha = 1;
      ctx.lineWidth = 2 * ratio;
      ctx.stroke(line);
    }
    ctx.restore();
    this.drawTitle(plot, titles.net);
    ctx.save();
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.font = `${12 * ratio}px ${FONT}`;
    ctx.fillStyle = colours.text;
    const room = plot.width * ratio;
    const time = ctx.measureText(titles.time).width > room ? titles.time.replace(" shaded", "") : titles.time;
    const half = ctx.measureText(time).width / 2;
    const middle = Math.min(Math.max(left + width / 2, half), room - half);
    ctx.fillText(time, middle, bottom + (36 + LINE_PX) * ratio);
    ctx.restore();
  }

  /** Write an axis' title upwards at the left edge, in lines if the panel is low. */
  drawTitle(plot, title) {
    const { ctx, ratio, top, height } = this.open(plot);
    const lines = breakTitle(title, plot.height);
    ctx.save();
    ctx.font = `${12 * ratio}px ${FONT}`;
    const half = Math.max(...lines.map((line) => ctx.measureText(line).width)) / 2;
    ctx.translate(2 * ratio, Math.max(half, Math.min(top + height / 2, ctx.canvas.height - half)));
    ctx.rotate(-Math.PI / 2);
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.fillStyle = this.spec.colours.text;
    lines.forEach((line, at) => ctx.fillText(line, 0, at * LINE_PX * ratio));
    ctx.restore();
  }

  /** Save the panels with legend and badge as a picture. */
  save() {
    const canvases = this.plots.map((plot) => plot.ctx.canvas);
    const ratio = canvases[0].width / this.price.width;
    const head = 28 * ratio;
    const picture = document.createElement("canvas");
    picture.width = canvases[0].width;
    picture.height = head + canvases[0].height + canvases[1].height;
    const ctx = picture.getContext("2d");
    const { colours, badge } = this.spec;
    ctx.fillStyle = colours.card;
    ctx.fillRect(0, 0, picture.width, picture.height);
    ctx.font = `${11 * ratio}px ${FONT}`;
    ctx.textBaseline = "middle";
    let left = 8 * ratio;
    for (const mark of Object.keys(MARKS).filter((each) => !this.hidden.has(each))) {
      ctx.fillStyle = colours[mark] ?? colours.text;
      ctx.fillRect(left, head / 2 - 5 * ratio, 10 * ratio, 10 * ratio);
      ctx.fillStyle = colours.text;
      ctx.fillText(nameOf(mark), left + 16 * ratio, head / 2);
      left += ctx.measureText(nameOf(mark)).width + 32 * ratio;
    }
    ctx.fillStyle = colours.warning;
    ctx.textAlign = "right";
    ctx.fillText(badge, picture.width - 8 * ratio, head / 2);
    ctx.drawImage(canvases[0], 0, head);
    ctx.drawImage(canvases[1], 0, head + canvases[0].height);
    picture.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${namePicture(this.element)}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }
}

// also in plot.js: JupyterLab loads each of the two files alone
/** Return a picture's name without its ending: the chart, the time that the page shows, its filters. */
function namePicture(chart) {
  const page = chart.closest(".liq-root");
  const [title] = chart.getAttribute("aria-label").split(":");
  const chips = Array.from(page?.querySelectorAll(".liq-chips button > span") ?? []);
  const parts = [title, page?.querySelector(".liq-shown"), ...chips].map((part) => part?.textContent ?? part);
  const words = parts.filter(Boolean).map((part) => part.match(/[\p{L}\p{N}.+]+/gu)?.join("-"));
  return words.filter(Boolean).join("_").slice(0, 150);
}

/** Return 1, 2 or 5 times a power of ten, the next below `size`. */
function findStep(size) {
  const power = 10 ** Math.floor(Math.log10(size));
  return power * [5, 2, 1].find((each) => each * power <= size);
}

function render({ model, el }) {
  const chart = create("div", "liq-plot liq-price-plot");
  el.append(chart);
  let board, isWaiting, isGone;

  const fail = (error) => {
    if (!board) chart.textContent = `${error.message}; reload it`;
  };

  const draw = () => {
    if (isWaiting) return; // the next frame draws the newest spec
    isWaiting = true;
    requestAnimationFrame(async () => {
      const uPlot = await loadUPlot(model).catch(fail).finally(() => (isWaiting = false));
      const spec = model.get("spec");
      if (isGone || !uPlot || !spec.colours) return;
      if (!board) chart.replaceChildren();
      board ??= new Board(uPlot, chart, (message) => model.send(message));
      board.draw(spec);
    });
  };

  // a screen reader speaks the sentence in place of the picture
  chart.setAttribute("role", "figure");
  const name = () => {
    chart.setAttribute("aria-label", model.get("label"));
    board?.nameTools();
  };
  model.on("change:label", name);
  name();
  model.on("change:spec", draw);
  draw();
  return () => {
    isGone = true;
    model.off("change:label", name);
    model.off("change:spec", draw);
    board?.destroy();
  };
}

export default { render };
