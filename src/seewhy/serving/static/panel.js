// The right-hand side: predictions, method and layer, looks, trust.

import { $, duration, h, number, percent, whenQuiet } from "./dom.js";
import { PALETTES, SIGNED_PALETTES, palette } from "./painter.js";
import { attempt, costOf, methodRow, model, photo, question, state } from "./state.js";
import { ask } from "./talk.js";

let changed = () => {};
let relook = () => {};

/** Which class is explained now: the one chosen, or the best. */
export const chosenClass = () => state.classes[0] ?? photo()?.predictions?.[0]?.index ?? null;

export function chooseClass(index, against = false) {
  if (against && chosenClass() !== null && index !== chosenClass()) {
    state.classes = [chosenClass()];
    state.versus = state.versus === index ? null : index;
  } else {
    state.classes = [index];
    state.versus = null;
  }
  changed();
}

/** Draw the prediction bars; `live` are those of the covered photo. */
export function drawBars(live = null) {
  const before = photo()?.predictions ?? [];
  const rows = [...(live ?? before)];
  const wanted = [chosenClass(), state.versus].filter((one) => one !== null);
  for (const index of wanted) {
    if (!rows.some((one) => one.index === index)) {
      rows.push({ index, label: model().labels[index], probability: photo()?.others?.[index] ?? null });
    }
  }
  const focused = document.activeElement?.dataset?.class;
  $("bars").replaceChildren(...rows.map((one, place) => bar(one, place, live ? before : null)));
  if (focused !== undefined) $("bars").querySelector(`[data-class="${focused}"]`)?.focus();
}

function bar(one, place, before) {
  const isChosen = one.index === chosenClass();
  const isOther = one.index === state.versus;
  const was = before?.find((each) => each.index === one.index)?.probability;
  const change = was === undefined || one.probability === null ? 0 : one.probability - was;
  const fill = h("i");
  fill.style.setProperty("--share", one.probability ?? 0);
  const button = h("button", {
    className: `bar${isOther ? " versus" : ""}`, "aria-pressed": String(isChosen), "data-class": String(one.index),
    "aria-label": `${one.label}, ${percent(one.probability)}${isOther ? ", the one it is compared with" : ""}`,
    title: "Click: this class's map. Shift-click: rather than this one.",
    onclick: (event) => chooseClass(one.index, event.shiftKey),
  },
  place < 9 ? h("kbd", { textContent: place + 1 }) : h("span"), h("span", { textContent: one.label }),
  h("output", {}, percent(one.probability), Math.abs(change) >= 0.001
    ? h("em", { className: change > 0 ? "up" : "down", textContent: ` ${change > 0 ? "+" : "−"}${Math.abs(100 * change).toFixed(1)}` }) : null),
  fill);
  const versus = isChosen ? null : h("button", {
    className: "against", textContent: "vs", "aria-pressed": String(isOther),
    "aria-label": `Rather than ${one.label}`, onclick: () => chooseClass(one.index, true),
  });
  return h("li", {}, button, versus);
}

/** A name as it is searched: in any case, its words separated by spaces, underscores or hyphens. */
const plain = (name) => name.trim().toLowerCase().replace(/[\s_-]+/g, " ");

function search() {
  const text = plain($("search").value);
  const list = $("found");
  list.hidden = !text;
  $("search").setAttribute("aria-expanded", String(Boolean(text)));
  if (!text) return;
  const labels = model().labels.map((label, index) => ({ label, index }));
  const hits = labels.filter(({ label }) => plain(label).includes(text)).slice(0, 12);
  list.replaceChildren(...(hits.length ? hits.map(({ label, index }, place) =>
    h("li", { role: "option", textContent: label, "aria-selected": String(place === 0), onclick: (event) => pick(index, event.shiftKey) }))
    : [h("li", { textContent: `There is no class like “${$("search").value}”.` })]));
}

function pick(index, against) {
  $("search").value = "";
  search();
  chooseClass(index, against);
}

