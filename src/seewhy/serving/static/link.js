// The address of a view: what is asked and how it looks. Nothing in it is believed.

import { modeNamed } from "./modes.js";
import { PALETTES, SIGNED_PALETTES } from "./painter.js";
import { FLAGS, methodRow, model, photo, state } from "./state.js";

const MOST_DIGITS = 7;

/** Return the address that restores the view. */
export function asHash() {
  const { looks, flags } = state;
  const parts = {
    photo: state.photo,
    name: photo()?.name,
    model: state.model,
    mode: state.mode.name,
    method: state.method,
    options: Object.keys(state.options).length ? JSON.stringify(state.options) : null,
    layer: state.layer,
    class: state.classes[0],
    contrast: state.contrast,
    threshold: state.threshold,
    flags: FLAGS.filter((name) => flags[name]).join(" "),
    ...Object.fromEntries(
      Object.entries(looks).map(([kind, { palette, opacity, heatIsOpacity }]) => [
        kind,
        `${palette} ${opacity} ${heatIsOpacity ? "fade" : "full"}`,
      ]),
    ),
  };
  const isSaid = ([, value]) => value !== null && value !== undefined && value !== "";
  const said = Object.entries(parts).filter(isSaid);
  return new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
}

/** Read a view from an address: only names that are on the page, and numbers in their range. */
export function fromHash(text) {
  const parts = new URLSearchParams(text.replace(/^#/, ""));
  const id = parts.get("photo");
  if (!id || !/^[\w-]{1,64}$/.test(id)) return null;
  const named = (name) => parts.get(name) ?? "";
  const isKnown = (list, name) => list.some((one) => one.name === name);
  if (isKnown(state.about.models, named("model"))) state.model = named("model");
  const mode = modeNamed(named("mode"));
  state.method = isKnown(state.about.methods, named("method")) ? named("method") : null;
  state.options = optionsOf(state.method, named("options"));
  state.layer = isKnown(model().layers, named("layer")) ? named("layer") : null;
  const chosen = indexOf(named("class"));
  state.classes = chosen === null ? [] : [chosen];
  const rival = indexOf(named("contrast"));
  state.contrast = chosen === null || rival === chosen ? null : rival;
  state.threshold = shareOf(named("threshold"));
  if (parts.has("flags")) {
    for (const name of FLAGS) state.flags[name] = named("flags").split(" ").includes(name);
  }
  for (const kind of Object.keys(state.looks)) readLook(kind, named(kind));
  return { id, name: named("name").slice(0, 120) || "photo", mode };
}

function indexOf(text) {
  const index = Number(text);
  const isIndex = /^\d+$/.test(text) && text.length <= MOST_DIGITS;
  return isIndex && index < model().labels.length ? index : null;
}

function shareOf(text) {
  const share = Number(text);
  return text !== "" && share >= 0 && share <= 1 ? share : null;
}

/** Return the options of a link that the method has, by name, type and range. */
function optionsOf(method, text) {
  if (!method || !text) return {};
  let given;
  try {
    given = Object(JSON.parse(text));
  } catch {
    return {}; // an address that was cut
  }
  const rows = methodRow(method).options.filter(({ name }) => Object.hasOwn(given, name));
  const valid = rows.filter((row) => fits(row, given[row.name]));
  return Object.fromEntries(valid.map(({ name }) => [name, given[name]]));
}

function fits({ type, range }, value) {
  if (type === "choice") return range.includes(value);
  if (type === "boolean") return typeof value === "boolean";
  if (typeof value === "string") return type === "fill" && /^[\w#., ()-]{1,40}$/.test(value);
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  if (type === "integer" && !Number.isInteger(value)) return false;
  const [low, high] = range ?? [null, null];
  return (low ?? -Infinity) <= value && value <= (high ?? Infinity);
}

function readLook(kind, text) {
  const [palette, opacity, fade] = text.split(" ");
  const palettes = kind.startsWith("signed") ? SIGNED_PALETTES : PALETTES;
  const look = state.looks[kind];
  if (palettes.includes(palette)) look.palette = palette;
  look.opacity = shareOf(opacity ?? "") ?? look.opacity;
  if (fade === "fade" || fade === "full") look.heatIsOpacity = fade === "fade";
}
