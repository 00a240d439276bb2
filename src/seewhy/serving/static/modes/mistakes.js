// Mistakes: what a run found beside what is true, why the one rather than the other, and notes.

import { $, chip, h, many, percent } from "../dom.js";
import { drawBars, drawControls } from "../panel.js";
import { contrasts, filterBy } from "../run.js";
import { bringMain, mainTile, relook, settle } from "../stage.js";
import { attempt, hooks, photo, question, state } from "../state.js";
import { send } from "../talk.js";
import { mapOf } from "../tile.js";
import { drawTrust } from "../trust.js";
import * as work from "../work.js";

const MOST_CLASSES = 14;

/** What is shown of a mistake: why it is not the true class, or the class that was found. */
const shown = { way: "why" };

/** Return the stored map of "this rather than what is true"; null for a photo that is right. */
function contrastOf(one) {
  const found = contrasts.get(one.id);
  return found ? Object.assign(mapOf(found), { photo: one.id, model: state.model }) : null;
}

/** True where the stored map is shown: until another class, or a contrast, is chosen. */
const isStored = () => shown.way === "why" && !state.classes.length && state.contrast === null;

/** The question that the stored map answers: the class that was found rather than the true one. */
function questionShown() {
  const one = photo();
  const target = one && isStored() ? contrastOf(one)?.target : null;
  if (!target) return question();
  const [method] = state.about.run.methods;
  return question({ method, classes: [target.index], contrast: target.rivalIndices[0] });
}

async function show(signal) {
  const one = photo();
  if (!one) return;
  const contrast = contrastOf(one);
  drawTools(one, contrast);
  drawMatrix();
  const tile = mainTile();
  if (contrast && isStored()) {
    settle(tile, contrast);
    work.end();
    drawBars();
    drawControls(contrast);
    relook();
    drawTrust(null, signal);
    return;
  }
  drawTrust(await bringMain(tile, signal), signal);
}

function drawTools(one, contrast) {
  const found = one.found ? `${one.found.label} ${percent(one.found.probability)}` : "";
  const isWrong = one.correct === false;
  const said = h("p", { className: `verdict ${isWrong ? "wrong" : "right"}` }, h("b", {}, found));
  if (one.label) said.append(isWrong ? ", but its label is " : ", as its label says: ");
  if (one.label) said.append(h("b", {}, one.label));
  $("tools").hidden = false;
  $("tools").replaceChildren(
    h("button", { textContent: "← Previous", title: "Key: p", onclick: () => hooks.beside(-1) }),
    h("button", { textContent: "Next →", title: "Key: n", onclick: () => hooks.beside(1) }),
    said,
    ...(contrast ? [ways(contrast)] : []),
    noteOf(one),
  );
}

function ways(contrast) {
  const go = (way) => () => {
    shown.way = way;
    Object.assign(state, { classes: [], contrast: null });
    hooks.changed();
  };
  const texts = { why: `Why ${contrast.title}`, found: `What speaks for ${contrast.target.label}` };
  const chips = Object.entries(texts).map(([way, text]) => chip(text, shown.way === way, go(way)));
  return h("div", { className: "chips" }, ...chips);
}

/** A tick and a note, which the server keeps in a file beside the run. */
function noteOf(one) {
  const tick = h("input", { type: "checkbox", checked: Boolean(one.ticked), id: "tick" });
  const note = h("input", {
    type: "text",
    id: "note",
    maxLength: 1000,
    value: one.note ?? "",
    placeholder: "A note, kept beside the run",
    "aria-label": "Note on this photo",
  });
  const keep = () =>
    attempt(async () => {
      await send(`run/${one.id.slice(3)}/note`, { ticked: tick.checked, note: note.value });
      Object.assign(one, { ticked: tick.checked, note: note.value });
      hooks.strip();
    });
  tick.addEventListener("change", keep);
  note.addEventListener("change", keep);
  return h("span", { className: "note" }, h("label", {}, tick, " Done"), note);
}

/** Draw how often each label was taken for each class; a click lists these photos. */
function drawMatrix() {
  const { confusion, labelled } = state.about.run;
  $("beside").hidden = !labelled;
  if (!labelled) return;
  const { names, more } = mostConfused(confusion);
  const counts = new Map(confusion.map((one) => [`${one.label}\n${one.found}`, one]));
  const most = Math.max(1, ...confusion.filter(isWrong).map((one) => one.count));
  const head = names.map((name) => h("th", { scope: "col" }, h("span", {}, name)));
  const rows = names.map((label) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", textContent: label }),
      ...names.map((found) => cell(label, found, counts.get(`${label}\n${found}`), most)),
    ),
  );
  const rest = more ? ` The ${names.length} classes with most mistakes; ${many(more)} more.` : "";
  $("beside").replaceChildren(
    h("h2", { textContent: "What was taken for what" }),
    h("p", { className: "small" }, `Rows: the label. Columns: what was found.${rest}`),
    h("div", { className: "matrix" }, h("table", {}, h("tr", {}, h("td"), ...head), ...rows)),
  );
}

const isWrong = ({ label, found }) => label !== found;

function mostConfused(confusion) {
  const mistakes = new Map();
  for (const one of confusion) {
    for (const name of [one.label, one.found]) {
      mistakes.set(name, (mistakes.get(name) ?? 0) + (isWrong(one) ? one.count : 0));
    }
  }
  const all = [...mistakes.keys()];
  const kept = new Set(
    [...all].sort((one, two) => mistakes.get(two) - mistakes.get(one)).slice(0, MOST_CLASSES),
  );
  return { names: all.filter((name) => kept.has(name)).sort(), more: all.length - kept.size };
}

function cell(label, found, one, most) {
  if (!one) return h("td");
  const kind = isWrong(one) ? "wrong" : "right";
  const button = h("button", {
    className: kind,
    textContent: many(one.count),
    title: `${many(one.count)} photos of ${label}, found: ${found}`,
    "aria-label": `${one.count} photos of ${label}, found: ${found}`,
    onclick: () => {
      filterBy({ label, class: one.index, right: "" });
      $("strip").firstElementChild?.focus();
    },
  });
  button.style.setProperty("--share", String(Math.min(1, one.count / most)));
  return h("td", {}, button);
}

/** @type {import("../state.js").Mode} */
const mistakes = {
  name: "mistakes",
  key: "m",
  word: "Mistakes",
  says: "What the run found beside what is true: go through its mistakes, and keep notes.",
  help: [
    ["n p", "in Mistakes: the next photo, the one before"],
    ["t", "in Mistakes: tick the photo"],
  ],
  boxes: true,
  isThere: () => Boolean(state.about?.run),
  question: questionShown,
  show,
  keys: {
    n: () => hooks.beside(1),
    p: () => hooks.beside(-1),
    t: () => $("tick")?.click(),
  },
};

export default mistakes;
