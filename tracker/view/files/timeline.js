// The timeline: a lane a key, and above them the ruler and what happened. Only what is in sight is drawn, and never more
// than a mark a pixel, so that hours of recording cost no more than seconds.

import { clock, countUpTo, keyWord, laneWord, length, once, sharp, shortKeyWord } from "./words.js";

const RULER = 20;
const NEWS = 17;
const CURVE = 40;
const LEAST_MS = 120; // is in sight at least
const STEPS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 3e4, 6e4, 12e4, 3e5, 6e5, 12e5, 18e5, 36e5, 72e5, 216e5];
const FONT = "11px system-ui, sans-serif";
const INK = { text: "#cdd5e3", faint: "#7d889b", line: "#232936", lane: "#141821", other: "#181d27", note: "#7ee0ff", mark: "#ffd54a", other_event: "#a7b2c6", flag: "#ff5c6c", good: "#68d391", head: "#ffffff" };
const STRANGE = { "no focus": "#ff9d4d", human: "#b78bff", killed: "#ff5c6c", other: "#9aa7bd" };

export class Timeline extends EventTarget {
  /** Events: "seek" (`detail`: the time), "span" (`detail`: [begin, end], drawn with Shift), "hover" (`detail`: words
   * and place, or null). */
  constructor(show, lanes, canvas, overview) {
    super();
    this.show = show;
    this.lanes = lanes;
    this.canvas = canvas;
    this.overview = overview;
    this.view = [0, Math.max(show.duration, LEAST_MS)];
    this.head = 0;
    this.lit = new Set();
    this.pending = null; // a span that is being flagged
    this.noteTimes = show.notes.map((note) => note.t);
    this.gutter = Math.max(70, Math.min(190, 24 + 6.4 * Math.max(0, ...lanes.map((lane) => label(lane).length))));
    this.lane = lanes.length > 14 || show.curves.length ? 13 : 16;
    this.news = show.events.filter((event) => event.kind !== "scroll");
    this.scrolls = show.events.filter((event) => event.kind === "scroll").map((event) => event.t);
    this.rows = lanes.length + (this.scrolls.length ? 1 : 0);
    this.curves = show.curves.map(curveOf);
    this.height = RULER + NEWS + this.rows * this.lane + 3 + this.curves.length * CURVE;
    canvas.style.height = `${this.height}px`;
    this.redraw = once(() => this._draw());
    new ResizeObserver(() => {
      this._density = null;
      this.redraw();
    }).observe(canvas);
    this._listen();
  }

  get width() {
    return this.canvas.clientWidth;
  }

  x(t) {
    return this.gutter + ((t - this.view[0]) / (this.view[1] - this.view[0])) * (this.width - this.gutter);
  }

  timeAt(x) {
    return this.view[0] + ((x - this.gutter) / (this.width - this.gutter)) * (this.view[1] - this.view[0]);
  }

  /** Shows `begin` to `end`, kept within the recording. */
  look(begin, end) {
    const whole = Math.max(this.show.duration, LEAST_MS);
    const span = Math.min(Math.max(end - begin, LEAST_MS), whole);
    const first = Math.min(Math.max(0, begin), whole - span);
    this.view = [first, first + span];
    this.redraw();
  }

  zoom(factor, t = this.head) {
    const [begin, end] = this.view;
    const span = Math.min(Math.max((end - begin) * factor, LEAST_MS), Math.max(this.show.duration, LEAST_MS));
    const share = Math.min(1, Math.max(0, (t - begin) / (end - begin)));
    this.look(t - share * span, t - share * span + span);
  }

  /** The playhead is at `t`; the view follows it when it leaves. */
  moveHead(t, lit, playing) {
    this.head = t;
    this.lit = lit;
    const [begin, end] = this.view;
    const span = end - begin;
    if (t < begin || t > end) this.look(t - span * 0.3, t + span * 0.7);
    else if (playing && t > begin + span * 0.9 && end < this.show.duration) this.look(t - span * 0.1, t + span * 0.9);
    this.redraw();
  }

  // -- drawing -----------------------------------------------------------------------------------------------------

