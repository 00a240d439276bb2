// The stage: tiles and what is marked on them, for every mode.

import { kept, mapFor } from "./answers.js";
import { $, number, percent, whenQuiet } from "./dom.js";
import { drawBars, drawControls } from "./panel.js";
import { drawLook } from "./display.js";
import { attempt, model, photo, question, say, seenBy, state, threshold } from "./state.js";
import { ask } from "./talk.js";
import { Tile } from "./tile.js";
import * as work from "./work.js";

/**
 * @type {{tiles: Tile[], main: Tile | null, mode: any, cursor: any, fields: Map<string, any>,
 *   painted: number}}
 */
export const view = {
  tiles: [],
  main: null,
  mode: null,
  cursor: null,
  fields: new Map(),
  painted: 0,
};

/** Return the space for pictures: all the width, and the height that is left. */
export function space() {
  const wide = $("stage").clientWidth - 22;
  const above = $("view").getBoundingClientRect().top + scrollY;
  const below = 118 + $("footer").offsetHeight;
  const tall = innerWidth <= 860 ? innerHeight * 0.5 : Math.max(280, innerHeight - above - below);
  return [wide, tall * (state.mode.share ?? 1)];
}

export const mapsShown = () => view.tiles.flatMap((tile) => (tile.map ? [tile.map] : []));

/** Return how a map of a kind looks now. */
export const lookOf = (kind) => ({
  ...state.looks[kind],
  ...state.flags,
  threshold: threshold(),
  bare: state.bare,
});

/** Return how a tile looks now, in the present mode. */
function lookNow(tile) {
  const usual = lookOf(tile.map?.kind ?? "heat");
  const look = state.mode.look?.(usual) ?? usual;
  return tile.plain ? { ...look, bare: true } : look;
}

/** Paint every tile in the present look: no server, no new map. */
export function relook() {
  const maps = mapsShown();
  const withMaps = view.tiles.filter((tile) => tile.map);
  const one = state.flags.shared && maps.length > 1;
  const peak = one ? Math.max(...withMaps.map((tile) => tile.peak)) : null;
  for (const tile of view.tiles) tile.paint(lookNow(tile), peak);
  drawLook(view.main?.map ?? null);
  findBoxes();
}

/** Make tiles at once, with the photo, then bring their maps. */
export function lay(tiles, wide, tall) {
  view.tiles = tiles;
  view.main = tiles[0];
  view.cursor = null;
  for (const tile of tiles) {
    tile.setPhoto(photo(), wide, tall);
    tile.frame.classList.add("busy");
    if (tiles.length > 1 || !kept(question())) tile.paint({ ...lookOf("heat"), bare: true });
  }
}

/** Let the photo stay where it is when only the map changes. */
export function mainTile() {
  const [first] = view.tiles;
  const stays =
    view.tiles.length === 1 && view.mode === state.mode && first.photo === photo() ? first : null;
  const tile = stays ?? new Tile({ onpoint: point });
  if (!stays) $("view").replaceChildren(tile.element);
  view.mode = state.mode;
  if (!stays) lay([tile], ...space());
  tile.frame.classList.add("busy");
  return tile;
}

/** Give a tile its map, with all that is written of it. */
export function settle(tile, map) {
  tile.setMap(map);
  const { target, raw, layer, method } = map;
  const size = `${raw.h} × ${raw.w}`;
  const empty = map.empty ? " · empty: nothing speaks for it" : "";
  const share = target.rivals ? "" : ` ${percent(target.probability)}`;
  tile.title.textContent = `${map.title}${share}`;
  const where = layer === "input" ? "input pixels" : layer;
  tile.how.textContent = `${method} · ${where} · ${size}${empty}`;
  tile.frame.setAttribute("role", "img");
  tile.frame.setAttribute(
    "aria-label",
    `Heatmap of ${map.title} over ${photo()?.name}, by ${method}`,
  );
  if (view.tiles.includes(tile)) point(view.cursor, null, tile);
}

/** Bring the map of the present question to the main tile, with bars and controls. */
export async function bringMain(tile, signal) {
  const map = await mapFor(question(), signal);
  // The heat first: what is written around it comes after.
  tile.setMap(map);
  tile.paint(lookNow(tile));
  view.painted = performance.now();
  settle(tile, map);
  work.end();
  seenBy().live = state.asked ? map.predictions : null;
  drawBars();
  drawControls(map);
  relook();
  say(`${map.title}, ${percent(map.target.probability)}. Heatmap by ${map.method}.`);
  return map;
}

/** Learn once per layer what each of its cells sees. */
export async function bringField(map, signal) {
  const key = `${map.model} ${map.layer}`;
  if (view.fields.has(key) || !model().layers.some((one) => one.name === map.layer)) return;
  const request = { layer: [map.layer] };
  await attempt(async () => {
    const asked = { model: map.model, photo: map.photo, request };
    view.fields.set(key, await ask("field", asked, { signal }));
    document.documentElement.dataset.fields = String(view.fields.size);
  });
}

