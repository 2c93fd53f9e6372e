import { chart } from "./charts.js";
import { h, options } from "./html.js";
import { fail, run } from "./jobs.js";
import { picker } from "./pickers.js";

const VERDICTS = { yes: "in sync", no: "out of sync", unsure: "unsure" };

export function start(panel, about) {
  const form = panel.querySelector("form");
  const [video, real] = [...panel.querySelectorAll("fieldset")].map((one) => picker(one, about));
  options(form.elements.judge, about.judges, about.judge);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!video.value()) {
      fail(panel, video.missing);
      return;
    }
    const files = { video: { kind: "video", ...video.value() } };
    if (real.value()) files.real = { kind: "video", ...real.value() };
    const result = await run(panel, files, { do: "score", judge: form.elements.judge.value });
    if (result) panel.querySelector(".result").replaceChildren(...shown(result));
  });
}

function shown(found) {
  const sets = { video: found, ...(found.real ? { "real video": found.real } : {}) };
  const lines = (one) => Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, one(set)]));
  const offset = found.offset === 0 ? "0" : `${found.offset > 0 ? "+" : "−"}${Math.abs(found.offset)}`;
  return [
    h("div", { class: "cards" },
      found.verdict ? card(VERDICTS[found.verdict],
                           `the offset is right with a probability of ${Math.round(100 * found.probability)} %`) : null,
      card(offset, `frames of 1/25 s offset (${found.fine_offset.toFixed(1).replace("-", "−")}); negative: the sound is late`),
      card(found.confidence.toFixed(2), "confidence; higher is better"),
      card(found.distance.toFixed(2), "distance; lower is better")),
    h("div", { class: "charts" },
      chart({ title: "Offset curve", x: "offset (frames)", y: "distance", mark: found.offset,
              about: "Speech in sync shows a deep, narrow dip.",
              lines: lines((set) => set.offsets.map((at, n) => [at, set.curve[n]]).reverse()) }),
      chart({ title: "Confidence over time", x: "seconds", y: "confidence",
              lines: lines((set) => set.times.map((at, n) => [at, set.confidences[n]])) })),
    h("p", { class: "facts" }, `Judged by ${found.judge} on ${found.windows} windows.`),
    ...(found.leakage ? leakage(found.leakage) : []),
  ];
}

const card = (number, text) => h("div", { class: "card" }, h("b", {}, number), h("span", {}, text));

const cell = (value) => (value === null || value === undefined ? "–" : String(value));

function leakage(rows) {
  const head = ["", "the dub", "the real video"].map((name) => h("th", { scope: "col" }, name));
  return [
    h("h3", {}, "What is left of the old mouth"),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {},
      rows.map((row) => h("tr", {}, h("td", {}, row.name, h("small", {}, row.about)),
                          h("td", {}, cell(row.dub)), h("td", {}, cell(row.real))))))),
  ];
}