  _draw() {
    const width = this.width;
    if (width <= this.gutter) return;
    const c = sharp(this.canvas, width, this.height);
    c.font = FONT;
    c.textBaseline = "middle";
    this.lanes.forEach((lane, i) => {
      c.fillStyle = i % 2 ? INK.other : INK.lane;
      c.fillRect(this.gutter, this._y(i), width, this.lane);
    });
    this._ruler(c, width);
    c.save();
    c.beginPath();
    c.rect(this.gutter, 0, width - this.gutter, this.height);
    c.clip();
    this.lanes.forEach((lane, i) => this._spans(c, lane, this._y(i)));
    if (this.scrolls.length) this._ticks(c, this.scrolls, this._y(this.lanes.length) + 3, this.lane - 6, INK.other_event);
    this.curves.forEach((curve, i) => this._curve(c, curve, this._curveTop(i)));
    this._gaps(c);
    for (const span of this.show.spans) this._strange(c, span);
    this._news(c);
    for (const flag of this.show.flags) this._flag(c, flag.begin, flag.end, 0.32);
    if (this.pending) this._flag(c, ...this.pending.toSorted((a, b) => a - b), 0.2);
    this._head(c);
    c.restore();
    this._labels(c);
    this._drawOverview();
  }

  _y(i) {
    return RULER + NEWS + i * this.lane;
  }

  _curveTop(i) {
    return this._y(this.rows) + 3 + i * CURVE;
  }

  /** A number over time, a dot and a line a value, or the highest of each pixel. */
  _curve(c, curve, top) {
    const y = (value) => top + CURVE - 3 - (Math.min(value, curve.full) / curve.full) * (CURVE - 8);
    c.fillStyle = INK.lane;
    c.fillRect(this.gutter, top, this.width, CURVE - 2);
    c.strokeStyle = "#3a4458";
    c.setLineDash([4, 4]);
    c.beginPath();
    c.moveTo(this.gutter, y(curve.goal));
    c.lineTo(this.width, y(curve.goal));
    c.stroke();
    c.setLineDash([]);
    const { times, values } = curve;
    const wide = (this.width - this.gutter) / Math.max(1, countUpTo(times, this.view[1]) - countUpTo(times, this.view[0]));
    c.strokeStyle = INK.good;
    c.lineWidth = 1.3;
    c.beginPath();
    let i = Math.max(0, countUpTo(times, this.view[0]) - 1);
    const bad = [];
    for (let first = true; i < times.length; first = false) {
      const x = this.x(times[i]);
      let most = values[i];
      let next = i + 1;
      while (next < times.length && this.x(times[next]) < x + 1) most = Math.max(most, values[next++]);
      if (first) c.moveTo(x, y(most));
      else c.lineTo(x, y(most));
      if (most > curve.goal) bad.push([x, y(most)]);
      if (times[i] > this.view[1]) break;
      if (wide > 9) c.rect(x - 1, y(most) - 1, 2, 2);
      c.moveTo(x, y(most));
      i = next;
    }
    c.stroke();
    c.lineWidth = 1;
    c.fillStyle = INK.flag;
    for (const [x, at] of bad) c.fillRect(x - 1.5, at - 1.5, 3, 3);
  }

  /** A time in which the agent did not play. */
  _strange(c, span) {
    if (span.end < this.view[0] || span.begin > this.view[1]) return;
    const [x, right] = [this.x(span.begin), Math.max(this.x(span.end), this.x(span.begin) + 2)];
    c.fillStyle = STRANGE[span.kind] ?? STRANGE.other;
    c.globalAlpha = 0.16;
    c.fillRect(x, RULER, right - x, this.height);
    c.globalAlpha = 1;
    c.fillRect(x, RULER, right - x, 3);
  }

  _ruler(c, width) {
    const perPixel = (this.view[1] - this.view[0]) / (width - this.gutter);
    const step = STEPS.find((s) => s / perPixel >= 84) ?? STEPS.at(-1);
    const digits = step < 1000 ? (step < 10 ? 3 : step < 100 ? 2 : 1) : 0;
    c.fillStyle = INK.faint;
    for (let t = Math.ceil(this.view[0] / step) * step; t <= this.view[1]; t += step) {
      const x = Math.round(this.x(t)) + 0.5;
      c.fillStyle = INK.line;
      c.fillRect(x - 0.5, RULER - 5, 1, this.height);
      c.fillStyle = INK.faint;
      c.fillText(clock(t, digits), Math.min(x + 4, width - 44), RULER / 2);
    }
    c.fillStyle = INK.line;
    c.fillRect(0, RULER - 0.5, width, 1);
  }

