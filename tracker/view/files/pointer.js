// The mouse over the picture: where the pointer is and came from, and how the view was turned.

import { countUpTo, rows, sharp } from "./words.js";

const PATH_MS = 500;
const TURN_MS = 120;
const KEPT = 12; // pieces of motion in memory

/** The mouse's motion, fetched in pieces where it is looked at. Calls `came` when one has come. */
export class Motion {
  constructor(chunkMs, came) {
    this.chunkMs = chunkMs;
    this.came = came;
    this.pieces = new Map();
  }

  _piece(kind, chunk) {
    const name = `${kind}/${chunk}`;
    const piece = this.pieces.get(name);
    if (piece) {
      this.pieces.delete(name);
      this.pieces.set(name, piece);
      return piece;
    }
    this.pieces.set(name, [[], [], []]);
    rows(`motion/${name}`, 3).then(
      (columns) => {
        this.pieces.set(name, columns);
        if (this.pieces.size > KEPT) this.pieces.delete(this.pieces.keys().next().value);
        this.came();
      },
      () => {}, // without it the picture is as good
    );
    return this.pieces.get(name);
  }

  /** The points after `a`, up to `b`, as [t, x, y]. */
  between(kind, a, b) {
    const found = [];
    for (let chunk = Math.max(0, Math.floor(a / this.chunkMs)); chunk <= b / this.chunkMs; chunk++) {
      const [t, x, y] = this._piece(kind, chunk);
      for (let i = countUpTo(t, a); i < t.length && t[i] <= b; i++) found.push([t[i], x[i], y[i]]);
    }
    return found;
  }

  /** Where the pointer was at `t`: the last place known in this piece or the one before. */
  last(t) {
    for (let chunk = Math.floor(t / this.chunkMs), n = 0; chunk >= 0 && n < 2; chunk--, n++) {
      const [times, x, y] = this._piece("pointer", chunk);
      const i = countUpTo(times, t) - 1;
      if (i >= 0) return [x[i], y[i]];
    }
    return null;
  }

  turned(a, b) {
    return this.between("look", a, b).reduce(([x, y], [, dx, dy]) => [x + dx, y + dy], [0, 0]);
  }
}

/** Draws the pointer onto `canvas`, which lies over a picture of `video`. */
export function drawPointer(canvas, motion, video, t, pressed) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !video) return;
  const context = sharp(canvas, width, height);
  const place = ([x, y]) => [(x * width) / video.width, (y * height) / video.height];
  const path = motion.between("pointer", t - PATH_MS, t);
  context.lineCap = context.lineJoin = "round";
  for (let i = 1; i < path.length; i++) {
    const age = (t - path[i][0]) / PATH_MS;
    context.strokeStyle = `rgba(255, 255, 255, ${0.75 * (1 - age)})`;
    context.lineWidth = 2.5 - 1.5 * age;
    context.beginPath();
    context.moveTo(...place(path[i - 1].slice(1)));
    context.lineTo(...place(path[i].slice(1)));
    context.stroke();
  }
  const at = motion.last(t);
  if (at) {
    const [x, y] = place(at);
    context.beginPath();
    context.arc(x, y, pressed ? 9 : 5, 0, 7);
    context.fillStyle = pressed ? "rgba(255, 157, 77, 0.55)" : "rgba(255, 255, 255, 0.35)";
    context.strokeStyle = "rgba(10, 12, 16, 0.9)";
    context.lineWidth = 3;
    context.stroke();
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5;
    context.stroke();
    context.fill();
  }
  const [dx, dy] = motion.turned(t - TURN_MS, t);
  if (Math.hypot(dx, dy) >= 2) drawTurn(context, width / 2, height / 2, dx, dy, height);
}

function drawTurn(context, x, y, dx, dy, height) {
  const far = Math.hypot(dx, dy);
  const size = Math.min(height * 0.3, 14 + far * 0.5);
  const [ux, uy] = [dx / far, dy / far];
  const [tx, ty] = [x + ux * size, y + uy * size];
  for (const [style, wide] of [["rgba(10, 12, 16, 0.7)", 5], ["rgba(126, 224, 255, 0.95)", 2.5]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(tx, ty);
    context.moveTo(tx - ux * 9 - uy * 6, ty - uy * 9 + ux * 6);
    context.lineTo(tx, ty);
    context.lineTo(tx - ux * 9 + uy * 6, ty - uy * 9 - ux * 6);
    context.stroke();
  }
}
