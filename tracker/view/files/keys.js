// The keyboard and the mouse, with what this recording uses: lit while it is down.

import { keyWord, laneWord, make } from "./words.js";

// A key's row and column as on an American keyboard, in widths of a key; some are wider.
const ROWS = ["` 1 2 3 4 5 6 7 8 9 0 - =", "tab q w e r t y u i o p [ ] \\", "caps_lock a s d f g h j k l ; ' enter", "shift z x c v b n m , . / up", "ctrl alt space left down right"];
const WIDE = { tab: 1.4, caps_lock: 1.7, shift: 2, ctrl: 1.4, alt: 1.2, space: 3.6, enter: 1.6 };
const PLACES = new Map();
ROWS.forEach((row, r) => {
  let x = 0;
  for (const key of row.split(" ")) {
    PLACES.set(key, { row: r, x, width: WIDE[key] ?? 1 });
    x += WIDE[key] ?? 1;
  }
});
const BUTTONS = {
  mouse_left: "M4 24V20C4 9 10 4 22 3.5V24z",
  mouse_right: "M44 24V20C44 9 38 4 26 3.5V24z",
};
const SVG = "http://www.w3.org/2000/svg";
const SCROLL_MS = 150;
const LOOK_MS = 120; // the arrow shows how far the mouse was moved in this time
const LOOK_FULL = 160; // and is at its longest for so many counts

function short(name) {
  return name.replace("move ", "").replace(" attack", "");
}

function svg(tag, attributes, ...inside) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

export class Keys {
  constructor(place, show, lanes) {
    this.lanes = lanes;
    this.scrolls = show.events.filter((event) => event.kind === "scroll");
    this.caps = new Map();
    place.append(this._keyboard(), this._mouse());
  }

  _keyboard() {
    const board = make("div", { class: "board" });
    const placed = this.lanes.filter((lane) => PLACES.has(lane.key));
    const loose = this.lanes.filter((lane) => !PLACES.has(lane.key) && !(lane.key in BUTTONS) && lane.key !== "mouse_middle");
    const ends = placed.map(({ key }) => PLACES.get(key).x + Math.min(PLACES.get(key).width, 2));
    const width = Math.max(5.6, ...ends) + 0.4;
    const used = new Set(placed.map((lane) => PLACES.get(lane.key).row));
    const top = Math.min(...used, 1);
    for (let row = top; row <= 4; row++) {
      const line = make("div", { class: "row" });
      for (const [key, at] of PLACES) {
        if (at.row !== row || at.x >= width - 0.5) continue;
        const lane = placed.find((l) => l.key === key);
        const cap = this._cap(key, lane);
        cap.style.width = `${(100 * Math.min(at.width, width - at.x)) / width}%`;
        line.append(cap);
      }
      board.append(line);
    }
    if (loose.length) board.append(make("div", { class: "row loose" }, ...loose.map((lane) => this._cap(lane.key, lane))));
    board.classList.toggle("small", width > 8);
    return board;
  }

  _cap(key, lane) {
    const cap = make("span", { class: lane ? "cap" : "cap ghost", title: lane ? `${laneWord(lane)} (${keyWord(key)})` : undefined });
    cap.append(make("span", {}, make("b", {}, lane ? keyWord(key) : ""), make("i", {}, lane ? short(lane.name) : "")));
    if (lane) {
      cap.dataset.key = key;
      cap.style.setProperty("--lit", lane.colour);
      this.caps.set(lane, cap);
    }
    return cap;
  }

  _mouse() {
    const picture = svg("svg", { viewBox: "0 0 48 72", class: "mouse" });
    picture.append(svg("rect", { x: 3, y: 3, width: 42, height: 66, rx: 20, class: "body" }));
    const said = [];
    for (const [key, path] of Object.entries(BUTTONS)) {
      const button = svg("path", { d: path, class: "button" });
      picture.append(button);
      this._button(button, key, said);
    }
    const wheel = svg("rect", { x: 21, y: 9, width: 6, height: 13, rx: 3, class: "button" });
    picture.append(wheel);
    this._button(wheel, "mouse_middle", said);
    this.up = svg("path", { d: "M24 2l5 6H19z", class: "scroll" });
    this.down = svg("path", { d: "M24 30l5-6H19z", class: "scroll" });
    this.arrow = svg("path", { class: "look", d: "" });
    picture.append(this.up, this.down, svg("circle", { cx: 24, cy: 49, r: 13, class: "dial" }), this.arrow);
    return make("div", { class: "mouse-side" }, picture, make("div", { class: "said" }, ...said));
  }

  _button(element, key, said) {
    const lane = this.lanes.find((l) => l.key === key);
    element.classList.toggle("ghost", !lane);
    if (!lane) return;
    element.dataset.key = key;
    element.style.setProperty("--lit", lane.colour);
    element.append(svg("title", {}, `${laneWord(lane)} (${keyWord(key)})`));
    this.caps.set(lane, element);
    const word = make("i", { title: keyWord(key) }, short(lane.name) || key.replace("mouse_", ""));
    word.style.setProperty("--lit", lane.colour);
    said.push(word);
    element.said = word;
  }

  /** Lights the lanes that are `lit`; `turned(a, b)` gives how far the mouse was moved from one time to another. */
  draw(t, until, lit, turned) {
    for (const [lane, cap] of this.caps) {
      const on = lit.has(lane);
      cap.classList.toggle("lit", on);
      cap.said?.classList.toggle("lit", on);
    }
    const scrolled = this.scrolls.filter((event) => event.t > t - SCROLL_MS && event.t < until);
    this.up.classList.toggle("lit", scrolled.some((event) => event.dy > 0));
    this.down.classList.toggle("lit", scrolled.some((event) => event.dy < 0));
    const [dx, dy] = turned(t - LOOK_MS, until);
    const far = Math.hypot(dx, dy);
    this.arrow.setAttribute("d", far < 1 ? "" : arrow(24, 49, dx / far, dy / far, 4 + 8 * Math.min(1, Math.sqrt(far / LOOK_FULL))));
  }
}

function arrow(x, y, dx, dy, size) {
  const [tx, ty] = [x + dx * size, y + dy * size];
  const head = (side) => `${tx - dx * 4 - side * dy * 3} ${ty - dy * 4 + side * dx * 3}`;
  return `M${x} ${y}L${tx} ${ty}M${head(1)}L${tx} ${ty}L${head(-1)}`;
}