  _spans(c, lane, y) {
    const { begins, ends } = lane.spans;
    c.fillStyle = lane.colour;
    let i = Math.max(0, countUpTo(begins, this.view[0]) - 1);
    while (i < begins.length && begins[i] <= this.view[1]) {
      const x = this.x(begins[i]);
      let right = Math.max(this.x(ends[i]), x + 1.5);
      // Presses that are nearer than a pixel become one bar.
      let next = i + 1;
      while (next < begins.length && this.x(begins[next]) < right + 0.5) {
        right = Math.max(right, this.x(ends[next]));
        next = Math.max(next + 1, countUpTo(begins, this.timeAt(right)));
        right = Math.max(right, this.x(ends[next - 1]));
      }
      if (right - x > 5) {
        c.beginPath();
        c.roundRect(x, y + 2, right - x, this.lane - 4, 3);
        c.fill();
      } else c.fillRect(x, y + 2, right - x, this.lane - 4);
      i = next;
    }
  }

  _ticks(c, times, y, height, ink) {
    c.fillStyle = ink;
    for (let i = countUpTo(times, this.view[0] - 1); i < times.length && times[i] <= this.view[1]; ) {
      const x = this.x(times[i]);
      c.fillRect(Math.round(x), y, 1.5, height);
      i = Math.max(i + 1, countUpTo(times, this.timeAt(x + 2)));
    }
  }

  _gaps(c) {
    for (const gap of this.show.gaps) {
      if (gap.end < this.view[0] || gap.begin > this.view[1]) continue;
      const [x, right] = [this.x(gap.begin), this.x(gap.end)];
      hatch(c, x, RULER, Math.max(right - x, 2), this.height, "rgba(125, 136, 155, 0.3)", "rgba(12, 14, 19, 0.82)");
      if (right - x > 60) {
        c.fillStyle = INK.text;
        c.fillText(gap.why, Math.max(x, this.gutter) + 6, RULER + NEWS / 2, right - Math.max(x, this.gutter) - 10);
      }
    }
  }

  _news(c) {
    this._ticks(c, this.noteTimes, RULER + 9, 6, INK.note);
    let last = -9;
    for (const event of this.news) {
      const x = this.x(event.t);
      if (x < this.gutter - 5 || x - last < 3) continue;
      if (x > this.width + 5) break;
      last = x;
      c.fillStyle = { mark: INK.mark, failure: INK.flag }[event.kind] ?? INK.other_event;
      c.beginPath();
      if (event.kind === "mark") {
        c.moveTo(x - 4.5, RULER + 1);
        c.lineTo(x + 4.5, RULER + 1);
        c.lineTo(x, RULER + 8);
      } else c.arc(x, RULER + 4.5, 2.5, 0, 7);
      c.fill();
    }
  }

  _flag(c, begin, end, strength) {
    if (end < this.view[0] || begin > this.view[1]) return;
    const [x, right] = [this.x(begin), this.x(end)];
    hatch(c, x, RULER, Math.max(right - x, 2), this.height, `rgba(255, 92, 108, ${strength + 0.35})`, `rgba(255, 92, 108, ${strength * 0.45})`);
    c.fillStyle = INK.flag;
    c.fillRect(x - 1, RULER, 2, this.height);
    c.fillRect(Math.max(right, x + 2) - 1, RULER, 2, this.height);
  }

  _head(c) {
    const x = Math.round(this.x(this.head));
    c.fillStyle = INK.head;
    c.fillRect(x - 0.75, 0, 1.5, this.height);
    c.beginPath();
    c.moveTo(x - 6, 0);
    c.lineTo(x + 6, 0);
    c.lineTo(x + 6, 6);
    c.lineTo(x, 12);
    c.lineTo(x - 6, 6);
    c.fill();
  }

  _labels(c) {
    c.fillStyle = "#0f1218";
    c.fillRect(0, 0, this.gutter, this.height);
    c.textAlign = "right";
    c.fillStyle = INK.faint;
    if (this.noteTimes.length) {
      c.fillStyle = INK.note;
      c.fillText(this.show.kind === "episode" ? "decisions" : "thoughts", this.gutter - 8, RULER + NEWS / 2 + 1);
    }
    this.lanes.forEach((lane, i) => {
      const lit = this.lit.has(lane);
      const y = this._y(i);
      c.fillStyle = lane.colour;
      if (lit) {
        c.beginPath();
        c.roundRect(2, y + 1, this.gutter - 5, this.lane - 2, 3);
        c.fill();
      } else c.fillRect(2, y + 3, 3, this.lane - 6);
      c.fillStyle = lit ? "#0b0d11" : INK.text;
      c.fillText(label(lane), this.gutter - 8, y + this.lane / 2 + 0.5, this.gutter - 16);
    });
    if (this.scrolls.length) {
      c.fillStyle = INK.faint;
      c.fillText("wheel", this.gutter - 8, this._y(this.lanes.length) + this.lane / 2 + 0.5);
    }
    this.curves.forEach((curve, i) => {
      const top = this._curveTop(i);
      c.fillStyle = INK.good;
      c.fillText(curve.name, this.gutter - 8, top + 13);
      c.fillStyle = INK.faint;
      c.fillText(this._valueAt(curve, this.head), this.gutter - 8, top + 29);
    });
    c.textAlign = "left";
  }

