// What the page knows and shows: models, photos, and the question that is asked now.

import { $ } from "./dom.js";
import { Refusal } from "./talk.js";

/**
 * @typedef {{label: string, index: number | null, probability: number | null}} Prediction
 * @typedef {{predictions: Prediction[], others: Record<number, number | null>, familiar: boolean,
 *   live: Prediction[] | null}} Seen
 * @typedef {{id: string, name: string, width?: number, height?: number, source?: any,
 *   mean?: number[], seen: Map<string, Seen>, failed?: string, label?: string | null,
 *   correct?: boolean | null, found?: Prediction | null, ticked?: boolean, note?: string,
 *   arriving?: boolean, stored?: boolean}} Photo
 * @typedef {{name: string, key: string, word: string, says: string, help?: string[][],
 *   question?: () => any, show: (signal: AbortSignal) => Promise<any>, leave?: () => void,
 *   isThere?: () => boolean, point?: (place: any, event: any, tile: any) => boolean,
 *   follow?: () => void, look?: (look: any) => any, share?: number, boxes?: boolean,
 *   fields?: boolean, layers?: boolean, undo?: () => void,
 *   keys?: Record<string, () => void>}} Mode
 */

export const FLAGS = ["contour", "cut", "shared", "boxed", "field"];

/** How maps of each kind look until somebody chooses otherwise: as the library draws them. */
export const LOOKS = {
  heat: { palette: "turbo", opacity: 0.8, heatIsOpacity: true },
  signed: { palette: "for-against", opacity: 0.8, heatIsOpacity: true },
  pixels: { palette: "gray", opacity: 1, heatIsOpacity: false },
  signedPixels: { palette: "coolwarm", opacity: 1, heatIsOpacity: false },
};

/**
 * @type {{about: any, model: string, photos: Map<string, Photo>, photo: string | null,
 *   mode: Mode, method: string | null, options: Record<string, any>, layer: string | null,
 *   classes: number[], contrast: number | null, squares: any[], asked: any[] | null,
 *   threshold: number | null, looks: Record<string, any>, flags: Record<string, boolean>,
 *   bare: boolean}}
 */
export const state = {
  about: null,
  model: "",
  photos: new Map(),
  photo: null,
  mode: /** @type {any} */ ({ name: "" }),
  method: null,
  options: {},
  layer: null,
  classes: [],
  contrast: null,
  squares: [],
  asked: null,
  threshold: null,
  looks: structuredClone(LOOKS),
  flags: Object.fromEntries(FLAGS.map((name) => [name, name === "field"])),
  bare: false,
};

/** What modules lower down call when a person changes something; app.js sets them. */
export const hooks = {
  /** @type {() => Promise<void> | void} */
  changed: () => {},
  relook: () => {},
  strip: () => {},
  beside: (/** @type {number} */ _by) => {},
};

/** The share of the peak from which heat counts, unless somebody moves the slider. */
export const THRESHOLD = 0.25;

export const threshold = () => state.threshold ?? THRESHOLD;

export const model = () => state.about.models.find((one) => one.name === state.model);
/** The methods that apply to the model. */
export const fittingMethods = () =>
  state.about.methods.filter((one) => !(one.name in model().unfit));

export const methodRow = (name) => state.about.methods.find((one) => one.name === name);

/** True for a method of which one map takes many passes of a model. */
export const isSlow = (method, name = state.model) =>
  state.about.models.find((one) => one.name === name).slow.includes(method);

/** @returns {Photo | undefined} */
export const photo = () => (state.photo === null ? undefined : state.photos.get(state.photo));

/** Return what a model sees in a photo; empty until it is known. */
export function seenBy(shown = photo(), name = state.model) {
  const nothing = { predictions: [], others: {}, familiar: true, live: null };
  if (!shown) return /** @type {Seen} */ (nothing);
  let seen = shown.seen.get(name);
  if (!seen) shown.seen.set(name, (seen = nothing));
  return seen;
}

/** Which class is explained now: the one chosen, or the best. */
export const chosenClass = () => state.classes[0] ?? seenBy().predictions[0]?.index ?? null;

export const labelOf = (index) => model().labels[index] ?? String(index);

/** Add a photo that the server knows, or return the one that is here. */
export function knownPhoto(found) {
  const here = state.photos.get(found.id) ?? { seen: new Map(), ...found };
  state.photos.set(found.id, here);
  return here;
}

/** Show a sentence, to the eye and to screen readers. */
export function complain(message) {
  $("notice").firstElementChild.textContent = message;
  $("notice").hidden = false;
}

export function say(message) {
  $("said").textContent = message;
}

/** Return the question for one map of the present view. */
export function question(changes = {}) {
  const view = {
    model: state.model,
    photo: state.photo,
    method: state.method,
    options: state.options,
    layer: state.layer,
    classes: state.classes,
    contrast: state.contrast,
    squares: state.asked ?? [],
    ...changes,
  };
  const isOwn = view.method === state.method;
  const options = isOwn || "options" in changes ? view.options : {};
  return {
    model: view.model,
    photo: view.photo,
    request: requestOf({ ...view, options }),
    squares: view.squares,
  };
}

/** Return the library's request for a method, classes and so on: only what is not the default. */
function requestOf({ method, options, layer, classes, contrast }) {
  const request = {};
  if (method !== null) request.methods = [method];
  if (method !== null && Object.keys(options).length) request.options = { [method]: options };
  if (classes.length) request.classes = classes;
  else request.top = 1;
  if (contrast !== null) request.contrast = [contrast];
  if (layer !== null) request.layer = [layer];
  return request;
}

/** Run something that may fail or be cancelled; failures become a sentence on the page. */
export async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    if (error.name === "AbortError") return null;
    $("work").hidden = true;
    if (!(error instanceof Refusal)) throw error;
    complain(error.message);
    return null;
  }
}
