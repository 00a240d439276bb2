// Features: what a layer tells apart, as colours, and what is like the place under the cursor.

import { $, h, latest, number, percent } from "../dom.js";
import { palette } from "../painter.js";
import { attempt, state } from "../state.js";
import { bringField, bringMain, mainTile, view } from "../stage.js";
import { ask } from "../talk.js";
import * as work from "../work.js";
import { layerNow, placeInLayer } from "./inside.js";

/** @type {{place: any}} */
const shown = { place: undefined };

async function show(signal) {
  const map = await bringMain(mainTile(), signal);
  bringField(map, signal);
  $("beside").hidden = false;
  $("beside").replaceChildren(h("h2", { id: "maps-title" }), h("div", { id: "features" }));
  shown.place = undefined;
  await bringFeatures();
}

function follow() {
  if (JSON.stringify(placeInLayer()) !== JSON.stringify(shown.place)) bringFeatures();
}

const bringFeatures = latest(async () => {
  const signal = work.present();
  const place = placeInLayer();
  shown.place = place;
  const layer = layerNow();
  const asked = { model: state.model, photo: state.photo, request: { layer: [layer] } };
  const found = await attempt(() =>
    ask("features", place ? { ...asked, place } : asked, { signal }),
  );
  if (!found || signal.aborted || !$("features")) return;
  $("maps-title").textContent =
    `Features of ${layer}: three directions, ${percent(found.share)} of the variance`;
  const { colours, likeness } = found.arrays;
  const pictures = [figure(colours, colours.data, "alike in colour, alike for the layer")];
  if (likeness && place) {
    const low = likeness.data.reduce((least, value) => Math.min(least, value), 1);
    const words = `like row ${place[0] + 1}, column ${place[1] + 1}: cosine ${number(low)} to 1`;
    pictures.push(figure(likeness, painted(likeness.data, low), words));
  }
  $("features").replaceChildren(...pictures);
});

/** Paint cosines from the lowest to 1. */
function painted(cosines, low) {
  const colours = palette("viridis");
  const pixels = new Uint8Array(3 * cosines.length);
  cosines.forEach((value, at) => {
    const level = Math.floor(((value - low) / Math.max(1 - low, 1e-6)) * 256);
    const place = 3 * Math.min(Math.max(level, 0), 255);
    pixels.set(colours.subarray(place, place + 3), 3 * at);
  });
  return pixels;
}

/** Draw a map's pixels, in the shape of what the network sees of the photo. */
function figure({ shape }, pixels, words) {
  const [height, width] = shape;
  const canvas = h("canvas", { width, height });
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    image.data.set([...pixels.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const [x0, y0, x1, y1] = view.main?.map?.placement ?? [0, 0, width, height];
  canvas.style.aspectRatio = String((x1 - x0) / (y1 - y0));
  return h("figure", {}, canvas, h("figcaption", { className: "small", textContent: words }));
}

/** @type {import("../state.js").Mode} */
const features = {
  name: "features",
  key: "f",
  word: "Features",
  says: "What a layer tells apart, as colours, and what is like the place under the cursor.",
  share: 0.68,
  layers: true,
  show,
  follow,
};

export default features;