  _valueAt(curve, t) {
    const i = countUpTo(curve.times, t) - 1;
    return i < 0 ? "\u2013" : `${curve.values[i].toFixed(1)} ${curve.unit}`;
  }

  /** The whole recording, in the same place as the lanes below when these show all of it. */
  _drawOverview() {
    const [width, height] = [this.overview.clientWidth, this.overview.clientHeight];
    if (width <= this.gutter) return;
    const c = sharp(this.overview, width, height);
    const wide = width - this.gutter;
    const x = (t) => this.gutter + (t / Math.max(this.show.duration, 1)) * wide;
    this._density ??= density(this.lanes, this.show.duration, Math.floor(wide));
    const most = this._density.reduce((a, b) => Math.max(a, b), 1);
    c.fillStyle = "#3d5f96";
    this._density.forEach((n, i) => {
      const high = (n / most) * (height - 4);
      if (n) c.fillRect(this.gutter + i, height - 1 - high, 1, high);
    });
    for (const gap of this.show.gaps) {
      hatch(c, x(gap.begin), 0, Math.max(1.5, x(gap.end) - x(gap.begin)), height, "rgba(125, 136, 155, 0.35)", "rgba(12, 14, 19, 0.8)");
    }
    for (const flag of this.show.flags) {
      c.fillStyle = "rgba(255, 92, 108, 0.55)";
      c.fillRect(x(flag.begin), 0, Math.max(2, x(flag.end) - x(flag.begin)), height);
    }
    for (const span of this.show.spans) {
      c.fillStyle = STRANGE[span.kind] ?? STRANGE.other;
      c.fillRect(x(span.begin), 0, Math.max(2, x(span.end) - x(span.begin)), 4);
    }
    c.fillStyle = INK.mark;
    for (const event of this.news) if (event.kind === "mark") c.fillRect(x(event.t) - 0.75, 0, 1.5, 7);
    const [left, right] = this.view.map(x);
    c.fillStyle = "rgba(5, 7, 10, 0.55)";
    c.fillRect(this.gutter, 0, left - this.gutter, height);
    c.fillRect(right, 0, width - right, height);
    c.strokeStyle = "rgba(160, 190, 240, 0.75)";
    c.strokeRect(left + 0.5, 0.5, Math.max(3, right - left - 1), height - 1);
    c.fillStyle = INK.head;
    c.fillRect(x(this.head) - 0.75, 0, 1.5, height);
    c.fillStyle = "#0f1218";
    c.fillRect(0, 0, this.gutter, height);
    c.font = FONT;
    c.textBaseline = "middle";
    c.textAlign = "right";
    c.fillStyle = INK.faint;
    c.fillText("whole", this.gutter - 8, height / 2);
    c.textAlign = "left";
  }

  // -- mouse -------------------------------------------------------------------------------------------------------

