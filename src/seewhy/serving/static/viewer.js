// The script of a saved page: the painter's functions are above it, its data beside it.

import { paintMap, palette, peakOf, placeMap, scaledMap } from "./painter.js";

const saved = JSON.parse(document.getElementById("data")?.textContent ?? "");

/** @type {(tag: string, properties?: any, ...children: any[]) => any} */
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const percentOf = (share) => (share === null ? "" : `${(100 * share).toFixed(1)} %`);
const short = (value) => (value === 0 ? "0" : Number(value.toPrecision(3)).toString());

const canvas = make("canvas", { id: "canvas", width: saved.width, height: saved.height });
const scale = make("canvas", { width: 256, height: 1 });
const [low, high] = [make("span"), make("span")];
const how = make("p", { id: "how" });
const title = make("h1", { id: "title" });
const choice = make("p", { id: "maps" });
const context = canvas.getContext("2d", { willReadFrequently: true });
const image = new Image();
let chosen = 0;

const slider = (id, most, value) =>
  make("input", { id, type: "range", min: 0, max: most, step: 0.01, value, oninput: draw });
const opacity = slider("opacity", 1, saved.looks[saved.maps[0].kind].opacity);
const hidden = slider("threshold", 0.99, saved.threshold);

/** The bars of what the network saw. */
function bars() {
  return saved.predictions.map(({ label, index, probability }) => {
    const fill = make("i");
    fill.style.width = `${100 * (probability ?? 0)}%`;
    const shown = make("span", {}, label);
    const isShown = saved.maps.some((map) => map.index === index);
    const className = isShown ? "shown" : "";
    return make("li", { className }, shown, make("output", {}, percentOf(probability)), fill);
  });
}

function heatOf(map) {
  const bytes = Uint8Array.from(atob(map.data), (letter) => letter.charCodeAt(0));
  const placed = { data: new Float32Array(bytes.buffer), h: map.h, w: map.w };
  const heat = placeMap(placed, map.box, saved.width, saved.height);
  map.peak = map.end ?? peakOf(heat, map.signed);
  return scaledMap(map, heat, map.peak);
}

function draw() {
  const map = saved.maps[chosen];
  map.heat ??= heatOf(map);
  context.drawImage(image, 0, 0);
  const under = context.getImageData(0, 0, saved.width, saved.height);
  const look = { ...saved.looks[map.kind], opacity: Number(opacity.value) };
  const out = new ImageData(saved.width, saved.height);
  const cut = { threshold: Number(hidden.value), cut: true };
  paintMap(map, map.heat, under.data, { ...look, ...cut }, out.data);
  context.putImageData(out, 0, 0);
  drawWords(map, palette(look.palette));
}

function drawWords(map, colours) {
  const strip = new ImageData(256, 1);
  for (let at = 0; at < 256; at++) {
    strip.data.set([...colours.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  }
  scale.getContext("2d").putImageData(strip, 0, 0);
  const other = map.rivals ? `for ${map.rivals}` : `against ${map.label}`;
  low.textContent = map.signed ? `${other} ${short(-map.peak)}` : "0";
  high.textContent = map.signed ? `for ${map.label} ${short(map.peak)}` : short(map.peak);
  title.textContent = document.title = `${saved.name}: ${map.title}`;
  how.textContent = `${map.method} of ${saved.model}, ${map.layer} · ${map.unit}`;
  choice.replaceChildren(
    ...saved.maps.map((one, place) => {
      const textContent = `${one.title} ${percentOf(one.probability)} (${one.method})`;
      const onclick = () => {
        chosen = place;
        opacity.value = saved.looks[one.kind].opacity;
        draw();
      };
      const button = make("button", { textContent, onclick });
      button.setAttribute("aria-pressed", String(place === chosen));
      return button;
    }),
  );
}

const remarks = [];
if (saved.label) remarks.push(`Its label: ${saved.label}.`);
if (!saved.familiar) remarks.push("Less like the training photos than 95 % of held-out ones.");

document.body.append(
  make(
    "main",
    {},
    title,
    choice,
    make("figure", {}, canvas, make("div", { className: "scale" }, low, scale, high), how),
    make(
      "section",
      {},
      make("h2", {}, "The model sees"),
      make("ol", { id: "bars" }, ...bars()),
      make("p", {}, remarks.join(" ")),
      make("label", {}, "Opacity ", opacity),
      make("label", {}, "Hide below ", hidden),
    ),
  ),
);
image.addEventListener("load", draw);
image.src = saved.photo;
