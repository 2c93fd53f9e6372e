const proof = document.querySelector(".proof");
const find = (selector, within = proof) => [...within.querySelectorAll(selector)];
const [save, copy, status, command] = [".main", ".copy", ".status", "pre"].map((name) => find(name)[0]);
const fields = find("textarea");
const films = Object.fromEntries(find("video").map((film) => [film.dataset.key, film]));
const clean = (text) => text.replace(/\s+/g, " ").trim();
const changed = (field) => clean(field.value) !== clean(field.defaultValue);
let saved = "";

// One line of a video
let ends = 0;
function play(button) {
  stop();
  const { film: key, start, end } = button.dataset;
  const film = films[key];
  const mine = ++ends;
  const watch = () => {
    if (mine !== ends || film.paused) return;
    if (film.currentTime < Number(end)) requestAnimationFrame(watch);
    else stop();
  };
  film.currentTime = Number(start);
  button.closest("tr").classList.add("playing");
  film.play().then(watch, () => {});
}

function stop() {
  ends += 1;
  for (const film of Object.values(films)) film.pause();
  for (const row of find(".playing")) row.classList.remove("playing");
}

for (const button of find("[data-film]")) button.onclick = () => play(button);
for (const film of Object.values(films)) {
  film.onerror = () => {
    const name = decodeURIComponent(film.getAttribute("src"));
    film.parentElement.querySelector("figcaption").textContent = `${name} cannot be played`;
  };
}

// What was changed
const corrections = () => find("tr[data-line]").flatMap((row) => {
  const line = { line: Number(row.dataset.line) };
  for (const field of find("textarea", row).filter(changed)) {
    line[field.name] = clean(field.defaultValue);
    line[`new_${field.name}`] = clean(field.value);
  }
  return Object.keys(line).length > 1 ? [line] : [];
});

function estimate(row, field) {
  const { room, seconds } = row.dataset;
  if (!room || !changed(field) || !clean(field.value)) return "";
  const letters = [...clean(field.value)].length / [...clean(field.defaultValue)].length;
  const fitting = (Number(seconds) * letters) / Number(room);
  const speed = Math.max(fitting, Number(proof.dataset.slowest)); // then a pause follows
  return `, speed about ${speed.toFixed(2)}${speed > Number(proof.dataset.fastest) ? ": too long" : ""}`;
}

function mark(field) {
  const row = field.closest("tr");
  field.classList.toggle("changed", changed(field));
  const those = find("textarea", row).filter(changed);
  const text = those.map((one) => (one.name === "text" ? estimate(row, one) : "")).join("");
  row.querySelector(".state").textContent = those.length ? `; changed${text}` : "";
}

function show() {
  const now = corrections();
  const lines = ["Nothing is", "1 line is"][now.length] || `${now.length} lines are`;
  const done = now.length && JSON.stringify(now) === saved;
  status.textContent = done
    ? `Saved as ${proof.dataset.file}; now run the command below.`
    : `${lines} changed.`;
  save.disabled = !now.length;
  copy.hidden = !done;
}

function write() {
  const now = corrections();
  if (!now.length) return;
  const rows = now.map((line) => `  ${JSON.stringify(line)}`).join(",\n");
  const text = `{\n "to": ${JSON.stringify(proof.dataset.to)},\n "lines": [\n${rows}\n ]\n}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = proof.dataset.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  saved = JSON.stringify(now);
  show();
}

for (const field of fields) {
  mark(field);
  field.oninput = () => {
    mark(field);
    show();
  };
}
show();
save.onclick = write;
copy.onclick = () => {
  getSelection().selectAllChildren(command);
  if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).catch(() => {});
};

addEventListener("keydown", (event) => {
  const { key, target: field } = event;
  const control = event.ctrlKey || event.metaKey;
  if (event.isComposing) return;
  if (key === "Escape") stop();
  else if (control && key.toLowerCase() === "s") {
    event.preventDefault();
    write();
  } else if (key === "Enter" && fields.includes(field)) {
    event.preventDefault();
    const column = fields.filter((one) => one.name === field.name);
    const next = column[column.indexOf(field) + (event.shiftKey ? -1 : 1)];
    if (control) field.parentElement.querySelector("button")?.click();
    else next?.focus();
  }
});
addEventListener("beforeunload", (event) => {
  const now = corrections();
  if (now.length && JSON.stringify(now) !== saved) event.preventDefault();
});
