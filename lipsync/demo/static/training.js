import { get } from "./api.js";
import { chart } from "./charts.js";
import { h, options } from "./html.js";

const AGAIN = 10_000; // milliseconds
const SHEET = "; rows: target, input, reference, generated, generated for another sound";

export function start(panel, about) {
  panel.querySelector(".none").hidden = about.training;
  panel.querySelector(".there").hidden = !about.training;
  if (!about.training) return;
  const run = panel.querySelector("[name=run]"), refresh = panel.querySelector("[name=refresh]");
  const count = panel.querySelector(".count"), charts = panel.querySelector(".charts");
  const pictures = panel.querySelector(".pictures");
  let shown = "", names = "";

  async function look() {
    try {
      const found = await get("/api/runs");
      if (JSON.stringify(found) !== names) {
        options(run, found, run.value || found[0]);
        names = JSON.stringify(found);
      }
      if (!run.value) {
        count.textContent = "No run has a log yet.";
        return;
      }
      const about = await get("/api/runs/run", { run: run.value });
      const text = JSON.stringify([run.value, about]);
      if (text === shown) return; // nothing is new
      shown = text;
      const last = Math.max(0, ...about.charts.flatMap((one) =>
        Object.values(one.lines).map((points) => points.at(-1)[0])));
      count.textContent = `Up to step ${last}`;
      charts.replaceChildren(...about.charts.map((one) =>
        chart({ title: one.name.replaceAll("_", " "), x: "step", y: "", lines: one.lines })));
      gallery(pictures, run.value, about.pictures);
    } catch (error) {
      count.textContent = error.message;
    }
  }

  run.addEventListener("change", look);
  document.querySelector("#tab-training").addEventListener("click", look);
  setInterval(() => refresh.checked && !panel.hidden && !document.hidden && look(), AGAIN);
  look();
}

function gallery(box, run, names) {
  box.hidden = !names.length;
  if (!names.length) return;
  const picture = h("img", { alt: "" });
  const slider = h("input", { type: "range", min: 0, max: names.length - 1, value: names.length - 1,
                              "aria-label": "Which picture", oninput: show });
  const caption = h("figcaption");
  function show() {
    const name = names[slider.value];
    const [kind, batch] = name.replace(".png", "").split("-");
    picture.src = `/api/runs/picture?${new URLSearchParams({ run, name })}`;
    picture.alt = `${kind} after ${Number(batch)} batches`;
    caption.textContent = picture.alt + (kind === "sheet" ? SHEET : "");
  }
  show();
  box.replaceChildren(h("figure", {}, caption, picture),
    names.length > 1 ? h("div", { class: "slider" }, h("span", {}, "Earlier"), slider) : "");
}
