// The lists beside the picture: thoughts, events, flags. Of a long list only the rows in sight are there.

import { clock, countUpTo, keyWord, laneWord, length, make, once } from "./words.js";

/** A list whose rows are all `height` pixels high. `fill(i)` gives the children of row i; `chosen(i)` hears of clicks. */
class Rows {
  constructor(place, height, fill, chosen) {
    this.place = place;
    this.height = height;
    this.fill = fill;
    this.count = 0;
    this.current = -1;
    this.inner = make("div", { class: "rows" });
    place.classList.add("scrolls");
    place.append(this.inner);
    this.draw = once(() => this._draw());
    place.addEventListener("scroll", this.draw);
    new ResizeObserver(this.draw).observe(place);
    this.inner.addEventListener("click", (event) => {
      const row = event.target.closest(".row-of-list");
      if (row) chosen(Number(row.dataset.index), event);
    });
  }

  setCount(count) {
    this.count = count;
    this.inner.style.height = `${count * this.height}px`;
    this._drawn = "";
    this.draw();
  }

  /** Row `i` is the one of this moment; it is brought in sight when it is another than before. */
  setCurrent(i) {
    if (i === this.current) return;
    this.current = i;
    const { place, height } = this;
    const top = i * height;
    if (i >= 0 && (top < place.scrollTop + height || top > place.scrollTop + place.clientHeight - 2 * height)) {
      place.scrollTop = top - place.clientHeight / 2 + height / 2;
    }
    this.draw();
  }

  _draw() {
    const first = Math.max(0, Math.floor(this.place.scrollTop / this.height) - 2);
    const last = Math.min(this.count, Math.ceil((this.place.scrollTop + this.place.clientHeight) / this.height) + 2);
    const drawn = `${first} ${last} ${this.current}`;
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    const rows = [];
    for (let i = first; i < last; i++) {
      const row = make("div", { class: `row-of-list${i === this.current ? " current" : ""}`, "data-index": i }, ...this.fill(i));
      row.style.top = `${i * this.height}px`;
      row.style.height = `${this.height}px`;
      rows.push(row);
    }
    this.inner.replaceChildren(...rows);
  }
}

function steps(note, whole) {
  return note.steps.map((step) =>
    make(
      "div",
      { class: "step" },
      make("span", { class: "what" }, step.what, ...(step.ms ? [make("small", {}, ` ${step.ms} ms`)] : [])),
      ...(step.why && whole ? [make("p", {}, step.why)] : []),
    ),
  );
}

const STAGE_COLOURS = { capture: "#5aa2ff", wait: "#46536b", preprocess: "#3ecfc0", vision: "#b78bff", prefill: "#c9a26a", decode: "#ffd54a", decide: "#ffd54a", other: "#66708a", act: "#5fd76d" };

/** What is known of a decision beside its plan: facts, and how long each stage took as parts of one bar. */
function known(note) {
  if (!note.facts.length) return [];
  const found = [make("dl", {}, ...note.facts.flatMap(([word, what]) => [make("dt", {}, word), make("dd", {}, what)]))];
  const whole = note.stages.reduce((sum, [, ms]) => sum + ms, 0);
  if (whole > 0) {
    const bar = make("div", { class: "stages" });
    const told = make("p", { class: "stage-words" });
    for (const [stage, ms] of note.stages) {
      const part = make("i", { title: `${stage} ${ms.toFixed(1)} ms` });
      part.style.flexGrow = ms / whole;
      const word = make("span", {}, `${stage} ${ms.toFixed(1)}`);
      part.style.background = STAGE_COLOURS[stage] ?? "#9aa7bd";
      word.style.setProperty("--of", STAGE_COLOURS[stage] ?? "#9aa7bd");
      bar.append(part);
      told.append(word);
    }
    found.push(bar, told);
  }
  return found;
}

/** The explanations: the one of this moment in full, and all of them below. */
export class Notes {
  constructor(place, show, seek) {
    this.notes = show.notes;
    this.word = show.kind === "episode" ? "decision" : "thought";
    this.times = show.notes.map((note) => note.t);
    if (!this.notes.length) {
      place.append(
        show.kind === "episode" ? make("div", { class: "empty" }, make("p", {}, "The agent decided nothing in this episode.")) :
        make("div", { class: "empty" }, make("p", {}, "Nobody has explained this recording yet. This does:"), make("code", {}, show.no_notes), make("p", {}, "Then load this page again. (", make("code", { class: "small" }, "--by vlm"), " asks a vision-language model.)")),
      );
      return;
    }
    this.now = make("div", { id: "thought" });
    const list = make("div", { class: "list" });
    place.append(this.now, list);
    this.rows = new Rows(
      list,
      40,
      (i) => {
        const note = this.notes[i];
        const what = note.steps.map((step) => step.what).join(", then ");
        const why = note.bad ? "no plan: it became a wait" : note.steps[0].why;
        return [make("time", {}, clock(note.t, 2)), make("div", { class: note.bad ? "note bad" : "note" }, make("span", { class: "what" }, what), make("p", {}, why))];
      },
      (i) => seek(this.times[i]),
    );
    this.rows.setCount(this.notes.length);
  }

