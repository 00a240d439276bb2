// Inside: the feature maps of a layer, and the pictures that excite its filters.

import { $, h, latest, number } from "../dom.js";
import { palette, placeMap, scaleHeat } from "../painter.js";
import { attempt, chosenClass, labelOf, model, say, state } from "../state.js";
import { bringField, bringMain, mainTile, view } from "../stage.js";
import { ask } from "../talk.js";
import { drawTrust } from "../trust.js";
import * as work from "../work.js";

/** @type {{place: any}} */
const shown = { place: undefined };

export const layerNow = () => state.layer ?? model().layer;

async function show(signal) {
  const map = await bringMain(mainTile(), signal);
  bringField(map, signal);
  drawTrust(map, signal);
  $("beside").hidden = false;
  $("beside").replaceChildren(
    h("div", { id: "picture" }),
    h("h2", { id: "maps-title" }),
    h("div", { className: "maps", id: "maps" }),
  );
  shown.place = undefined;
  await bringChannels();
}

function follow() {
  if (JSON.stringify(placeInLayer()) !== JSON.stringify(shown.place)) bringChannels();
}

/** Return the row and column of the layer's map under the cursor; null where there is none. */
export function placeInLayer() {
  const layer = model().layers.find((one) => one.name === layerNow());
  const map = view.main?.map;
  if (!view.cursor || !map || !layer) return null;
  const [x0, y0, x1, y1] = map.placement;
  const [rows, columns] = layer.shape;
  const row = Math.floor(((view.cursor.y - y0) / (y1 - y0)) * rows);
  const column = Math.floor(((view.cursor.x - x0) / (x1 - x0)) * columns);
  const isThere = row >= 0 && column >= 0 && row < rows && column < columns;
  return isThere ? [row, column] : null;
}

/** Show the layer's channels, those first that contribute most under the cursor. */
const bringChannels = latest(async () => {
  const signal = work.present();
  const place = placeInLayer();
  shown.place = place;
  const layer = layerNow();
  const index = chosenClass();
  const request = { layer: [layer], classes: [index] };
  const asked = { model: state.model, photo: state.photo, request, ...(place ? { place } : {}) };
  const found = await attempt(() => ask("channels", asked, { signal }));
  if (!found || signal.aborted || !$("maps")) return;
  const where = place ? `at row ${place[0] + 1}, column ${place[1] + 1}` : "over the whole photo";
  $("maps-title").textContent =
    `${found.count} feature maps of ${layer}: what adds most to ${labelOf(index)} ${where}`;
  $("maps").replaceChildren(...channelButtons(found, layer));
});

function channelButtons({ channels, contributions, arrays }, layer) {
  const { shape, data } = arrays.maps;
  const size = shape[1] * shape[2];
  return channels.map((channel, index) => {
    const map = { data: data.subarray(index * size, (index + 1) * size), h: shape[1], w: shape[2] };
    const share = `${contributions[index] > 0 ? "+" : ""}${number(contributions[index])}`;
    return h(
      "button",
      {
        "data-channel": String(channel),
        title: "Click: the picture that excites this filter most",
        "aria-label": `Feature map ${channel}, contributes ${number(contributions[index])}`,
        onclick: () => maximize(layer, channel),
      },
      drawMap(map),
      `${channel} · ${share}`,
    );
  });
}

function drawMap(map) {
  const canvas = h("canvas", { width: map.w, height: map.h });
  const scaled = scaleHeat(placeMap(map, [0, 0, map.w, map.h], map.w, map.h), false);
  const colours = palette("viridis");
  const image = new ImageData(map.w, map.h);
  scaled.forEach((value, at) => {
    const place = 3 * Math.min(Math.floor(value * 256), 255);
    image.data.set([...colours.subarray(place, place + 3), 255], 4 * at);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

async function maximize(layer, filter) {
  const signal = work.begin();
  work.show(`Looking for what excites filter ${filter} most`, 0);
  await attempt(async () => {
    const asked = { model: state.model, photo: state.photo, request: { layer: [layer] }, filter };
    const found = await ask("maximize", asked, {
      signal,
      progress: (header) => work.progress(`Filter ${filter}`, header),
      queued: ({ ahead }) => work.show(`Filter ${filter} waits behind ${ahead}`),
    });
    if (signal.aborted) return;
    work.end();
    showPicture(found, layer, filter);
  });
}

function showPicture(found, layer, filter) {
  const [height, width] = found.arrays.picture.shape;
  const canvas = h("canvas", { width, height, id: "maximized" });
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    image.data.set([...found.arrays.picture.data.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const text =
    found.value > 1e-6
      ? `This picture drives it to ${number(found.value)}. It shows what the filter looks for.`
      : "No picture was found that excites it: from grey noise there was no way up. Try another.";
  const words = h(
    "p",
    {},
    h("b", { textContent: `Filter ${filter} of ${layer}` }),
    h("br"),
    h("span", { className: "small", textContent: text }),
  );
  $("picture").replaceChildren(h("div", { className: "picture card" }, canvas, words));
  $("picture").scrollIntoView({ block: "nearest", behavior: "smooth" });
  say(`Filter ${filter}: the picture that excites it most is shown.`);
}

/** @type {import("../state.js").Mode} */
const inside = {
  name: "inside",
  key: "i",
  word: "Inside",
  says: "The feature maps of a layer: those first that add most to the class under the cursor.",
  share: 0.68,
  layers: true,
  show,
  follow,
};

export default inside;
