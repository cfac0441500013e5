// Plays the films of a recording as one. Its clock is that of the recording: a picture is asked for by the time at which
// it was taken, and what is told of is always the picture that is on.

import { countUpTo, rows } from "./words.js";

const LONGEST_MS = 100; // of a picture, where nothing was recorded after it
const AHEAD_MS = 4000; // before a film's end the next one is made ready
const HAS_CALLBACK = "requestVideoFrameCallback" in HTMLVideoElement.prototype;

export class Player extends EventTarget {
  /** `elements`: two videos; the one that is on has the class "on". Events: "picture" (another picture is on, or will
   * be in an instant), "state" (it plays, or not, or at another speed), "trouble" (`detail` says what, or ""),
   * "gap" (one was left out), "cut" (the film `video` has `missing` pictures less than it should have). */
  constructor(show, elements) {
    super();
    this.videos = show.videos;
    this.gaps = show.gaps;
    this.begins = this.videos.map((video) => video.begin);
    this.speed = 1;
    this.playing = false;
    this.video = 0;
    this.frame = 0;
    this.place = 0;
    /** Which picture the browser has really drawn: "video:frame". */
    this.drawn = "";
    this._frames = new Map();
    this._slots = [...elements].map((element) => ({ element, video: -1 }));
    this._on = this._slots[0];
    this._asked = 0;
    for (const slot of this._slots) {
      slot.element.addEventListener("error", () => this._failed(slot));
      slot.element.addEventListener("ended", () => slot === this._on && this._cross(slot.video));
      if (HAS_CALLBACK) this._watch(slot);
    }
    if (!HAS_CALLBACK) {
      const look = () => {
        if (this.playing) this._seen(this._on, this._on.element.currentTime);
        requestAnimationFrame(look);
      };
      look();
    }
  }

  /** When the picture that is on was taken, and until when it stands for what happened. */
  get t() {
    const frames = this._frames.get(this.video);
    return frames?.times?.[this.frame] ?? this.begins[this.video] ?? this.place;
  }

  get until() {
    const times = this._frames.get(this.video)?.times;
    const next = times?.[this.frame + 1] ?? this.begins[this.video + 1] ?? this.t + 34;
    return Math.min(next, this.t + LONGEST_MS);
  }

  /** Shows the picture that was on at `t`. */
  async seek(t) {
    if (!this.videos.length) {
      this.place = t; // without pictures one can still go from event to event
      this._tell("picture");
      return;
    }
    const asked = ++this._asked;
    const video = Math.max(0, countUpTo(this.begins, t + 1e-3) - 1);
    const frames = await this._load(video);
    if (asked !== this._asked) return;
    if (!frames) {
      this._go(video, 0);
      return;
    }
    await this._go(video, Math.max(0, countUpTo(frames.times, t + 1e-3) - 1));
  }

  /** One picture on (1) or back (-1). */
  async step(by) {
    if (!this.videos.length) return;
    this.pause();
    const asked = ++this._asked;
    let [video, frame] = [this.video, this.frame + by];
    let frames = await this._load(video);
    if (frame < 0 && video > 0) {
      frames = await this._load(--video);
      frame = Infinity;
    } else if (frames && frame >= frames.times.length && video + 1 < this.videos.length) {
      frames = await this._load(++video);
      frame = 0;
    }
    const last = (frames?.times.length ?? 1) - 1;
    if (asked === this._asked) await this._go(video, Math.max(0, Math.min(frame, last)));
  }

  async play() {
    if (!this.videos.length || this.playing) return;
    this.playing = true;
    this._tell("state");
    const frames = await this._load(this.video);
    if (frames && this.video === this.videos.length - 1 && this.frame >= frames.times.length - 1) await this.seek(0);
    if (this.playing) this._run();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    clearTimeout(this._jump);
    this._on.element.pause();
    this._tell("state");
    this._go(this.video, this.frame); // exactly on the picture that was told of
  }

  setSpeed(speed) {
    this.speed = speed;
    for (const { element } of this._slots) element.playbackRate = speed;
    this._tell("state");
  }

  // -- films and their pictures ------------------------------------------------------------------------------------

  /** When each picture of a film is shown in it, and when it was taken; null when it cannot be had. */
  async _load(video) {
    if (!this._frames.has(video)) {
      const loading = rows(`frames/${video}`, 2).then(
        ([pts, times]) => ({ pts, times }),
        (error) => ({ error: error.message }),
      );
      this._frames.set(video, loading);
      this._frames.set(video, await loading);
      const there = this._frames.get(video)?.times?.length;
      const missing = this.videos[video].pictures - there;
      if (there && missing > 0) this.dispatchEvent(new CustomEvent("cut", { detail: { video, missing } }));
    }
    const frames = await this._frames.get(video);
    if (frames.error || !frames.times.length) {
      this._frames.delete(video); // it may go well later
      this._trouble(frames.error ?? "This video has no picture that can be read.");
      return null;
    }
    return frames;
  }

