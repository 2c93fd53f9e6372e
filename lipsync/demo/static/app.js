// The page: its tabs, and the server's word about what it offers.

import { get, openTab } from "./api.js";
import * as compare from "./compare.js";
import * as dataset from "./dataset.js";
import * as dub from "./dub.js";
import * as score from "./score.js";
import * as training from "./training.js";

const tabs = [...document.querySelectorAll("[role=tab]")];

// Not the name of an element, which the browser would scroll to.
const address = (tab) => `#/${tab.getAttribute("aria-controls")}`;

function choose(tab) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute("aria-selected", chosen);
    one.tabIndex = chosen ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
  }
  history.replaceState(null, "", address(tab));
}

for (const [number, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    next.focus();
    next.click();
  });
}
choose(tabs.find((tab) => address(tab) === location.hash) || tabs[0]);

try {
  await openTab();
  const about = await get("/api/about");
  document.querySelector("#minutes").textContent = ` or after ${about.limits.minutes} minutes`;
  for (const [name, part] of Object.entries({ dub, compare, score, dataset, training })) {
    part.start(document.getElementById(name), about);
  }
  document.body.dataset.ready = "";
  document.querySelector("#loading").remove();
} catch (error) {
  const fatal = document.querySelector("#fatal");
  fatal.hidden = false;
  fatal.textContent = error.message;
  document.querySelector("#loading").remove();
}
