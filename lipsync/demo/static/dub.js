import { own } from "./api.js";
import { h, options } from "./html.js";
import { asked, run } from "./jobs.js";
import { picker } from "./pickers.js";

export function facts(video) {
  const faces = video.faces === video.frames
    ? "a face in every frame" : `a face in ${video.faces} of ${video.frames} frames`;
  const silent = video.silent ? "; the sound is silent, so the mouth stays closed" : "";
  return `${video.seconds} s, ${video.fps} frames a second, ${faces}${silent}; made in ${video.took} s`;
}

export function download(video, text = `Save ${video.model}`) {
  return h("a", { class: "button", href: own(`/files/${video.file}`),
                  download: `dub-${video.model.replaceAll("/", "-")}.mp4` }, text);
}

export function start(panel, about) {
  const form = panel.querySelector("form");
  const pickers = [...panel.querySelectorAll("fieldset")].map((one) => picker(one, about));
  options(form.elements.model, about.generators, about.generator);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const found = asked(panel, form, pickers);
    if (!found) return;
    const { model, which } = form.elements;
    const wanted = { ...found.wanted, do: "dub", model: model.value, which: which.value };
    const result = await run(panel, found.files, wanted);
    if (!result) return;
    const video = result.videos[0];
    panel.querySelector(".result").replaceChildren(
      h("video", { src: own(`/files/${video.file}`), controls: true, playsinline: true,
                   "aria-label": "The dubbed video" }),
      h("p", { class: "facts" }, `By ${video.model}: ${facts(video)}.`),
      download(video, "Save the video"),
    );
  });
}
