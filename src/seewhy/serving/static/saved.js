// One HTML file that needs no server: the photo, its maps, the bars, and the sliders.

import { model, seenBy, threshold, state } from "./state.js";
import { base64, blobOf, canvasOf } from "./still.js";

const SIDE = 1280;

/** Parts of the page that a saved one is made of; their imports and exports are taken off. */
const SCRIPTS = ["painter.js", "viewer.js"];

const POLICY = [
  "default-src 'none'",
  "img-src data:",
  "style-src 'unsafe-inline'",
  "script-src 'unsafe-inline'",
].join("; ");

/** Return the page, of a photo and the maps that are shown. */
export async function savedPage(shown, maps) {
  const ratio = Math.min(1, SIDE / Math.max(shown.width, shown.height));
  const [width, height] = [shown.width * ratio, shown.height * ratio].map(Math.round);
  const picture = await blobOf(canvasOf(shown, [width, height]), "image/jpeg", 0.9);
  const data = {
    photo: `data:image/jpeg;base64,${await base64(picture)}`,
    width,
    height,
    looks: state.looks,
    threshold: state.flags.cut ? threshold() : 0,
    name: shown.name,
    label: shown.label ?? null,
    model: model().short,
    predictions: seenBy(shown).predictions,
    familiar: seenBy(shown).familiar,
    maps: await Promise.all(maps.map((map) => mapData(map, ratio))),
  };
  const [style, ...scripts] = await Promise.all(
    ["viewer.css", ...SCRIPTS].map(async (name) => (await fetch(`/static/${name}`)).text()),
  );
  const code = scripts.join("\n").replaceAll(/^(export |import .*\n)/gm, "");
  // A "<" in the data would end the script that holds it.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const end = "</" + "script>";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>seewhy</title>
<style>${style}</style>
<body>
<script type="application/json" id="data">${json}${end}
<script type="module">${code}${end}
</body>
</html>
`;
}

async function mapData(map, ratio) {
  const { target, title, method, layer, signed, kind, end, empty, unit, shown } = map;
  return {
    title,
    label: target.label,
    rivals: target.rivals ?? null,
    probability: target.probability,
    index: target.index,
    method,
    layer,
    signed,
    kind,
    end,
    empty,
    unit,
    h: shown.h,
    w: shown.w,
    box: map.placement.map((edge) => edge * ratio),
    data: await base64(new Blob([shown.data])),
  };
}
