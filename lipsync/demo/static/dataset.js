import { get } from "./api.js";
import { h, options } from "./html.js";

export function start(panel, about) {
  panel.querySelector(".none").hidden = about.dataset;
  panel.querySelector(".there").hidden = !about.dataset;
  if (!about.dataset) return;
  const split = panel.querySelector("[name=split]"), query = panel.querySelector("[name=query]");
  const list = panel.querySelector(".clips"), more = panel.querySelector(".more");
  const count = panel.querySelector(".count"), detail = panel.querySelector(".clip");
  let page = 0, asked = 0;

  async function find(next) {
    page = next;
    const mine = (asked += 1);
    try {
      const found = await get("/api/dataset/clips", { split: split.value, query: query.value, page });
      if (mine !== asked) return; // a later question was asked meanwhile
      if (!page) list.replaceChildren();
      list.append(...found.keys.map((key) =>
        h("li", {}, h("button", { type: "button", onclick: (event) => show(key, event.target) }, key))));
      more.hidden = !found.more;
      count.textContent = `${found.total} clip${found.total === 1 ? "" : "s"}`;
    } catch (error) {
      count.textContent = error.message;
    }
  }

  async function show(key, button) {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    try {
      const facts = await get("/api/dataset/clip", { key });
      const ask = `key=${encodeURIComponent(key)}`;
      detail.replaceChildren(
        h("h3", {}, key),
        h("img", { src: `/api/dataset/sheet?${ask}`, alt: `Faces of ${key}, evenly spaced in time` }),
        h("audio", { src: `/api/dataset/sound?${ask}`, controls: true, "aria-label": `Sound of ${key}` }),
        h("dl", {}, Object.entries(facts).map(([name, value]) =>
          [h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, String(value))])),
      );
    } catch (error) {
      detail.replaceChildren(h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  split.addEventListener("change", () => find(0));
  query.addEventListener("input", () => find(0));
  more.addEventListener("click", () => find(page + 1));
  get("/api/dataset").then((splits) => {
    const named = Object.entries(splits).map(([name, { clips, speakers }]) =>
      [name, `${name} (${clips} clips, ${speakers} speaker${speakers === 1 ? "" : "s"})`]);
    options(split, named, "train");
    return find(0);
  }).catch((error) => (count.textContent = error.message));
}
