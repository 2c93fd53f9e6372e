// A job from its click to its result: uploads, the queue, progress, cancel, and what went wrong.

import { addJob, cancelJob, jobState, stillThere, upload } from "./api.js";
import { h } from "./html.js";

const POLL = 400; // milliseconds
const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));

// `files`: { name: { kind, blob } } are uploaded and named in `wanted`. Gives the result, or null.
export async function run(panel, files, wanted) {
  const view = panel.querySelector(".job");
  const button = panel.querySelector(".main");
  const stop = new AbortController();
  const bar = h("progress", { max: 1, "aria-label": "Progress" });
  const stage = h("p", { class: "stage", role: "status" });
  const cancel = h("button", { type: "button", onclick: () => stop.abort() }, "Cancel");
  panel.querySelector(".result").replaceChildren();
  view.replaceChildren(stage, h("div", { class: "row" }, bar, cancel));
  button.disabled = true;
  cancel.focus();

  const say = (text) => {
    if (stage.textContent !== text) stage.textContent = text;
  };
  try {
    await stillThere();
    const named = {};
    for (const [name, { kind, blob }] of Object.entries(files)) {
      say("Uploading …");
      named[name] = await upload(blob, kind, (share) => (bar.value = share), stop.signal);
    }
    bar.removeAttribute("value");
    const found = await follow(await addJob({ ...wanted, ...named }), stop.signal, bar, say);
    view.replaceChildren();
    return found;
  } catch (error) {
    if (error.name === "AbortError") view.replaceChildren(h("p", { role: "status" }, "Cancelled."));
    else fail(panel, error.message);
    return null;
  } finally {
    button.disabled = false;
    if (!view.contains(document.activeElement)) button.focus({ preventScroll: true });
  }
}

async function follow(state, stop, bar, say) {
  let told = false;
  while (state.state === "waiting" || state.state === "running") {
    if (stop.aborted && !told) {
      told = true;
      say("Cancelling …");
      state = await cancelJob(state.job);
      continue;
    }
    if (!told) show(state, bar, say);
    await wait(POLL);
    state = await jobState(state.job);
  }
  if (state.state === "cancelled") throw new DOMException("cancelled", "AbortError");
  if (state.state === "failed") throw new Error(state.error);
  return state.result;
}

function show(state, bar, say) {
  if (state.state === "waiting") {
    say(state.ahead ? `Waiting: ${state.ahead} ahead in the queue` : "Waiting: next in the queue");
    return;
  }
  const stage = state.stage ? state.stage[0].toUpperCase() + state.stage.slice(1) : "Starting";
  if (state.total) {
    bar.value = state.done / state.total;
    say(`${stage}: ${Math.round((100 * state.done) / state.total)} %`);
  } else {
    bar.removeAttribute("value");
    say(state.done ? `${stage}: frame ${state.done}` : `${stage} …`);
  }
}

export function fail(panel, text) {
  const problem = h("p", { class: "problem", role: "alert" });
  panel.querySelector(".job").replaceChildren(problem);
  problem.textContent = text; // after it is in the page, so that it is read out
}

// Files and fields of a face and a sound; null, and a sentence, where something is missing.
export function asked(panel, form, pickers) {
  const files = {}, wanted = {};
  for (const one of pickers) {
    const value = one.value();
    if (value === null) return fail(panel, one.missing), null;
    if (value.blob) files[one.kind] = { kind: one.kind, blob: value.blob };
    else Object.assign(wanted, value);
  }
  const consent = form.elements.consent;
  consent.closest("label").classList.toggle("missing", !consent.checked);
  if (!consent.checked) {
    fail(panel, "Tick the consent box: a face may be dubbed only with that person's consent.");
    consent.focus();
    return null;
  }
  return { files, wanted: { ...wanted, consent: true, watermark: form.elements.watermark.checked } };
}