/** Return what a cell sees, in pixels of the photo; null where that is not known yet. */
function fieldOf(map, cell) {
  const found = view.fields.get(`${map.model} ${map.layer}`);
  if (!found || found.map[0] !== map.raw.h || found.map[1] !== map.raw.w) return null;
  const side = (axis, low, high, place) => {
    const by = Math.round((place - Math.floor(found.map[axis] / 2)) * found.strides[axis]);
    const pixels = found.size[axis];
    const start = low === 0 ? 0 : Math.min(Math.max(low + by, 0), pixels - 1);
    const end = high === pixels ? pixels : Math.min(Math.max(high + by, start + 1), pixels);
    return [start / pixels, end / pixels];
  };
  const [x0, y0, x1, y1] = found.field;
  const across = side(1, x0, x1, cell.column);
  const down = side(0, y0, y1, cell.row);
  const [left, top, right, bottom] = map.placement;
  const at = (share, low, high) => low + share * (high - low);
  return {
    box: [
      at(across[0], left, right),
      at(down[0], top, bottom),
      at(across[1], left, right),
      at(down[1], top, bottom),
    ],
    pixels: [
      Math.round((across[1] - across[0]) * found.size[1]),
      Math.round((down[1] - down[0]) * found.size[0]),
    ],
  };
}

/** Follow the cursor on every tile at once; `place` is in pixels of the photo, null outside. */
export function point(place, event, tile) {
  if (event && state.mode.point?.(place, event, tile)) return;
  for (const one of view.tiles) {
    const cell = one.cellAt(place);
    const shows = cell && state.flags.field && state.mode.fields !== false;
    const field = shows ? fieldOf(one.map, cell) : null;
    one.mark(place, field?.box ?? null);
    one.readout.textContent = cell ? reading(one.map, cell, field) : "";
    if (one.small) one.how.textContent = cell ? number(cell.value) : "";
  }
  view.cursor = place;
  if (event && event.type !== "pointerleave") state.mode.follow?.();
}

function reading(map, cell, field) {
  const where = `row ${cell.row + 1}, column ${cell.column + 1}`;
  const sees = field ? ` · sees ${field.pixels[0]} × ${field.pixels[1]} of the input` : "";
  return `${number(cell.value)} ${map.unit} · ${where}${sees}`;
}

/** Move the cursor by cells: the keyboard's way over the map. */
export function step(right, down) {
  const { main } = view;
  if (!main?.map) return;
  const { raw, placement } = main.map;
  const [x0, y0, x1, y1] = placement;
  const cells = [Math.min(raw.w, 28), Math.min(raw.h, 28)];
  const [wide, tall] = [(x1 - x0) / cells[0], (y1 - y0) / cells[1]];
  const held = (value, low, high, size) =>
    Math.min(Math.max(value, low + size / 2), high - size / 2);
  const from = view.cursor;
  const to = from
    ? { x: held(from.x + right * wide, x0, x1, wide), y: held(from.y + down * tall, y0, y1, tall) }
    : {
        x: x0 + wide * (Math.floor(cells[0] / 2) + 0.5),
        y: y0 + tall * (Math.floor(cells[1] / 2) + 0.5),
      };
  point(to, null, main);
  state.mode.follow?.();
  say(main.readout.textContent ?? "");
}

let boxesOf = "";

/** Draw the boxes that `seewhy locate` finds for what is asked, with what is seen in each. */
const findBoxes = whenQuiet(async () => {
  const tile = view.main;
  if (!tile) return;
  const isWanted = state.flags.boxed && state.mode.boxes && tile.map && !tile.map.empty;
  if (!isWanted) {
    boxesOf = "";
    if (tile.boxes.length) tile.readout.textContent = "";
    tile.boxes = [];
    tile.redraw();
    return;
  }
  const asked = { ...question(), threshold: state.threshold };
  const key = JSON.stringify(asked);
  if (key === boxesOf && tile.boxes.length) return;
  boxesOf = key;
  const signal = work.present();
  await attempt(async () => {
    const { boxes } = await ask("locate", asked, { signal });
    if (boxesOf !== key || view.main !== tile) return;
    tile.boxes = boxes.map(({ box, label, probability }) => ({
      box,
      label: `${label} ${percent(probability)}`,
    }));
    tile.redraw();
    tile.readout.textContent =
      tile.boxes
        .map(({ box, label }) => `box ${box.join(", ")}: a second look says ${label}`)
        .join(" · ") || "No box: nothing is hot enough.";
    say(tile.readout.textContent ?? "");
  });
}, 160);
