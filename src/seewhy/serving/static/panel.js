// The right-hand side: what the model sees, and how it is asked.

import { $, choice, h, percent, whenQuiet } from "./dom.js";
import { drawLook } from "./display.js";
import {
  chosenClass,
  fittingMethods,
  hooks,
  isSlow,
  labelOf,
  methodRow,
  model,
  photo,
  seenBy,
  state,
} from "./state.js";

const MOST_FOUND = 12;

export function chooseClass(index, against = false) {
  const chosen = chosenClass();
  if (against && chosen !== null && index !== chosen) {
    state.classes = [chosen];
    state.contrast = state.contrast === index ? null : index;
  } else {
    state.classes = [index];
    state.contrast = null;
  }
  hooks.changed();
}

/** Draw the prediction bars; those of the covered photo where it is covered. */
export function drawBars() {
  const seen = seenBy();
  const rows = [...(seen.live ?? seen.predictions)];
  for (const index of [chosenClass(), state.contrast]) {
    if (index === null || rows.some((one) => one.index === index)) continue;
    rows.push({ index, label: labelOf(index), probability: seen.others[index] ?? null });
  }
  const activeElement = /** @type {any} */ (document.activeElement);
  const focused = $("bars").contains(activeElement) ? activeElement?.dataset.class : undefined;
  const before = seen.live ? seen.predictions : null;
  $("bars").replaceChildren(...rows.map((one, place) => bar(one, place, before)));
  if (focused !== undefined) $("bars").querySelector(`[data-class="${focused}"]`)?.focus();
  drawRemarks(seen);
}

/** Say what is true of the photo, and whether it is like those that the network learned from. */
function drawRemarks(seen) {
  const shown = photo();
  const remarks = [];
  if (shown?.label) {
    const isRight = shown.correct === true;
    const text = `Its label: ${shown.label}${isRight ? "" : ", which the network did not say"}`;
    remarks.push(h("span", { className: `remark ${isRight ? "right" : "wrong"}` }, text));
  }
  if (!seen.familiar) {
    const text = "Less like the training photos than 95 % of held-out ones: doubt the answer.";
    remarks.push(h("span", { className: "remark unlike" }, text));
  }
  $("remarks").replaceChildren(...remarks);
}

/** Draw bars without numbers, while nothing is known yet. */
export function drawWaitingBars() {
  $("remarks").replaceChildren();
  const row = () => h("li", { className: "waiting" }, h("span"), h("i"));
  $("bars").replaceChildren(row(), row(), row());
}

function bar(one, place, before) {
  const isChosen = one.index === chosenClass();
  const isOther = one.index === state.contrast;
  const was = before?.find((each) => each.index === one.index)?.probability;
  const fill = h("i");
  fill.style.setProperty("--share", one.probability ?? 0);
  const known = `${one.label}, ${percent(one.probability)}`;
  const button = h(
    "button",
    {
      className: `bar${isOther ? " versus" : ""}`,
      "aria-pressed": String(isChosen),
      "data-class": String(one.index),
      "aria-label": `${known}${isOther ? ", the one it is compared with" : ""}`,
      title: "Click: this class's map. Shift-click: rather than this one.",
      onclick: (event) => chooseClass(one.index, event.shiftKey),
    },
    place < 9 ? h("kbd", { textContent: String(place + 1) }) : h("span"),
    h("span", { textContent: one.label }),
    h("output", {}, percent(one.probability), change(one.probability, was)),
    fill,
  );
  if (isChosen) return h("li", {}, button);
  const against = h("button", {
    className: "against",
    textContent: "vs",
    "aria-pressed": String(isOther),
    "aria-label": `Rather than ${one.label}`,
    onclick: () => chooseClass(one.index, true),
  });
  return h("li", {}, button, against);
}

function change(now, was) {
  if (was === undefined || was === null || now === null) return null;
  const by = now - was;
  if (Math.abs(by) < 0.001) return null;
  const text = ` ${by > 0 ? "+" : "−"}${Math.abs(100 * by).toFixed(1)}`;
  return h("em", { className: by > 0 ? "up" : "down", textContent: text });
}

/** A name as it is searched: any case, its words separated by spaces, underscores or hyphens. */
const plain = (name) =>
  name
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, " ");

function search() {
  const typed = $("search").value;
  const text = plain(typed);
  $("found").hidden = !text;
  $("search").setAttribute("aria-expanded", String(Boolean(text)));
  if (!text) return;
  const hits = model()
    .labels.map((label, index) => ({ label, index }))
    .filter(({ label }) => plain(label).includes(text))
    .slice(0, MOST_FOUND);
  const rows = hits.map(({ label, index }, place) =>
    h("li", {
      role: "option",
      textContent: label,
      "aria-selected": String(place === 0),
      onclick: (event) => pick(index, event.shiftKey),
    }),
  );
  const none = h("li", { textContent: `There is no class like “${typed}”.` });
  $("found").replaceChildren(...(rows.length ? rows : [none]));
}

