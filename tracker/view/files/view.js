// The page of one recording: fetches what there is to show, and ties the parts together.

import { Keys } from "./keys.js";
import { allEvents, choices, Events, Flags, Notes } from "./lists.js";
import { Player } from "./player.js";
import { drawPointer, Motion } from "./pointer.js";
import { Timeline } from "./timeline.js";
import { ask, clock, colour, countUpTo, length, make, once, Spans } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const WHYS = ["menu", "not playing", "picture stutters", "wrong window", "cheating"];
const HELP = [
  ["Space", "play or pause"],
  ["\u2190 \u2192", "a frame back or forward"],
  ["Shift + \u2190 \u2192", "a second back or forward"],
  ["Home  End", "to the begin or the end"],
  ["[ ]", "slower or faster"],
  ["N  P", "the next or previous of what \u201cJump by\u201d says"],
  ["M  Shift + M", "the next or previous mark"],
  ["T  Shift + T", "the next or previous thought"],
  ["G  Shift + G", "the next or previous gap"],
  ["F", "a bad span begins, or ends, here"],
  ["U", "take the last flag back"],
  ["Escape", "no flag after all"],
  ["+ \u2212 0", "zoom the timeline in, out, to all of it"],
  ["O", "the mouse over the picture, or not"],
  ["1 2 3", "thoughts, events, flags"],
  ["?", "this list"],
  ["Wheel", "on the timeline: zoom; with Shift: move"],
  ["Drag", "on the timeline: move; on the ruler: scrub; with Shift: flag"],
];

/** What an episode of the agent is without, or calls otherwise. */
const OF_EPISODE = {
  left_out: ["F", "U", "Escape", "M  Shift + M"],
  says: {
    "T  Shift + T": "the next or previous decision",
    "1 2": "decisions, events",
    Drag: "on the timeline: move; on the ruler: scrub",
  },
};

function help(show) {
  if (show.kind !== "episode") return HELP;
  const there = HELP.filter(([keys]) => !OF_EPISODE.left_out.includes(keys));
  return there.map(([keys, says]) => [keys.replace("1 2 3", "1 2"), says]).map(([keys, says]) => [keys, OF_EPISODE.says[keys] ?? says]);
}

/** At the top of the page. */
function tellProblem(text) {
  $("#problems").append(make("li", {}, text));
  $("#problems").hidden = false;
}

