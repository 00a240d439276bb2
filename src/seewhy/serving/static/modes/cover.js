// Cover: occlusion by hand. Paint over the photo, and see the probabilities move.

import { $, chip, h, latest } from "../dom.js";
import { drawBars } from "../panel.js";
import { attempt, chosenClass, hooks, seenBy, state } from "../state.js";
import { bringMain, mainTile, relook, view } from "../stage.js";
import { ask } from "../talk.js";
import { drawTrust } from "../trust.js";
import * as work from "../work.js";

/** @type {{way: string, share: number, down: boolean, strokes: number[], patch: any}} */
const brush = { way: "paint", share: 0.16, down: false, strokes: [], patch: null };

const squares = () => (brush.patch ? [...state.squares, brush.patch] : state.squares);

function drawTools() {
  const ways = [
    ["paint", "Paint"],
    ["drag", "Drag a patch"],
  ].map(([way, text]) => {
    const choose = () => {
      brush.way = way;
      brush.patch = null;
      for (const one of ways) one.setAttribute("aria-pressed", String(one.textContent === text));
    };
    return chip(text, brush.way === way, choose);
  });
  const size = h("input", {
    type: "range",
    min: 0.04,
    max: 0.5,
    step: 0.01,
    value: brush.share,
    "aria-label": "Size of the patch",
    oninput: (event) => {
      brush.share = Number(event.target.value);
    },
  });
  $("tools").hidden = false;
  $("tools").replaceChildren(
    h("div", { className: "chips" }, ...ways),
    h("label", {}, "Size", size),
    h("button", { textContent: "Undo", onclick: undo }),
    h("button", { textContent: "Clear", onclick: clear }),
    h("button", { className: "main", textContent: "Explain what is left", onclick: askAgain }),
  );
}

async function show(signal) {
  brush.patch = null;
  drawTools();
  const tile = mainTile();
  tile.cover(state.squares);
  const map = await bringMain(tile, signal);
  drawTrust(map, signal);
}

/** Draw with the patch; returns true: every event over the photo is the brush's. */
function point(place, event, tile) {
  if (brush.way === "drag" && event.type === "pointerup") return false;
  const side = brush.share * Math.min(tile.photo.width, tile.photo.height);
  const corner = place && [place.x - side / 2, place.y - side / 2, side];
  const square = corner?.map((value) => Math.round(value * 10) / 10);
  if (event.type === "pointerdown" && brush.way === "paint") {
    brush.down = true;
    brush.strokes.push(state.squares.length);
    event.preventDefault();
  }
  if (event.type === "pointerup" || event.type === "pointerleave") brush.down = false;
  if (brush.down && square) addSquare(square, side);
  tile.patch = square ? [square[0], square[1], square[0] + side, square[1] + side] : null;
  brush.patch = brush.way === "drag" ? square : null;
  if (brush.way === "drag") state.asked = null;
  refresh(tile);
  return true;
}

function addSquare(square, side) {
  const [last] = state.squares.slice(-1);
  if (last && Math.hypot(last[0] - square[0], last[1] - square[1]) <= side / 5) return;
  state.squares = [...state.squares, square];
  state.asked = null;
}

function refresh(tile = view.main) {
  if (!tile) return;
  const covered = squares();
  if (JSON.stringify(covered) === JSON.stringify(tile.squares)) {
    tile.redraw();
    return;
  }
  tile.cover(covered);
  relook();
  live(covered);
}

/** Ask what the model says now: one question at a time, the last one wins. */
const live = latest(async (covered) => {
  const signal = work.present();
  const seen = seenBy();
  const request = { classes: seen.predictions.map((one) => one.index) };
  const asked = { model: state.model, photo: state.photo, request, squares: covered };
  const found = await attempt(() => ask("cover", asked, { signal }));
  if (!found || signal.aborted) return;
  seen.live = covered.length ? found.predictions : null;
  drawBars();
});

function undo() {
  if (!brush.strokes.length) return;
  state.squares = state.squares.slice(0, brush.strokes.pop());
  state.asked = null;
  refresh();
}

function clear() {
  const was = state.asked;
  forget();
  if (was) hooks.changed();
  else refresh();
}

/** Forget what covers the photo: on leaving the mode, and with another photo. */
function forget() {
  Object.assign(brush, { strokes: [], patch: null, down: false });
  Object.assign(state, { squares: [], asked: null });
  seenBy().live = null;
}

function askAgain() {
  brush.patch = null;
  state.asked = state.squares.length ? state.squares : null;
  const chosen = chosenClass();
  if (!state.classes.length && chosen !== null) state.classes = [chosen];
  hooks.changed();
}

/** Let the photo show while it is painted over: the heat is that of the whole photo. */
function look(usual) {
  if (state.asked) return usual;
  const opacity = squares().length ? 0 : usual.opacity;
  return { ...usual, heatIsOpacity: true, opacity, contour: true };
}

/** @type {import("../state.js").Mode} */
const cover = {
  name: "cover",
  key: "o",
  word: "Cover",
  says: "Paint over the photo, and see the probabilities move: occlusion by hand.",
  boxes: true,
  help: [["Ctrl Z", "in Cover: take back what covers the photo"]],
  show,
  point,
  look,
  undo,
  leave: forget,
};

export default cover;
