// The list of recordings, where there are several. Each is asked for by itself: a long one takes a moment to read.

import { ask, length, make } from "./words.js";

const place = document.querySelector("#cards");

function card(i, told) {
  const name = make("b", { title: told.title }, told.title);
  if (told.error) return make("div", { class: "card" }, name, make("span", { class: "error" }, told.error));
  const count = (n, one, many) => make("span", { class: n ? "" : "faint" }, n ? `${n} ${n === 1 ? one : many}` : `no ${many}`);
  return make(
    "a",
    { class: "card", href: `${i}/` },
    name,
    make("span", { class: "faint" }, told.about.join(" \u00b7 ")),
    make("span", {}, length(told.duration)),
    count(told.presses, "press", "presses"),
    ...(told.kind === "episode"
      ? [count(told.notes, "decision", "decisions")]
      : [count(told.notes, "thought", "thoughts"), count(told.flags, "flag", "flags")]),
  );
}

try {
  const { count } = await ask("list.json");
  for (let i = 0; i < count; i++) {
    const told = await ask(`${i}/card.json`).catch((error) => ({ title: `${i + 1}`, error: error.message }));
    place.append(card(i, told));
  }
  document.body.classList.add("ready");
} catch (error) {
  place.append(make("p", { class: "error" }, error.message));
}
