// The photos of a run: by class, label, right or wrong, within a range of confidence, in order.

import { remember } from "./answers.js";
import { $, choice, h, latest, many } from "./dom.js";
import { attempt, knownPhoto, question, state } from "./state.js";
import { get, storedOf } from "./talk.js";

/** @type {import("./state.js").Photo[]} */
let listed = [];

/** True for a photo of the run, whose maps are stored. */
export const isOfRun = (one) => Boolean(state.about.run) && /^run\d+$/.test(one.id);

/** Return the photos of the run that the filter lets through. */
export const filtered = () => listed;

/** The map that tells the class that was found from the true one, by photo; null without one. */
export const contrasts = new Map();

/** Keep the maps that the run stored: they answer what the run asked, and no network runs. */
export async function loadStored(shown) {
  if (!isOfRun(shown) || shown.stored) return;
  const { maps, contrast } = await storedOf(shown.id);
  const [model] = state.about.models;
  const { methods, options, layer } = state.about.run;
  const [method] = methods;
  const asked = question({
    model: model.name,
    photo: shown.id,
    method,
    options: options[method] ?? {},
    layer: layerOf(layer, model),
    classes: [],
    contrast: null,
    squares: [],
  });
  const classes = maps.targets.map(({ index }) => index);
  remember(asked, classes, maps);
  contrasts.set(shown.id, contrast);
  shown.stored = true;
}

/** Return the run's layer as the page asks for it: null for the model's own. */
export const layerOf = (layer, { layer: usual, layers }) =>
  layer === usual || !layers.some(({ name }) => name === layer) ? null : layer;

const bound = (label, name, value) =>
  h("input", { type: "number", name, min: 0, max: 100, step: 1, value, "aria-label": label });

/** Set the filter, as a click on the confusion matrix does. */
export function filterBy(values) {
  for (const [name, value] of Object.entries(values)) {
    const field = $("sift").querySelector(`[name=${name}]`);
    if (field) field.value = value;
  }
  $("sift").dispatchEvent(new Event("input"));
}

/** Make the filter's controls, and list what it lets through; `onlist` is called with each list. */
export async function drawFilter(onlist) {
  const { run } = state.about;
  const said = h("output");
  const named = (name, list, all) => [
    ["", all],
    ...list.map(({ index, label, count }) => [index ?? label, `${label} (${many(count)})`]),
  ];
  const found = choice("Class", named("class", run.classes, "every class"), { name: "class" });
  const label = choice("True label", named("label", run.labels, "every label"), { name: "label" });
  const words = [
    ["", "right or wrong"],
    ["right", "right"],
    ["wrong", "wrong"],
  ];
  const order = choice(
    "Order",
    [
      ["surest", "surest first"],
      ["least-sure", "least sure first"],
    ],
    { name: "order" },
  );
  const low = bound("Least confidence, percent", "low", 0);
  const high = bound("Most confidence, percent", "high", 100);
  $("sift").hidden = false;
  $("sift").replaceChildren(
    h("b", { textContent: run.name }),
    h("label", {}, "found ", found),
    ...(run.labelled ? [h("label", {}, "truly ", label)] : []),
    ...(run.labelled ? [choice("Right or wrong", words, { name: "right" })] : []),
    h("span", {}, low, " to ", high, " %"),
    order,
    said,
  );
  const list = latest(() => attempt(() => bringList(said, onlist)));
  $("sift").addEventListener("input", list);
  await list();
}

async function bringList(said, onlist) {
  const { run } = state.about;
  const fields = [...$("sift").querySelectorAll("[name]")].map((one) => {
    const isShare = one.type === "number" && one.value !== "";
    return [one.name, isShare ? Number(one.value) / 100 : one.value];
  });
  const wanted = new URLSearchParams(fields.map(([name, value]) => [name, String(value)]));
  const { photos, count } = await get(`run?${wanted}`);
  listed = photos.map((one) => Object.assign(knownPhoto({ id: one.id }), one));
  const first = photos.length < count ? `, the first ${photos.length} shown` : "";
  said.textContent = `${many(count)} of ${many(run.photos)} photos${first}`;
  await onlist();
}