export function setUp(onchange, onlook) {
  [changed, relook] = [onchange, onlook];
  $("search").addEventListener("input", search);
  $("search").addEventListener("keydown", (event) => {
    const options = [...$("found").querySelectorAll("[role=option]")];
    const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
    if (event.key === "Enter" && at >= 0) options[at].click();
    if (event.key === "Escape") { $("search").value = ""; search(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = (at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
      options.forEach((one, place) => one.setAttribute("aria-selected", String(place === next)));
    }
    event.stopPropagation();
  });
  $("method").addEventListener("change", () => { Object.assign(state, { method: $("method").value || null, options: {} }); changed(); });
  $("layer").addEventListener("input", () => { drawLayer(Number($("layer").value)); laterLayer(); });
  for (const name of ["opacity", "threshold"]) {
    $(name).addEventListener("input", () => {
      state.look[name] = Number($(name).value);
      if (name === "threshold" && !state.look.contour && !state.look.cut && !state.look.boxed) state.look.contour = true;
      relook();
    });
  }
  for (const [id, name] of [["contour", "contour"], ["cut", "cut"], ["heat-is-opacity", "heatIsOpacity"], ["shared", "shared"], ["boxed", "boxed"], ["field", "field"]]) {
    $(id).addEventListener("change", () => { state.look[name] = $(id).checked; relook(); });
  }
  $("palettes").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.stopPropagation();
    event.preventDefault();
    const all = [...$("palettes").children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.click();
    $("palettes").querySelector('[aria-checked="true"]').focus();
  });
}

const laterLayer = whenQuiet(() => {
  const layer = model().layers[Number($("layer").value)].name;
  state.layer = layer === model().layer ? null : layer;
  changed();
}, 120);

function drawLayer(place) {
  const layer = model().layers[place];
  $("layer-name").textContent = layer ? `${layer.name} · ${layer.shape[0]} × ${layer.shape[1]}` : "";
  $("layer").setAttribute("aria-valuetext", layer ? layer.name : "");
}

/** Set every control to the state. */
export function drawControls(map) {
  const { look } = state;
  const layers = model().layers;
  const at = layers.findIndex((one) => one.name === (state.layer ?? model().layer));
  Object.assign($("layer"), { min: 0, max: layers.length - 1, step: 1, value: at });
  drawLayer(at);
  $("method").replaceChildren(
    h("option", { value: "", textContent: map && !state.method ? `${map.method} (default)` : "default" }),
    ...state.about.methods.map((one) => h("option", { value: one.name, textContent: one.name + (one.slow ? " (slow)" : "") })));
  $("method").value = state.method ?? "";
  const row = methodRow(state.method ?? map?.method ?? "grad-cam");
  $("method-summary").textContent = `${row.summary[0].toUpperCase()}${row.summary.slice(1)}.`;
  drawOptions(row);
  $("layer").disabled = !row.atLayer && state.mode !== "inside";
  drawLook(map);
}

/** Show a control for each option of the method, with its default until it is changed. */
function drawOptions(row) {
  const box = $("options");
  if (box.dataset.method !== row.name) box.replaceChildren(...row.options.map(control));
  box.dataset.method = row.name;
  for (const one of box.querySelectorAll("[name]")) one.value = state.options[one.name] ?? (one.tagName === "SELECT" ? one.dataset.default : "");
}

function control({ name, type, default: usual, range, help }) {
  const shared = { name, title: help, "data-default": String(usual), onchange: ({ target }) => setOption(target, usual) };
  const [min, max] = type === "choice" ? [] : range ?? [];
  const field = type === "choice" ? h("select", shared, ...range.map((word) => h("option", { value: word, textContent: word })))
    : h("input", { ...shared, type: type === "fill" ? "text" : "number", placeholder: usual ?? "automatic", min: min ?? "", max: max ?? "", step: type === "integer" ? 1 : "any" });
  return h("label", { className: "row" }, h("span", { textContent: name }), field);
}

function setOption(field, usual) {
  if (!field.reportValidity()) return;
  const value = field.value !== "" && !Number.isNaN(Number(field.value)) ? Number(field.value) : field.value;
  const options = { ...state.options, [field.name]: value };
  if (value === "" || value === usual) delete options[field.name];
  state.options = options;
  changed();
}

export function drawLook(map) {
  const { look } = state;
  $("opacity").value = look.opacity;
  $("opacity-value").textContent = percent(look.opacity);
  $("threshold").value = look.threshold;
  $("threshold-value").textContent = `${Math.round(100 * look.threshold)} % of the peak${map ? ` · ${number(look.threshold * map.peak)}` : ""}`;
  for (const [id, name] of [["contour", "contour"], ["cut", "cut"], ["heat-is-opacity", "heatIsOpacity"], ["shared", "shared"], ["boxed", "boxed"], ["field", "field"]]) $(id).checked = look[name];
  const key = map?.signed ? "signedPalette" : "palette";
  if (drawnPalettes !== key) $("palettes").replaceChildren(...(map?.signed ? SIGNED_PALETTES : PALETTES).map((name) => swatch(name, key)));
  drawnPalettes = key;
  for (const one of $("palettes").children) {
    const chosen = one.dataset.palette === look[key];
    one.setAttribute("aria-checked", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
  }
}

let drawnPalettes = null;

function swatch(name, key) {
  const canvas = h("canvas", { width: 256, height: 1 });
  const image = new ImageData(256, 1);
  const colours = palette(name);
  for (let i = 0; i < 256; i++) image.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return h("button", {
    role: "radio", "aria-label": name, title: name, "data-palette": name,
    onclick: () => { state.look[key] = name; relook(); },
  }, canvas);
}

let trustOf = null;
const measured = new Map();

/** Show the trust badge of the present map: measured by itself where that is quick. */
export async function drawTrust(map, { force = false } = {}) {
  const box = $("trust");
  $("trust-section").hidden = !map;
  if (!map || state.versus !== null || map.target.index === null) {
    trustOf = null;
    box.replaceChildren(h("p", { className: "small", textContent: map ? "Only the map of one class can be measured. Choose a class alone." : "" }));
    return;
  }
  if (map.empty) {
    trustOf = null;
    box.replaceChildren(h("span", { className: "badge bad", textContent: "Empty" }), h("p", { className: "small", textContent: "Nothing in this map speaks for the class, so there is nothing to trust." }));
    return;
  }
  const asked = question({ method: map.method, classes: [map.target.index] });
  const key = JSON.stringify(asked);
  if (trustOf === key && !force) return;
  trustOf = key;
  if (measured.has(key)) { show(measured.get(key), map); return; }
  await attempt(async () => {
    const cost = await costOf(asked);
    if (trustOf !== key) return;
    if (cost.trustSeconds > 3 && !force) {
      box.replaceChildren(h("button", { textContent: `Measure it (about ${duration(cost.trustSeconds)})`, onclick: () => drawTrust(map, { force: true }) }));
      return;
    }
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Measuring" });
    box.replaceChildren(h("p", { className: "small", textContent: "Measuring on this photo …" }), bar);
    const found = await ask("trust", asked, { progress: ({ done, total }) => { bar.value = done / total; } });
    measured.set(key, found);
    if (trustOf === key) show(found, map);
  });
}

function show(found, map) {
  const { deletion, insertion, likeness } = found;
  const two = (value) => value.toFixed(2);
  const better = (one, other, low) => (low ? one < other : one > other);
  const lines = [
    ["Covering its hottest places first hurts most", better(deletion.map, deletion.random, true) && better(deletion.map, deletion.centre, true),
      `deletion ${two(deletion.map)} · random cells ${two(deletion.random)} · centre ${two(deletion.centre)} · low is good`],
    ["Showing its hottest places first helps most", better(insertion.map, insertion.random, false) && better(insertion.map, insertion.centre, false),
      `insertion ${two(insertion.map)} · random cells ${two(insertion.random)} · centre ${two(insertion.centre)} · high is good`],
    found.classFree ? ["The same whatever the class", null, "This method does not look at the class."]
      : likeness === null ? ["How it depends on the class is unknown", null, "There is no second class to compare with."]
        : ["It depends on the class", likeness < 0.5, `rank correlation ${two(likeness)} with the map of ${found.runnerUp} · 1 is the same map`],
  ];
  if (found.unfamiliar) lines.push(["The photo is unlike anything the network was trained on", null, "Its answer means little, whatever the probabilities say."]);
  const good = lines.filter(([, holds]) => holds === true).length;
  const bad = lines.some(([, holds]) => holds === false);
  const passed = found.unfamiliar ? "Checks passed, but an unfamiliar photo" : "All checks passed";
  $("trust").replaceChildren(
    h("span", { className: `badge${bad ? " bad" : ""}`, textContent: bad ? `${good} of ${lines.filter(([, holds]) => holds !== null).length} checks passed` : passed }),
    h("ul", {}, ...lines.map(([text, holds, why]) => h("li", { className: holds === null ? "unknown" : holds ? "" : "bad" },
      h("span", { textContent: holds === false ? text.replace("It depends", "It hardly depends").replace(" hurts most", " does not hurt most").replace(" helps most", " does not help most") : text }), h("small", { textContent: why })))));
}