  _listen() {
    const { canvas, overview } = this;
    canvas.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this._press(event));
    canvas.addEventListener("pointermove", (event) => this._hover(event));
    canvas.addEventListener("pointerleave", () => this._say("hover", null));
    const go = (event) => {
      const share = (event.offsetX - this.gutter) / (overview.clientWidth - this.gutter);
      const t = Math.min(Math.max(0, share), 1) * this.show.duration;
      const half = (this.view[1] - this.view[0]) / 2;
      this.look(t - half, t + half);
      this._say("seek", t);
    };
    overview.addEventListener("pointerdown", (event) => {
      overview.setPointerCapture(event.pointerId);
      go(event);
    });
    overview.addEventListener("pointermove", (event) => event.buttons & 1 && go(event));
    overview.addEventListener("dblclick", () => this.look(0, this.show.duration));
  }

  _wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 30 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) {
      const by = ((dx || dy) * (this.view[1] - this.view[0])) / (this.width - this.gutter);
      this.look(this.view[0] + by, this.view[1] + by);
    } else this.zoom(Math.exp(Math.max(-1, Math.min(1, dy / 300))), this.timeAt(Math.max(event.offsetX, this.gutter)));
  }

  _press(event) {
    if (event.button !== 0 || event.offsetX < this.gutter) return;
    const { canvas } = this;
    const from = event.offsetX;
    const view = [...this.view];
    const perPixel = (view[1] - view[0]) / (this.width - this.gutter);
    const how = event.shiftKey && this.show.can_flag ? "flag" : event.offsetY < RULER ? "scrub" : "pan";
    let moved = false;
    canvas.setPointerCapture(event.pointerId);
    const inside = (x) => Math.min(Math.max(0, this.timeAt(x)), this.show.duration);
    if (how === "scrub") this._say("seek", inside(from));
    const move = (e) => {
      moved ||= Math.abs(e.offsetX - from) > 3;
      if (!moved) return;
      if (how === "flag") {
        this.pending = [inside(from), inside(e.offsetX)];
        this.redraw();
      } else if (how === "scrub") this._say("seek", inside(e.offsetX));
      else this.look(view[0] - (e.offsetX - from) * perPixel, view[1] - (e.offsetX - from) * perPixel);
    };
    const up = (e) => {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", up);
      canvas.removeEventListener("pointercancel", up);
      if (how === "flag" && moved) this._say("span", this.pending.toSorted((a, b) => a - b));
      else if (how !== "scrub" && !moved) this._say("seek", inside(e.offsetX));
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
  }

  _hover(event) {
    const t = this.timeAt(event.offsetX);
    if (event.offsetX < this.gutter || t > this.show.duration || event.buttons) {
      this._say("hover", null);
      return;
    }
    const near = (4 * (this.view[1] - this.view[0])) / (this.width - this.gutter);
    const lane = this.lanes[Math.floor((event.offsetY - RULER - NEWS) / this.lane)];
    const words = [clock(t)];
    const flag = this.show.flags.find((f) => f.begin <= t && t <= f.end);
    const gap = this.show.gaps.find((g) => g.begin < t && t < g.end);
    if (gap) words.push(gap.why);
    if (event.offsetY < RULER + NEWS) {
      const news = this.news.find((e) => Math.abs(e.t - t) <= near);
      if (news) words.push(news.text);
    } else if (lane) {
      const i = countUpTo(lane.spans.begins, t + near) - 1;
      const pressed = i >= 0 && lane.spans.ends[i] >= t - near;
      words.push(pressed ? `${laneWord(lane)} for ${length(lane.spans.ends[i] - lane.spans.begins[i])}` : laneWord(lane));
    }
    const curve = this.curves[Math.floor((event.offsetY - this._curveTop(0)) / CURVE)];
    if (curve) words.push(`${curve.name} ${this._valueAt(curve, t)}`);
    const span = this.show.spans.find((s) => s.begin <= t && t <= s.end);
    if (span) words.push(span.text);
    if (flag) words.push(`flagged${flag.why ? `: ${flag.why}` : ""}`);
    this._say("hover", { words: words.join("  ·  "), x: event.clientX, y: this.canvas.getBoundingClientRect().top });
  }

  _say(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** `[t, number, …]` as two lists, and what is drawn at the top. */
function curveOf({ name, unit, goal, points }) {
  const times = Float64Array.from({ length: points.length / 2 }, (_, i) => points[2 * i]);
  const values = Float64Array.from({ length: points.length / 2 }, (_, i) => points[2 * i + 1]);
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  return { name, unit, goal, times, values, full: Math.max(goal * 1.25, Math.min(most, goal * 3)) };
}

function label(lane) {
  return lane.name ? `${lane.name}  ${shortKeyWord(lane.key)}`.trimEnd() : keyWord(lane.key);
}

/** How many lanes are down in each pixel. */
function density(lanes, duration, width) {
  const found = new Float32Array(width);
  const scale = width / Math.max(duration, 1);
  for (const { spans } of lanes) {
    for (let i = 0; i < spans.length; i++) {
      const [a, b] = [spans.begins[i] * scale, Math.max(spans.ends[i], spans.begins[i] + 20) * scale];
      for (let x = Math.floor(a); x <= Math.min(b, width - 1); x++) found[x] += Math.min(b, x + 1) - Math.max(a, x);
    }
  }
  return found;
}

function hatch(c, x, y, width, height, stroke, fill) {
  const left = Math.max(x, -4);
  const right = Math.min(x + width, c.canvas.width + 4);
  c.save();
  c.beginPath();
  c.rect(left, y, right - left, height);
  c.clip();
  c.fillStyle = fill;
  c.fillRect(left, y, right - left, height);
  c.strokeStyle = stroke;
  c.lineWidth = 1.5;
  c.beginPath();
  for (let at = left - height - (left % 8); at < right; at += 8) {
    c.moveTo(at, y + height);
    c.lineTo(at + height, y);
  }
  c.stroke();
  c.restore();
}
