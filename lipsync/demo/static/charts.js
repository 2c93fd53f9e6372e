// Line charts as SVG, drawn at the width that there is, so that their letters keep their size.

import { h, svg } from "./html.js";

const COLOURS = ["#3b82c4", "#d9762b", "#3f9b62", "#a367b1", "#8a8f96"];
const DASHES = [null, "7 4", "2 3", "9 3 2 3", "4 4"];
const HEIGHT = 230, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 40;

export function chart({ title, x, y, lines, mark = null, about = "" }) {
  const names = Object.keys(lines);
  const all = names.flatMap((name) => lines[name]);
  const picture = svg("svg", { height: HEIGHT, role: "img", "aria-label": described(title, lines, about) });
  const legend = names.length > 1
    ? h("ul", { class: "legend" }, names.map((name, n) => h("li", {}, svg("svg", { "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: COLOURS[n % 5], "stroke-width": 2,
                      "stroke-dasharray": DASHES[n % 5] })), name)))
    : null;
  const figure = h("figure", {}, h("figcaption", {}, title), picture, legend);
  if (all.length) new ResizeObserver(() => draw(picture, lines, all, x, y, mark)).observe(figure);
  return figure;
}

function described(title, lines, about) {
  const parts = Object.entries(lines).map(([name, points]) => {
    const values = points.map((point) => point[1]);
    const [low, high] = [Math.min(...values), Math.max(...values)].map(short);
    return `${name}: from ${low} to ${high}, last ${short(values.at(-1))}`;
  });
  return `${title}. ${about} ${parts.join("; ")}`;
}

function draw(picture, lines, all, x, y, mark) {
  const width = picture.parentElement.clientWidth;
  if (!width) return;
  const [xs, ys] = [ticks(all.map((p) => p[0]), width < 420 ? 4 : 7, true), ticks(all.map((p) => p[1]), 5)];
  const across = (v) => LEFT + ((v - xs.low) / (xs.high - xs.low)) * (width - LEFT - RIGHT);
  const up = (v) => HEIGHT - BOTTOM - ((v - ys.low) / (ys.high - ys.low)) * (HEIGHT - BOTTOM - TOP);
  const middle = LEFT + (width - LEFT - RIGHT) / 2;
  picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  picture.replaceChildren(
    ...ys.at.flatMap((v) => [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: up(v), y2: up(v) }),
      svg("text", { class: "axis", x: LEFT - 6, y: up(v) + 4, "text-anchor": "end" }, ys.text(v)),
    ]),
    ...xs.at.map((v) => svg("text", { class: "axis", x: across(v), y: HEIGHT - BOTTOM + 16,
                                      "text-anchor": "middle" }, xs.text(v))),
    svg("text", { class: "axis", x: middle, y: HEIGHT - 5, "text-anchor": "middle" }, x),
    svg("text", { class: "axis", transform: `translate(11 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)`,
                  "text-anchor": "middle" }, y),
    mark === null ? "" : svg("line", { class: "mark", x1: across(mark), x2: across(mark), y1: TOP,
                                       y2: HEIGHT - BOTTOM }),
    ...Object.values(lines).map((points, n) => points.length === 1
      ? svg("circle", { cx: across(points[0][0]), cy: up(points[0][1]), r: 3, fill: COLOURS[n % 5] })
      : svg("polyline", {
          class: "line", stroke: COLOURS[n % 5], "stroke-dasharray": DASHES[n % 5],
          points: points.map((p) => `${across(p[0]).toFixed(1)},${up(p[1]).toFixed(1)}`).join(" "),
        })),
  );
}

function ticks(values, count, tight = false) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const start = (tight ? Math.ceil : Math.floor)(low / step - 1e-9);
  const end = (tight ? Math.floor : Math.ceil)(high / step + 1e-9);
  const at = Array.from({ length: end - start + 1 }, (_, n) => (start + n) * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = (value) => (step >= 2000 || digits > 4 ? short(value) : value.toFixed(digits));
  return tight ? { low, high, at, text } : { low: start * step, high: end * step, at, text };
}

export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  return size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}