  async _go(video, frame) {
    this.video = video;
    this.frame = frame;
    this._tell("picture");
    const frames = this._frames.get(video);
    if (!frames?.times) return;
    this._trouble("");
    const slot = this._take(video);
    const place = (frames.pts[frame] + 0.5) / 1000;
    const { element } = slot;
    if (Math.abs(element.currentTime - place) < 1e-4 && element.readyState >= 2 && !element.seeking) {
      this._reached(slot, video, frame);
      return;
    }
    const asked = ++this._seeks || (this._seeks = 1);
    element.currentTime = place;
    await new Promise((done) => {
      element.addEventListener("seeked", done, { once: true });
      element.addEventListener("error", done, { once: true });
    });
    if (asked === this._seeks && element.readyState >= 2) this._reached(slot, video, frame);
  }

  _reached(slot, video, frame) {
    if (slot !== this._on) {
      this._on.element.pause();
      this._on = slot;
    }
    for (const { element } of this._slots) element.classList.toggle("on", element === slot.element);
    // The browser draws what it has sought before the picture after the next one.
    requestAnimationFrame(() => requestAnimationFrame(() => this._drew(video, frame)));
    if (this.playing && slot.element.paused) this._run();
  }

  _drew(video, frame) {
    this.drawn = `${video}:${frame}`;
    this._tell("drawn");
  }

  /** The element that holds this film, or the other one, which then gets it. */
  _take(video) {
    let slot = this._slots.find((s) => s.video === video);
    if (slot && slot.element.error) slot.video = -1;
    if (!slot || slot.video !== video) {
      slot = this._slots.find((s) => s !== this._on || this._on.video === -1) ?? this._on;
      slot.video = video;
      slot.element.src = `film/${video}.mp4`;
      slot.element.playbackRate = slot.element.defaultPlaybackRate = this.speed;
    }
    return slot;
  }

  _failed(slot) {
    if (slot !== this._on && slot.video !== this.video) return;
    const said = slot.element.error?.message || "it is damaged";
    this._trouble(`The browser cannot show the video here (${said}). Jump past this place.`);
    this.pause();
  }

  // -- playing -----------------------------------------------------------------------------------------------------

  _run() {
    const slot = this._on;
    slot.element.playbackRate = this.speed;
    slot.element.play().catch(() => {}); // another seek or film came in between
    this._over();
  }

  _watch(slot) {
    const { element } = slot;
    const seen = (now, { mediaTime }) => {
      this._seen(slot, mediaTime);
      element.requestVideoFrameCallback(seen);
    };
    element.requestVideoFrameCallback(seen);
  }

  /** The picture at `seconds` of the film in `slot` is on. */
  _seen(slot, seconds) {
    const frames = this._frames.get(slot.video);
    if (slot !== this._on || slot.video !== this.video || !frames?.times) return;
    const frame = Math.max(0, countUpTo(frames.pts, seconds * 1000 + 0.5) - 1);
    if (slot.element.seeking) return;
    this._drew(this.video, frame);
    if (!this.playing || frame === this.frame) return;
    this.frame = frame;
    this._tell("picture");
    this._over();
    if (frames.times.at(-1) - this.t < AHEAD_MS && this.video + 1 < this.videos.length) this._prepare(this.video + 1);
  }

  /** Goes on over a gap: where the next picture was taken much later, nobody waits for it. */
  _over() {
    clearTimeout(this._jump);
    const frames = this._frames.get(this.video);
    if (!frames?.times) return;
    const [now, next] = [frames.times[this.frame], frames.times[this.frame + 1]];
    if (next === undefined) {
      // The last picture: a film may end without saying so.
      const { video } = this;
      this._jump = setTimeout(() => this._cross(video), 60 / this.speed);
    } else if (next - now > 2 * LONGEST_MS && this.gaps.some((gap) => gap.begin <= now + 1 && gap.end >= next - 1)) {
      const { video, frame } = this;
      this._jump = setTimeout(() => {
        if (!this.playing || this.video !== video || this.frame !== frame) return;
        this.dispatchEvent(new CustomEvent("gap", { detail: this.gaps.find((gap) => gap.end >= next - 1) }));
        this._go(video, frame + 1);
      }, 40 / this.speed);
    }
  }

  /** From the end of the film `from`, which is on, to the next one's first picture. */
  async _cross(from) {
    if (!this.playing || this.video !== from || this._crossing === from) return;
    this.frame = (this._frames.get(from)?.times?.length ?? 1) - 1; // the browser need not tell of the last one
    this._tell("picture");
    const video = from + 1;
    if (video >= this.videos.length) {
      this.pause();
      return;
    }
    const gap = this.gaps.find((g) => Math.abs(g.end - this.begins[video]) < 1);
    if (gap) this.dispatchEvent(new CustomEvent("gap", { detail: gap }));
    this._crossing = from;
    await this._load(video);
    if (this.playing && this.video === from) await this._go(video, 0);
    this._crossing = -1;
  }

  async _prepare(video) {
    if (this._slots.some((slot) => slot.video === video) || this._preparing === video) return;
    this._preparing = video;
    if (await this._load(video)) this._take(video);
  }

  _trouble(says) {
    if (says !== (this._said ?? "")) this.dispatchEvent(new CustomEvent("trouble", { detail: says }));
    this._said = says;
  }

  _tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
