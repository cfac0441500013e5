// Small things that all parts of the page use: times in words, searching in sorted times, colours, building elements.

/** 83456.7 as 1:23.456, with hours where there are any. */
export function clock(ms, digits = 3) {
  const whole = Math.max(0, Math.floor(ms + 1e-6));
  const s = Math.floor(whole / 1000);
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  const two = (n) => String(n).padStart(2, "0");
  const head = h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  return digits ? `${head}.${String(whole % 1000).padStart(3, "0").slice(0, digits)}` : head;
}

/** A length of time: 0.35 s, 12.3 s, 4 min 10 s. */
export function length(ms) {
  if (ms < 9_950) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h} h ${m} min` : `${m} min ${s % 60} s`;
}

/** How many of the rising `times` are at or before `t`. */
export function countUpTo(times, t) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The presses of a lane as rising times. */
export class Spans {
  constructor(flat) {
    this.begins = Float64Array.from({ length: flat.length / 2 }, (_, i) => flat[2 * i]);
    this.ends = Float64Array.from({ length: flat.length / 2 }, (_, i) => flat[2 * i + 1]);
  }

  get length() {
    return this.begins.length;
  }

  /** Whether it was down at any time from `a` until just before `b`. */
  touch(a, b) {
    const i = countUpTo(this.begins, b) - 1;
    for (let j = i; j >= Math.max(0, i - 1); j--) {
      if (this.begins[j] < b && (this.ends[j] > a || this.begins[j] >= a)) return true;
    }
    return false;
  }
}

const COLOURS = {
  "move forward": "#5aa2ff",
  "move back": "#4f7fd6",
  "move left": "#45b3e6",
  "move right": "#3f97c7",
  sprint: "#3ecfc0",
  dodge: "#ffd54a",
  heal: "#5fd76d",
  skill: "#b78bff",
  "light attack": "#ff9d4d",
  "heavy attack": "#ff6b52",
  block: "#c9a26a",
};
const OTHERS = ["#9aa7bd", "#c58fb5", "#8fc5b0", "#c5b98f", "#8f9fc5", "#b0c58f"];

export function colour(lane, i) {
  return COLOURS[lane.name] ?? OTHERS[i % OTHERS.length];
}

const KEYS = {
  mouse_left: "left button",
  mouse_right: "right button",
  mouse_middle: "middle button",
  up: "\u2191",
  down: "\u2193",
  left: "\u2190",
  right: "\u2192",
  escape: "esc",
};

/** A key's name as people say it. */
export function keyWord(key) {
  return KEYS[key] ?? (key.length === 1 ? key.toUpperCase() : key.replaceAll("_", " "));
}

/** And in few letters. */
export function shortKeyWord(key) {
  return { mouse_left: "LMB", mouse_right: "RMB", mouse_middle: "MMB" }[key] ?? keyWord(key);
}

export function laneWord(lane) {
  return lane.name || keyWord(lane.key);
}

/** An element: `make("b", {class: "x", title: "y"}, "text", other, …)`. Text is never taken for HTML. */
export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

/** A canvas as sharp as the screen: sets its size, and gives a context that is measured in CSS pixels. */
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Calls `draw` once before the next picture, however often it is asked for. */
export function once(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/** JSON from the server; its sentence as an Error when it refuses. */
export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The viewer does not answer: was it ended in its terminal?");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error ?? answer.statusText);
  return value;
}

/** `float64` rows of `columns` numbers from the server, as one array a column. */
export async function rows(path, columns) {
  let answer;
  try {
    answer = await fetch(path);
  } catch {
    throw new Error("The viewer does not answer: was it ended in its terminal?");
  }
  if (!answer.ok) throw new Error((await answer.json()).error ?? answer.statusText);
  const flat = new Float64Array(await answer.arrayBuffer());
  const count = flat.length / columns;
  return Array.from({ length: columns }, (_, c) => Float64Array.from({ length: count }, (_, i) => flat[i * columns + c]));
}