function pick(index, against) {
  $("search").value = "";
  search();
  chooseClass(index, against);
}

function searchKeys(event) {
  const options = [...$("found").querySelectorAll("[role=option]")];
  const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
  if (event.key === "Enter" && at >= 0) options[at].click();
  if (event.key === "Escape") {
    $("search").value = "";
    search();
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
    options.forEach((one, place) => one.setAttribute("aria-selected", String(place === next)));
  }
  event.stopPropagation();
}

export function setUp() {
  $("search").addEventListener("input", search);
  $("search").addEventListener("keydown", searchKeys);
  $("method").addEventListener("change", () => {
    Object.assign(state, { method: $("method").value || null, options: {} });
    if (state.method) drawMethod(methodRow(state.method)); // before a slow answer is there
    hooks.changed();
  });
  $("layer").addEventListener("input", () => {
    drawLayer(Number($("layer").value));
    laterLayer();
  });
}

const laterLayer = whenQuiet(() => {
  const layer = model().layers[Number($("layer").value)].name;
  state.layer = layer === model().layer ? null : layer;
  hooks.changed();
}, 120);

function drawLayer(place) {
  const layer = model().layers[place];
  const text = layer ? `${layer.name} · ${layer.shape[0]} × ${layer.shape[1]}` : "";
  $("layer-name").textContent = text;
  $("layer").setAttribute("aria-valuetext", layer ? layer.name : "");
}

let drawnMethods = "";

/** Set every control to the state. */
export function drawControls(map) {
  const { layers, layer } = model();
  const at = layers.findIndex((one) => one.name === (state.layer ?? layer));
  Object.assign($("layer"), { min: 0, max: layers.length - 1, step: 1, value: at });
  drawLayer(at);
  const usual = map && !state.method ? `${map.method} (default)` : "default";
  const words = fittingMethods().map((one) => [
    one.name,
    one.name + (isSlow(one.name) ? " (slow)" : ""),
  ]);
  const key = JSON.stringify([usual, words]);
  if (drawnMethods !== key) {
    $("method").replaceChildren(...choice("", [["", usual], ...words]).children);
  }
  drawnMethods = key;
  $("method").value = state.method ?? "";
  const unfit = Object.entries(model().unfit);
  $("method-unfit").hidden = !unfit.length;
  $("method-unfit").textContent =
    `Not for this network: ${unfit.map(([name]) => name).join(", ")}.`;
  $("method-unfit").title = [...new Set(unfit.map(([, why]) => why))].join("\n");
  const row = methodRow(state.method ?? map?.method ?? "grad-cam");
  drawMethod(row);
  $("layer").disabled = !row.atLayer && !state.mode.layers;
  drawLook(map);
}

/** Show what the method does, and a control for each option, with its default until changed. */
function drawMethod(row) {
  $("method-summary").textContent = `${row.summary[0].toUpperCase()}${row.summary.slice(1)}.`;
  const box = $("options");
  if (box.dataset.method !== row.name) box.replaceChildren(...row.options.map(control));
  box.dataset.method = row.name;
  for (const one of box.querySelectorAll("[name]")) {
    const usual = one.tagName === "SELECT" ? one.dataset.default : "";
    one.value = state.options[one.name] ?? usual;
  }
}

function control(option) {
  const { name, type, default: usual, range, help } = option;
  const shared = {
    name,
    title: help,
    "data-default": String(usual),
    onchange: ({ target }) => setOption(target, option),
  };
  const row = (field) => h("label", { className: "row" }, h("span", { textContent: name }), field);
  if (type === "choice") {
    return row(
      choice(
        name,
        range.map((word) => [word, word]),
        shared,
      ),
    );
  }
  const [min, max] = range ?? [];
  return row(
    h("input", {
      ...shared,
      type: type === "fill" ? "text" : "number",
      placeholder: usual ?? "automatic",
      min: min ?? "",
      max: max ?? "",
      step: type === "integer" ? 1 : "any",
    }),
  );
}

function setOption(field, { name, default: usual }) {
  if (!field.reportValidity()) return;
  const typed = field.value;
  const value = typed !== "" && !Number.isNaN(Number(typed)) ? Number(typed) : typed;
  const options = { ...state.options, [name]: value };
  if (value === "" || value === usual) delete options[name];
  state.options = options;
  hooks.changed();
}