class View {
  constructor(show) {
    this.show = show;
    document.body.classList.add(show.kind);
    this.lanes = show.lanes.map((lane, i) => ({ ...lane, colour: colour(lane, i), spans: new Spans(lane.spans) }));
    this.events = allEvents(show, this.lanes);
    this.choices = choices(this.events, this.lanes, show.kind);
    this.flagFrom = null;
    this.flagged = []; // by this page, the newest at the end
    this.overlay = true;
    this.update = once(() => this._draw());
    this._head();
    this.player = new Player(show, document.querySelectorAll("#picture video"));
    this.motion = new Motion(show.chunk_ms, this.update);
    this.keys = new Keys($("#keys"), show, this.lanes);
    this.timeline = new Timeline(show, this.lanes, $("#timeline"), $("#overview"));
    const seek = (t) => this.seek(t);
    this.notes = new Notes($("#notes"), show, seek);
    this.list = new Events($("#events .list"), $("#search"), seek);
    this.flags = new Flags($("#flags"), show, seek, (flag) => this.undo(flag));
    this._transport();
    this._tabs();
    this._wire();
    this._told();
    const at = Number(/^#t=([\d.]+)$/.exec(location.hash)?.[1] ?? 0) * 1000;
    this.seek(Math.min(at, show.duration));
    new ResizeObserver(() => this._fit()).observe($("#screen"));
  }

  seek(t) {
    return this.player.seek(t);
  }

  // -- what stands still ---------------------------------------------------------------------------------------------

  _head() {
    const { show } = this;
    document.title = `${show.title} \u2013 combatvla`;
    $("#title").textContent = show.title;
    $("#about").append(...[...show.about, length(show.duration)].map((text) => make("li", {}, text)));
    $("#back").hidden = !show.several;
    show.problems.forEach(tellProblem);
    $("#help dl").append(...help(show).flatMap(([keys, says]) => [make("dt", {}, ...keys.split("  ").map((key) => make("kbd", {}, key))), make("dd", {}, says)]));
    $("#whys").append(...WHYS.map((why) => make("button", { onclick: () => this._keepFlag(why) }, why)));
  }

  _transport() {
    const { show } = this;
    $("#speed").append(...SPEEDS.map((speed) => make("option", { value: speed }, `${speed}x`)));
    $("#speed").value = 1;
    $("#speed").addEventListener("change", (event) => this.player.setSpeed(Number(event.target.value)));
    this.choices.forEach(({ word, events }, i) => $("#what").append(make("option", { value: i }, `${word} (${events.length})`)));
    $("#what").value = 0;
    this._choose(0);
    if (show.kind === "episode") $("#tab-notes span").textContent = "Decisions";
    $("#what").addEventListener("change", (event) => {
      this._choose(Number(event.target.value));
      this._tab("events");
    });
    const press = (id, act) => $(id).addEventListener("click", (event) => {
      act();
      event.currentTarget.blur(); // so that Space goes on to play and pause
    });
    press("#play", () => this._toggle());
    press("#back-frame", () => this.player.step(-1));
    press("#next-frame", () => this.player.step(1));
    press("#previous", () => this.jump(this.choice, -1));
    press("#next", () => this.jump(this.choice, 1));
    press("#flag", () => this._flagHere());
    press("#help-button", () => $("#help").showModal());
    $("#help-close").addEventListener("click", () => $("#help").close());
    $("#ask-yes").addEventListener("click", () => this._keepFlag($("#why").value.trim()));
    $("#ask-no").addEventListener("click", () => $("#ask").close());
    $("#ask").addEventListener("close", () => this._noFlag());
    $("#why").addEventListener("keydown", (event) => event.key === "Enter" && this._keepFlag($("#why").value.trim()));
    $("#flag").disabled = !this.show.can_flag;
  }

  _choose(i) {
    this.choice = this.choices[i];
    this.list.set(this.choice);
    this.update();
  }

  _tabs() {
    for (const name of ["notes", "events", "flags"]) $(`#tab-${name}`).addEventListener("click", () => this._tab(name));
    this._tab("notes");
  }

  _tab(name) {
    for (const other of ["notes", "events", "flags"]) {
      $(`#${other}`).hidden = other !== name;
      $(`#tab-${other}`).setAttribute("aria-selected", other === name);
    }
    this.update();
  }

  _told() {
    $("#tab-notes b").textContent = this.show.notes.length || "";
    $("#tab-events b").textContent = this.events.length || "";
    $("#tab-flags b").textContent = this.show.flags.length || "";
  }

  // -- what moves ----------------------------------------------------------------------------------------------------

  _wire() {
    const { player, timeline } = this;
    for (const what of ["picture", "state"]) player.addEventListener(what, this.update);
    player.addEventListener("drawn", () => ($("#screen").dataset.drawn = player.drawn));
    player.addEventListener("gap", ({ detail }) => detail && this._sayGap(detail));
    player.addEventListener("cut", ({ detail }) => this._sayCut(detail));
    player.addEventListener("trouble", ({ detail }) => {
      $("#veil").textContent = detail;
      $("#veil").hidden = !detail;
    });
    if (!this.show.videos.length) {
      $("#veil").textContent = "There is no picture to show.";
      $("#veil").hidden = false;
    }
    timeline.addEventListener("seek", ({ detail }) => this.seek(detail));
    timeline.addEventListener("span", ({ detail }) => (this.show.can_flag ? this._askFlag(...detail) : this._noFlag()));
    timeline.addEventListener("hover", ({ detail }) => this._hover(detail));
    document.addEventListener("keydown", (event) => this._key(event));
  }

  _draw() {
    const { player, show } = this;
    const { t, until } = player;
    const lit = new Set(this.lanes.filter((lane) => lane.spans.touch(t, until)));
    document.body.classList.toggle("playing", player.playing);
    $("#speed").value = player.speed;
    $("#clock").textContent = `${clock(t)} / ${clock(show.duration)}`;
    const many = player.videos.length > 1 ? `video ${player.video + 1}, ` : "";
    $("#frame-number").textContent = show.videos.length ? `${many}frame ${player.frame}` : "";
    this.keys.draw(t, until, lit, (a, b) => this.motion.turned(a, b));
    if (this.flagFrom !== null) this.timeline.pending = [this.flagFrom, t];
    this.timeline.moveHead(t, lit, player.playing);
    if (!$("#notes").hidden) this.notes.draw(until);
    if (!$("#events").hidden) this.list.draw(until);
    this._fit();
    const pointer = $("#pointer");
    pointer.hidden = !this.overlay;
    const pressed = [...lit].some((lane) => lane.key.startsWith("mouse"));
    if (this.overlay) drawPointer(pointer, this.motion, show.videos[player.video], t, pressed);
    const flag = show.flags.find((f) => f.begin < until && f.end >= t);
    $("#flag-told").hidden = !flag;
    if (flag) $("#flag-told").textContent = flag.why ? `flagged: ${flag.why}` : "flagged";
    const span = show.spans.find((s) => s.begin < until && s.end > t);
    $("#span-told").hidden = !span;
    if (span) $("#span-told").textContent = span.text;
    $("#span-told").dataset.kind = span?.kind ?? "";
    if (!player.playing) history.replaceState(null, "", `#t=${(t / 1000).toFixed(3)}`);
  }

  /** The picture as large as its place allows; what the film has beyond it is cut off. */
  _fit() {
    const video = this.show.videos[this.player.video];
    if (!video) return;
    const [place, picture] = [$("#screen"), $("#picture")];
    const scale = Math.min(place.clientWidth / video.width, place.clientHeight / video.height);
    const [width, height] = [Math.floor(video.width * scale), Math.floor(video.height * scale)];
    if (picture.clientWidth === width && picture.clientHeight === height) return;
    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;
    for (const element of picture.querySelectorAll("video")) {
      const even = (n) => n + (n % 2);
      element.style.width = `${(100 * even(video.width)) / video.width}%`;
      element.style.height = `${(100 * even(video.height)) / video.height}%`;
    }
    this.update();
  }

  _hover(detail) {
    const hover = $("#hover");
    hover.hidden = !detail;
    if (!detail) return;
    hover.textContent = detail.words;
    const half = hover.offsetWidth / 2;
    hover.style.left = `${Math.min(Math.max(detail.x, half + 4), window.innerWidth - half - 4)}px`;
    hover.style.top = `${detail.y - 26}px`;
  }

  _sayGap(gap) {
    const told = $("#gap-told");
    told.textContent = `${length(gap.end - gap.begin)} left out: ${gap.why}`;
    told.hidden = false;
    clearTimeout(this._gapTimer);
    this._gapTimer = setTimeout(() => (told.hidden = true), 2500);
  }

  /** Which pictures a film lacks is only known once it is made: when it is first shown. */
  _sayCut({ video, missing }) {
    const { videos } = this.show;
    const which = videos.length > 1 ? `Video ${video + 1} of ${videos.length}` : "The video";
    tellProblem(`${which} lacks ${missing} of its ${videos[video].pictures} pictures: recording was cut off, or it is damaged.`);
  }

  _toast(text) {
    const toast = $("#toast");
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(this._toastTimer);
    this._toastTimer = setTimeout(() => (toast.hidden = true), 5000);
  }

  // -- jumping -------------------------------------------------------------------------------------------------------

  _toggle() {
    if (this.player.playing) this.player.pause();
    else this.player.play();
  }

  /** To the next (1) or previous (-1) event of a choice. */
  jump(choice, by) {
    if (!choice?.times.length) {
      this._toast("There are none in this recording.");
      return;
    }
    const { t, until } = this.player;
    // An event belongs to the picture that is on when it comes.
    const i = by > 0 ? countUpTo(choice.times, until - 1e-3) : countUpTo(choice.times, t - 1e-3) - 1;
    if (i < 0 || i >= choice.times.length) this._toast(by > 0 ? "That was the last one." : "That was the first one.");
    else this.seek(choice.times[i]);
  }

  _key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
    if (typing) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "search")) event.target.blur();
      return;
    }
    const { player, show, timeline } = this;
    const way = event.shiftKey ? -1 : 1;
    const of = (kind) => this.choices.find((choice) => choice.kind === kind);
    const faster = (by) => player.setSpeed(SPEEDS[Math.min(Math.max(0, SPEEDS.indexOf(player.speed) + by), SPEEDS.length - 1)]);
    const acts = {
      " ": () => this._toggle(),
      arrowleft: () => (event.shiftKey ? this.seek(Math.max(0, player.t - 1000)) : player.step(-1)),
      arrowright: () => (event.shiftKey ? this.seek(player.t + 1000) : player.step(1)),
      home: () => this.seek(0),
      end: () => this.seek(this.show.duration),
      "[": () => faster(-1),
      "]": () => faster(1),
      n: () => this.jump(this.choice, 1),
      p: () => this.jump(this.choice, -1),
      m: () => this.jump(of("mark"), way),
      t: () => this.jump(of("thought"), way),
      g: () => this.jump(of("gap"), way),
      f: () => this._flagHere(),
      u: () => this.flagged.length && this.undo(this.flagged.at(-1)),
      escape: () => this._noFlag(),
      "+": () => timeline.zoom(0.6),
      "=": () => timeline.zoom(0.6),
      "-": () => timeline.zoom(1 / 0.6),
      0: () => timeline.look(0, this.show.duration),
      o: () => {
        this.overlay = !this.overlay;
        this.update();
      },
      1: () => this._tab("notes"),
      2: () => this._tab("events"),
      3: () => show.kind === "session" && this._tab("flags"),
      "?": () => $("#help").showModal(),
    };
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // -- flags ---------------------------------------------------------------------------------------------------------

  _flagHere() {
    if (!this.show.can_flag) {
      this._toast("Nothing can be flagged here.");
      return;
    }
    const { t } = this.player;
    if (this.flagFrom === null) {
      this.flagFrom = t;
      $("#flag").classList.add("on");
      $("#flag span").textContent = "End bad span";
      this._toast(`A bad span begins at ${clock(t)}. Go to its end and press F again; Escape gives it up.`);
      this.update();
    } else {
      const [begin, end] = [Math.min(this.flagFrom, t), Math.max(this.flagFrom, t)];
      this._askFlag(begin, end);
    }
  }

  _askFlag(begin, end) {
    this.flagFrom = null;
    this.asked = { begin, end };
    this.timeline.pending = [begin, end];
    this.timeline.redraw();
    this.player.pause();
    $("#toast").hidden = true;
    $("#ask-span").textContent = `${clock(begin)} to ${clock(end)} (${length(end - begin)})`;
    $("#why").value = "";
    $("#ask").showModal();
    $("#why").focus();
  }

  _noFlag() {
    this.flagFrom = null;
    this.timeline.pending = null;
    this.timeline.redraw();
    $("#flag").classList.remove("on");
    $("#flag span").textContent = "Flag bad span";
  }

  async _keepFlag(why) {
    const flag = { ...this.asked, why };
    $("#why").blur(); // the next key is for the page
    $("#ask").close();
    if (await this._send(flag, false)) {
      this.flagged.push(flag);
      this._toast("Flagged: tracker export leaves this span out. U takes it back.");
    }
  }

  async undo({ begin, end }) {
    if (!(await this._send({ begin, end, why: "" }, true))) return;
    this.flagged = this.flagged.filter((flag) => flag.begin !== begin || flag.end !== end);
    this._toast("The flag was taken back.");
  }

  async _send(flag, undo) {
    try {
      const body = JSON.stringify({ ...flag, undo });
      const answer = await ask("flags", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      this.show.flags = answer.flags;
    } catch (error) {
      this._toast(error.message);
      return false;
    }
    this.flags.draw();
    this._told();
    this.update();
    return true;
  }
}

try {
  window.view = new View(await ask("show.json"));
  document.body.classList.add("ready");
} catch (error) {
  console.error(error);
  document.body.classList.add("broken");
  tellProblem(error.message);
}
