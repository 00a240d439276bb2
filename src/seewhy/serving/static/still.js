// A map painted over its photo at a size of its own: for pictures that are saved.

import * as painter from "./painter.js";

const SHEET_SIDE = 640;
const GAP = 14;
const TITLE = 26;

/** Return a photo on a canvas. */
export function canvasOf({ source }, size) {
  const [width, height] = size;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  return canvas;
}

/** Return a photo with a map over it, on a canvas. */
export function painted(shown, map, size, look) {
  const canvas = canvasOf(shown, size);
  const { width, height } = canvas;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const [across, down] = [width / shown.width, height / shown.height];
  const [x0, y0, x1, y1] = map.placement;
  const box = [x0 * across, y0 * down, x1 * across, y1 * down];
  const heat = painter.placeMap(map.shown, box, width, height);
  const scaled = painter.scaledMap(map, heat, map.end ?? painter.peakOf(heat, map.signed));
  const under = context.getImageData(0, 0, width, height);
  const out = new ImageData(width, height);
  painter.paintMap(map, scaled, under.data, { ...look, bare: false }, out.data);
  context.putImageData(out, 0, 0);
  return canvas;
}

/** Return several maps over a photo on one canvas, with a title above each, in rows. */
export function sheet(shown, maps, columns, lookOf) {
  const ratio = Math.min(1, SHEET_SIDE / Math.max(shown.width, shown.height));
  const size = [shown.width * ratio, shown.height * ratio].map(Math.round);
  const [wide, tall] = [size[0] + GAP, size[1] + TITLE + GAP];
  const rows = Math.ceil(maps.length / columns);
  const canvas = Object.assign(document.createElement("canvas"), {
    width: columns * wide + GAP,
    height: rows * tall + GAP,
  });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = '600 15px system-ui, "Liberation Sans", sans-serif';
  context.fillStyle = "#222";
  maps.forEach((map, place) => {
    const left = GAP + (place % columns) * wide;
    const top = GAP + Math.floor(place / columns) * tall;
    context.fillText(`${map.title} · ${map.method}`, left, top + TITLE - 8, size[0]);
    context.drawImage(painted(shown, map, size, lookOf(map.kind)), left, top + TITLE);
  });
  return canvas;
}

/** @returns {Promise<any>} */
export const blobOf = (canvas, kind, quality = 1) =>
  new Promise((resolve) => canvas.toBlob(resolve, kind, quality));

export async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
}
