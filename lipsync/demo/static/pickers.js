// Where a face or a sound comes from: a file, the camera or microphone, or a text.

import { h, options } from "./html.js";
import { recorder } from "./recording.js";

const MISSING = {
  Camera: "Record a video or take a picture first.",
  Microphone: "Record a sound first.",
  Text: "Write the text to speak.",
};
const MOST_SIDE = 1920; // pixels of a picture
let count = 0;

const KINDS = {
  face: {
    legend: "Face", accept: "video/*,image/*", ways: ["File", "Camera"],
    what: "a video or picture", hint: "One person, seen from the front",
  },
  sound: {
    legend: "Sound", accept: "audio/*,video/*", ways: ["File", "Microphone", "Text"],
    what: "a sound", hint: "Or a video with sound",
  },
  video: {
    legend: "Video", accept: "video/*", ways: ["File"], what: "a video", hint: "A video of a speaking face",
  },
};

// Fills a fieldset; gives { value(), clear() }. `about` is what /api/about says.
export function picker(fieldset, about) {
  const kind = fieldset.dataset.picker;
  const known = KINDS[kind];
  const languages = Object.entries(about.languages);
  const ways = known.ways.filter((way) => way !== "Text" || languages.length);
  const preview = h("div", { class: "preview" });
  const values = {};
  let way = "File";

  function show(blob) {
    preview.querySelectorAll("[src]").forEach((old) => URL.revokeObjectURL(old.src));
    preview.replaceChildren();
    if (!blob) return;
    const src = URL.createObjectURL(blob);
    const type = blob.type.split("/")[0];
    if (type === "image") preview.append(h("img", { src, alt: "The chosen picture" }));
    else if (type === "audio") preview.append(h("audio", { src, controls: true }));
    else preview.append(h("video", { src, controls: true, playsinline: true }));
  }

  function take(blob) {
    values[way] = blob;
    show(blob);
  }

  const parts = { File: fileWay(known, about, take) };
  if (ways.includes("Camera")) parts.Camera = recorder("camera", about.limits.seconds, take);
  if (ways.includes("Microphone")) {
    parts.Microphone = recorder("microphone", about.limits.seconds, take);
  }
  if (ways.includes("Text")) parts.Text = textWay(languages);

  function choose(next) {
    parts[way].leave?.();
    way = next;
    for (const [name, part] of Object.entries(parts)) part.element.hidden = name !== way;
    preview.hidden = way === "Text";
    show(values[way]);
  }

  const group = `way${(count += 1)}`;
  const radios = ways.map((name) =>
    h("label", {}, h("input", {
      type: "radio", name: group, value: name, checked: name === "File",
      onchange: () => choose(name),
    }), h("span", {}, name)),
  );
  fieldset.replaceChildren(
    h("legend", {}, fieldset.dataset.legend || known.legend),
    ways.length > 1 ? h("div", { class: "ways" }, radios) : "",
    ...Object.values(parts).map((part) => part.element),
    preview,
  );
  choose("File");

  return {
    kind,
    // { blob } or { text, language }; null where nothing was chosen
    value() {
      if (way === "Text") return parts.Text.value();
      return values[way] ? { blob: values[way] } : null;
    },
    get missing() {
      return MISSING[way] ?? `Choose ${known.what} first.`;
    },
  };
}

function fileWay(known, about, take) {
  const name = h("strong", {}, `Choose ${known.what}`);
  const hint = h("small", {}, `${known.hint}; up to ${about.limits.seconds} s and ${about.limits.mb} MB`);
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const input = h("input", {
    type: "file", accept: known.accept, "aria-label": `Choose ${known.what}`,
    onchange: () => chosen(input.files[0]),
  });
  const drop = h("label", { class: "drop" }, name, hint, input);
  drop.addEventListener("dragover", (event) => (event.preventDefault(), drop.classList.add("over")));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    chosen(event.dataTransfer.files[0]);
  });

  function chosen(file) {
    if (!file) return;
    const large = file.size > about.limits.mb * 1e6;
    problem.hidden = !large;
    problem.textContent = large
      ? `The file is larger than ${about.limits.mb} MB, the limit of this page.` : "";
    drop.classList.toggle("full", !large);
    name.textContent = large ? `Choose ${known.what}` : file.name;
    if (large) take(null);
    else if (file.type.startsWith("image/")) smaller(file).then(take);
    else take(file);
  }

  return { element: h("div", {}, drop, problem) };
}

// A picture no larger than a dub needs; one that the browser cannot read goes as it is.
async function smaller(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  const shrink = picture ? MOST_SIDE / Math.max(picture.width, picture.height) : 1;
  if (shrink >= 1) return file;
  const canvas = h("canvas", { width: Math.round(picture.width * shrink),
                               height: Math.round(picture.height * shrink) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function textWay(languages) {
  const text = h("textarea", { maxlength: 500, "aria-label": "Text to speak",
                               placeholder: "The text to speak" });
  const select = h("select", { "aria-label": "Language of the text" });
  options(select, languages, "en");
  return {
    element: h("div", {}, text, h("div", { class: "row" }, select)),
    value: () => (text.value.trim() ? { text: text.value, language: select.value } : null),
  };
}
