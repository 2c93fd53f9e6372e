// Two dubs over each other, played together, with a wipe between them.

import { own } from "./api.js";
import { download, facts } from "./dub.js";
import { h, options } from "./html.js";
import { asked, fail, run } from "./jobs.js";
import { picker } from "./pickers.js";

const DRIFT = 0.03; // seconds by which the two may be apart

export function start(panel, about) {
  const form = panel.querySelector("form");
  const pickers = [...panel.querySelectorAll("fieldset")].map((one) => picker(one, about));
  const { left, right } = form.elements;
  options(left, about.generators, about.generator);
  options(right, about.generators, about.generators.find((name) => name !== about.generator));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const found = asked(panel, form, pickers);
    if (!found) return;
    if (left.value === right.value) {
      fail(panel, "Choose two different models.");
      return;
    }
    const wanted = { ...found.wanted, do: "compare", models: [left.value, right.value] };
    const result = await run(panel, found.files, wanted);
    if (result) panel.querySelector(".result").replaceChildren(...wipe(result.videos));
  });
}

function wipe(videos) {
  const [first, second] = videos.map((video) =>
    h("video", { src: own(`/files/${video.file}`), playsinline: true, preload: "auto",
                 "aria-label": `Dub by ${video.model}` }));
  second.muted = true; // both have the same sound
  const edge = h("div", { class: "edge" });
  const stage = h("div", { class: "wipe" }, first, second, edge,
    h("span", { class: "name left" }, videos[0].model),
    h("span", { class: "name right" }, videos[1].model));
  const place = h("input", { type: "range", min: 0, max: 100, value: 50, step: 1,
                             "aria-label": "Where the left model ends, in percent", oninput: cut });
  const seek = h("input", { type: "range", min: 0, max: 1000, value: 0, step: 1,
                            "aria-label": "Time", oninput: jump });
  const play = h("button", { type: "button", onclick: toggle }, "Play");

  function cut() {
    second.style.clipPath = `inset(0 0 0 ${place.value}%)`;
    edge.style.left = `${place.value}%`;
  }

  function shape() { // as wide as the picture is, up to the page's width
    const ratio = first.videoWidth / first.videoHeight;
    stage.style.aspectRatio = ratio;
    stage.style.maxWidth = `${30 * ratio}rem`;
  }

  function together() {
    if (Math.abs(first.currentTime - second.currentTime) > DRIFT) second.currentTime = first.currentTime;
  }

  function jump() {
    first.currentTime = second.currentTime = (seek.value / 1000) * (first.duration || 0);
  }

  async function toggle() {
    if (!first.paused) {
      first.pause();
      return;
    }
    if (first.ended) first.currentTime = 0;
    second.currentTime = first.currentTime;
    await Promise.all([first.play(), second.play()]);
  }

  function move(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = stage.getBoundingClientRect();
    place.value = (100 * (event.clientX - box.left)) / box.width;
    cut();
  }

  first.addEventListener("loadedmetadata", shape);
  first.addEventListener("play", () => (play.textContent = "Pause"));
  first.addEventListener("pause", () => {
    second.pause();
    together();
    play.textContent = "Play";
  });
  first.addEventListener("timeupdate", () => {
    together();
    seek.value = (1000 * first.currentTime) / (first.duration || 1);
  });
  stage.addEventListener("pointerdown", move);
  stage.addEventListener("pointermove", move);
  cut();
  return [
    stage,
    h("div", { class: "slider" }, h("span", {}, "Wipe"), place),
    h("div", { class: "slider" }, h("span", {}, play), seek),
    ...videos.map((video) => h("p", { class: "facts" }, `${video.model}: ${facts(video)}.`)),
    h("div", { class: "row" }, videos.map((video) => download(video))),
  ];
}
