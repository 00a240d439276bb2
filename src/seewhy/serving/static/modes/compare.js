// Compare: methods down, classes across, one cursor for all.

import { kept, mapFor } from "../answers.js";
import { $, chip, h } from "../dom.js";
import { drawBars, drawControls } from "../panel.js";
import { attempt, fittingMethods, labelOf, methodRow, question, seenBy, state } from "../state.js";
import { lay, point, relook, space, view } from "../stage.js";
import { Tile } from "../tile.js";
import { drawTrust } from "../trust.js";
import * as work from "../work.js";

const GAP = 14;
const SIDES = [76, 330];

/** @type {{methods: string[] | null}} */
const chosen = { methods: null };

function toggle(name) {
  const methods = chosen.methods ?? [];
  const others = methods.filter((one) => one !== name);
  const next = others.length < methods.length ? others : [...methods, name];
  if (next.length) chosen.methods = next;
}

function drawTools(again) {
  const chips = fittingMethods().map(({ name }) =>
    chip(name, chosen.methods?.includes(name), () => {
      toggle(name);
      again();
    }),
  );
  $("tools").hidden = false;
  $("tools").replaceChildren(
    h("div", { className: "chips", role: "group", "aria-label": "Methods" }, ...chips),
  );
}

/** Return a row of tiles for each method: one tile where the class makes no difference. */
function rowsOf(classes) {
  return (chosen.methods ?? []).map((method) => {
    const row = methodRow(method).classFree ? classes.slice(0, 1) : classes;
    return row.map((index) => ({
      method,
      index,
      tile: new Tile({ small: true, onpoint: point }),
    }));
  });
}

/** Return the classes of the columns: the three best, and the one that was chosen. */
function classesNow() {
  const indices = seenBy().predictions.map((one) => one.index);
  return [...new Set([...indices.slice(0, 3), ...state.classes])].slice(0, 5);
}

async function show(signal) {
  view.mode = compare;
  const best = question({ classes: [], contrast: null });
  const first = kept(best) ?? (await mapFor(best, signal));
  chosen.methods ??= [...new Set([state.method ?? first.method, "layer-cam", "occlusion"])];
  drawTools(() => state.mode.show(work.begin()).catch(() => {}));
  const classes = classesNow();
  const rows = rowsOf(classes);
  const cells = rows.flat();
  layGrid(rows, classes.length);
  for (const { method, index, tile } of cells) {
    tile.title.textContent = `${method} · ${labelOf(index)}`;
  }
  drawBars();
  drawControls(null);
  drawTrust(null, signal);
  for (const { method, index, tile } of cells) {
    const layer = methodRow(method).atLayer ? state.layer : null;
    const asked = question({ method, classes: [index], contrast: null, layer });
    const map = await attempt(() => mapFor(asked, signal));
    if (signal.aborted) return;
    if (map) showMap(tile, map);
    else tile.frame.classList.remove("busy");
    relook();
  }
  work.end();
}

function layGrid(rows, most) {
  const columns = Math.max(1, ...rows.map((row) => row.length));
  const [wide] = space();
  const side = (wide - GAP * (columns - 1)) / columns - 18;
  $("view").style.gridTemplateColumns = `repeat(${columns}, max-content)`;
  const elements = rows.flatMap((row) =>
    row.map(({ tile }, place) => {
      const isLast = place === row.length - 1 && row.length < most;
      if (isLast) tile.element.style.gridColumn = `span ${columns - row.length + 1}`;
      return tile.element;
    }),
  );
  $("view").replaceChildren(...elements);
  const held = Math.max(SIDES[0], Math.min(SIDES[1], side));
  lay(
    rows.flat().map(({ tile }) => tile),
    held,
    held,
  );
}

function showMap(tile, map) {
  tile.setMap(map);
  tile.frame.setAttribute("role", "img");
  tile.frame.setAttribute("aria-label", `${map.method}, ${map.title}`);
  if (map.empty) tile.how.textContent = "empty";
}

/** @type {import("../state.js").Mode} */
const compare = {
  name: "compare",
  key: "c",
  word: "Compare",
  says: "Methods down, classes across: where they agree, and where not.",
  fields: false,
  show,
  question: () => {
    const asked = question({ method: null, options: {}, classes: classesNow(), contrast: null });
    const methods = chosen.methods ?? [];
    const own = state.method && methods.includes(state.method) && Object.keys(state.options).length;
    const options = own ? { [String(state.method)]: state.options } : {};
    return { ...asked, request: { ...asked.request, methods, options } };
  },
};

export default compare;
