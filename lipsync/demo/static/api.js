// Requests to the server; every failure becomes an Error whose message is a sentence.

let tab = null;

async function answer(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  const found = await response.json().catch(() => ({}));
  const text = found.error || `The server answered with an error (${response.status}).`;
  throw Object.assign(new Error(text), { status: response.status });
}

export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is the demo still running?");
  }
  return answer(response);
}

export const get = (path, query = {}) => ask(`${path}?${new URLSearchParams(query)}`);

const newTab = async () => (tab = (await ask("/api/tabs", { method: "POST" })).tab);

const alive = () => ask(own("/alive"), { method: "POST" });

export async function openTab() {
  await newTab();
  setInterval(() => alive().catch(() => {}), 25_000);
  // A closed page says so; one that comes back from the browser's memory begins anew.
  addEventListener("pagehide", () => navigator.sendBeacon(own("/close")));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

// A machine that slept was taken for gone: then the server is told anew that there is a page.
export async function stillThere() {
  await alive().catch((error) => {
    if (error.status !== 410) throw error;
    return newTab();
  });
}

export const own = (path) => `/api/tabs/${tab}${path}`;

export const addJob = (wanted) =>
  ask(own("/jobs"), { method: "POST", body: JSON.stringify(wanted) });

export const jobState = (job) => ask(own(`/jobs/${job}`));

export const cancelJob = (job) => ask(own(`/jobs/${job}`), { method: "DELETE" });

// Send a Blob; `moved` is called with the share that is sent. Gives the upload's name.
export function upload(blob, kind, moved, stop) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", own(`/files?as=${kind}`));
    request.responseType = "json";
    request.upload.onprogress = (event) => event.total && moved(event.loaded / event.total);
    request.onload = () =>
      request.status === 201
        ? resolve(request.response.file)
        : reject(new Error(request.response?.error || "The upload failed."));
    request.onerror = () => reject(new Error("The upload was interrupted; try again."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    stop.addEventListener("abort", () => request.abort());
    if (stop.aborted) request.abort();
    request.send(blob);
  });
}
