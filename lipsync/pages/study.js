"use strict";
// The page of a blind study. Order and sides follow from the seed and the person's name alone.

const study = JSON.parse(document.getElementById("study").textContent);
const asked = study.questions.map(([name]) => name);
const find = (selector) => document.querySelector(selector);
const [left, right] = document.querySelectorAll("canvas");
const film = find("video");
let person = "", trials = [], answers = [], place = 0, played = 0, since = 0;

// Numbers in [0, 1) from a text: FNV-1a, then mulberry32.
function randomOf(text) {
  let state = 2166136261;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffle(items, random) {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other], items[last]];
  }
  return items;
}

// The pairs of a person; of every two of them one has its sides changed.
function drawn(name) {
  const random = randomOf(`${study.seed} ${name}`);
  const all = Object.entries(study.films).flatMap(([id, { panels, pairs }]) =>
    pairs.map(([one, two]) => ({ film: id, panels, one, two })));
  const shown = shuffle(all, random).slice(0, study.trials);
  const sides = shuffle(shown.map((_, number) => number % 2), random);
  return shown.map(({ film: id, panels, one, two }, number) => ({
    film: id, panels, left: sides[number] ? two : one, right: sides[number] ? one : two,
  }));
}

const trial = () => trials[Math.floor(place / asked.length)];
const question = () => asked[place % asked.length];
const memory = () => `lipsync ${study.study} ${person}`;

function remember() {
  try {
    localStorage.setItem(memory(), JSON.stringify(answers));
  } catch { /* not every browser keeps something for a file: the saved file is what counts */ }
}

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(memory()));
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

function draw() {
  if (film.videoWidth === 0) return;
  const width = film.videoWidth / trial().panels;
  for (const [canvas, panel] of [[left, trial().left], [right, trial().right]]) {
    canvas.width = width;
    canvas.height = film.videoHeight;
    canvas.getContext("2d").drawImage(
      film, panel * width, 0, width, film.videoHeight, 0, 0, width, film.videoHeight);
  }
}

const byFrame = "requestVideoFrameCallback" in film;

function follow() {
  draw();
  if (byFrame) film.requestVideoFrameCallback(follow);
  else if (!film.paused) requestAnimationFrame(follow);
}

function show() {
  const over = place >= trials.length * asked.length;
  find("#pair").hidden = over;
  find("#end").hidden = !over;
  if (over) {
    film.pause();
    find("#end").focus();
    return;
  }
  const number = Math.floor(place / asked.length) + 1;
  find("#progress").textContent = `Pair ${number} of ${trials.length}`;
  find("#question").textContent = study.questions[place % asked.length][1];
  const source = `films/${trial().film}.mp4`;
  if (film.getAttribute("src") !== source || place % asked.length === 0) {
    played = 0;
    film.src = source;
  }
  since = performance.now();
  allow();
}

function allow() {
  for (const button of document.querySelectorAll("[data-answer]")) button.disabled = !played;
  find("#back").disabled = place === 0;
  find("#hint").textContent = played ? "" : "Play the pair to its end, then answer.";
}

function play() {
  film.currentTime = 0;
  film.play().catch(() => failed());
}

function failed() {
  if (!find("#pair").hidden) find("#hint").textContent = "This video cannot be played here.";
}

function answer(chosen) {
  if (!played) return;
  const { film: id, left: one, right: two } = trial();
  const seconds = Math.round((performance.now() - since) / 100) / 10;
  answers[place] = {
    film: id, left: one, right: two, question: question(), answer: chosen, plays: played, seconds,
  };
  place += 1;
  remember();
  show();
}

function back() {
  if (place === 0) return;
  place -= 1;
  show();
  played = 1;
  allow();
}

function save() {
  const told = { format: study.format, study: study.study, person, answers };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
  link.download = `answers-${person.replace(/[^\p{L}\p{N}_-]+/gu, "_")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

if (byFrame) film.requestVideoFrameCallback(follow);
else film.addEventListener("play", follow);
film.addEventListener("loadeddata", draw);
film.addEventListener("seeked", draw);
film.addEventListener("error", failed);
film.addEventListener("ended", () => {
  played += 1;
  allow();
});
find("#begin").addEventListener("submit", (event) => {
  event.preventDefault();
  person = event.target.person.value.trim();
  if (!person) return;
  trials = drawn(person);
  answers = remembered();
  place = answers.length;
  event.target.hidden = true;
  show();
  find("#pair").focus();
});
find("#play").addEventListener("click", play);
find("#back").addEventListener("click", back);
for (const button of document.querySelectorAll("[data-answer]"))
  button.addEventListener("click", () => answer(button.dataset.answer));
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (find("#pair").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const keys = {
    " ": play, Backspace: back,
    ArrowLeft: () => answer("left"), ArrowDown: () => answer("same"), ArrowRight: () => answer("right"),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