  draw(until) {
    if (!this.notes.length) return;
    const i = countUpTo(this.times, until - 1e-3) - 1;
    if (i === this.shown) return;
    this.shown = i;
    this.rows.setCurrent(i);
    const note = this.notes[i];
    this.now.replaceChildren(
      ...(note
        ? [make("div", { class: "by" }, make("time", {}, clock(note.t, 2)), make("span", {}, `by ${note.by}`)), ...steps(note, true), ...known(note)]
        : [make("p", { class: "faint" }, `The first ${this.word} is at ${clock(this.times[0], 2)}.`)]),
    );
  }
}

/** Everything that happened, as {t, kind, text, colour}, by time. */
export function allEvents(show, lanes) {
  const found = [];
  for (const lane of lanes) {
    const word = lane.name ? `${lane.name} (${keyWord(lane.key)})` : keyWord(lane.key);
    const { begins, ends } = lane.spans;
    for (let i = 0; i < begins.length; i++) {
      found.push({ t: begins[i], kind: "press", lane, text: word, more: length(ends[i] - begins[i]), colour: lane.colour });
    }
  }
  const colours = { mark: "#ffd54a", failure: "#ff5c6c", mode: "#b78bff" };
  for (const event of show.events) found.push({ ...event, colour: colours[event.kind] ?? "#a7b2c6" });
  for (const gap of show.gaps) {
    found.push({ t: gap.end, kind: "gap", text: gap.why, more: length(gap.end - gap.begin), colour: "#7d889b" });
  }
  for (const note of show.notes) {
    found.push({ t: note.t, kind: "thought", text: note.steps[0].why || note.steps[0].what, colour: "#7ee0ff" });
  }
  return found.sort((a, b) => a.t - b.t);
}

/** What one can jump by: the words of each choice, and which events it is about. */
export function choices(events, lanes, of) {
  const kinds = [
    ["press", "every press"],
    ...lanes.map((lane) => [lane, laneWord(lane)]),
    ["mark", "marks"],
    ["thought", of === "episode" ? "decisions" : "thoughts"],
    ["failure", "no plan"],
    ["mode", "who plays"],
    ["gap", "gaps"],
    ["focus", "focus"],
    ["pause", "pauses"],
    ["scroll", "wheel"],
    ["window", "window"],
    ["cover", "covered"],
  ];
  return [["all", "everything"], ...kinds]
    .map(([kind, word]) => {
      const of = kind === "all" ? events : events.filter((event) => (typeof kind === "string" ? event.kind === kind : event.lane === kind));
      return { kind, word, events: of, times: of.map((event) => event.t) };
    })
    .filter((choice) => choice.events.length || ["all", "press", ...(of === "episode" ? [] : ["mark"])].includes(choice.kind));
}

/** The events that one jumps by, as a list in which one can search. */
export class Events {
  constructor(place, search, seek) {
    this.found = [];
    this.search = search;
    this.empty = make("p", { class: "empty", hidden: "" }, "There are none.");
    place.append(this.empty);
    this.rows = new Rows(
      place,
      26,
      (i) => {
        const event = this.found[i];
        const dot = make("i", { class: "dot" });
        dot.style.background = event.colour;
        return [make("time", {}, clock(event.t, 2)), dot, make("span", { class: "text" }, event.text), ...(event.more ? [make("small", {}, event.more)] : [])];
      },
      (i) => seek(this.found[i].t),
    );
    search.addEventListener("input", () => this.set(this.choice));
  }

  set(choice) {
    this.choice = choice;
    const words = this.search.value.trim().toLowerCase();
    this.found = words ? choice.events.filter((event) => event.text.toLowerCase().includes(words)) : choice.events;
    this.times = this.found.map((event) => event.t);
    this.empty.hidden = this.found.length > 0;
    this.rows.current = -1;
    this.rows.setCount(this.found.length);
  }

  draw(until) {
    this.rows.setCurrent(countUpTo(this.times, until - 1e-3) - 1);
  }
}

/** The flagged spans. */
export class Flags {
  constructor(place, show, seek, undo) {
    this.place = place;
    this.show = show;
    this.seek = seek;
    this.undo = undo;
    this.draw();
  }

  draw() {
    const { flags, can_flag } = this.show;
    const how = can_flag
      ? "Press F where a bad span begins and again where it ends, or draw over the timeline with Shift held. tracker export leaves flagged spans out."
      : "Nothing can be flagged here.";
    this.place.replaceChildren(
      ...flags.map((flag) =>
        make(
          "div",
          { class: "flagged" },
          make("button", { class: "go", title: "Go there", onclick: () => this.seek(flag.begin) }, `${clock(flag.begin, 2)} \u2013 ${clock(flag.end, 2)}`),
          make("span", { class: flag.why ? "text" : "text faint" }, flag.why || "no reason given"),
          make("small", {}, length(flag.end - flag.begin)),
          ...(can_flag ? [make("button", { class: "undo", title: "Take this flag back", onclick: () => this.undo(flag) }, "Undo")] : []),
        ),
      ),
      make("div", { class: "empty" }, make("p", {}, flags.length ? how : `Nothing is flagged. ${how}`)),
    );
  }
}
