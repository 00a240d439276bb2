// The page's own module: it follows the painter's, in one script, so that the page needs no file.

const { photos, tiles, maps: shape } = JSON.parse(document.getElementById("data").textContent);
const table = JSON.parse(new TextDecoder().decode(await inflated(document.getElementById("table").textContent)));
const halves = new Uint16Array((await inflated(document.getElementById("maps").textContent)).buffer);

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Read a half-precision number. */
function half(bits) {
  const [sign, power, rest] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (power === 31) return rest ? NaN : sign * Infinity;
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -24 * rest);
}

function mapAt(place) {
  const [h, w, start] = place < shape.photos ? [shape.h, shape.w, place * shape.h * shape.w] : shape.more[place - shape.photos];
  return { h, w, data: Float32Array.from(halves.subarray(start, start + h * w), half) };
}

const pictures = new Map();

/** Load a small photo once: its pixels, and which part of it the network saw. */
function picture(key) {
  if (!pictures.has(key)) pictures.set(key, load(key));
  return pictures.get(key);
}

async function load(key) {
  const known = photos[key];
  if (!known) {
    const side = 112;
    const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
    for (let at = 0; at < pixels.length; at++) if (at % 4 < 3) pixels[at] = 118;
    return { width: side, height: side, box: [0, 0, side, side], pixels };
  }
  const image = new Image();
  image.src = `data:image/jpeg;base64,${known.jpeg}`;
  await image.decode();
  const canvas = new OffscreenCanvas(known.w, known.h);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, known.w, known.h);
  return { width: known.w, height: known.h, box: known.box, pixels: data };
}

/** Paint a canvas: a photo, heat over it, or what speaks for one class against another. */
async function show(canvas, { photo, map, kind }) {
  const under = await picture(photo);
  const isBeside = kind.startsWith("beside");
  const left = isBeside ? under.width + Math.round(under.width / 28) : 0;
  canvas.width = left + under.width;
  canvas.height = under.height;
  const context = canvas.getContext("2d");
  const out = new Uint8ClampedArray(under.pixels);
  if (map >= 0) {
    const signed = kind.endsWith("signed");
    const placed = placeMap(mapAt(map), under.box, under.width, under.height);
    const peak = peakOf(placed, signed);
    const options = { colours: palette(signed ? "for-against" : "turbo"), opacity: 0.8, heatIsOpacity: true, signed, empty: !(peak > 0) };
    paint(under.pixels, scaleHeat(placed, signed, peak), options, out);
  }
  context.putImageData(new ImageData(out, under.width, under.height), left, 0);
  if (isBeside) context.putImageData(new ImageData(under.pixels, under.width, under.height), 0, 0);
}

/** Paint all tiles of the page, letting it be read and scrolled in between. */
async function paintAll() {
  let due = performance.now() + 30;
  for (const canvas of document.querySelectorAll("canvas[data-tile]")) {
    const [photo, map, kind] = tiles[canvas.dataset.tile];
    await show(canvas, { photo, map, kind });
    if (performance.now() > due) {
      await new Promise((go) => setTimeout(go));
      due = performance.now() + 30;
    }
  }
  document.documentElement.dataset.painted = "yes";
  dispatchEvent(new Event("painted"));
}

const MOST = 60;
const dialog = document.getElementById("cell");

function tag(name, text, attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** One photo of a cell: with its heat, its name and the probabilities. */
function photoOf(place) {
  const figure = tag("figure", undefined, { className: "tile" });
  const canvas = tag("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${table.names[place]}, with the heat for the class that was found`);
  const frame = table.links[place] ? tag("a", undefined, { href: table.links[place] }) : tag("div");
  frame.append(canvas);
  const caption = tag("figcaption");
  caption.append(tag("span", table.names[place], { className: "name", title: table.names[place] }));
  caption.append(tag("span", `p ${table.p[place]}`, { className: "soft" }));
  figure.append(frame, caption);
  show(canvas, { photo: place, map: place < shape.photos ? place : -1, kind: "heat" });
  return figure;
}

function openCell(title, places) {
  dialog.querySelector("h2").textContent = title;
  const body = dialog.querySelector(".tiles");
  const button = dialog.querySelector("button.more");
  body.replaceChildren();
  let done = 0;
  const add = () => {
    body.append(...places.slice(done, done + MOST).map(photoOf));
    done = Math.min(done + MOST, places.length);
    button.hidden = done === places.length;
    button.textContent = `Show more: ${places.length - done} left`;
  };
  button.onclick = add;
  add();
  dialog.showModal();
}

for (const button of document.querySelectorAll("button[data-cell]")) {
  button.addEventListener("click", () => {
    const [row, column] = button.dataset.cell.split(",").map(Number);
    const places = table.true.flatMap((index, place) => (index === row && table.found[place] === column ? [place] : []));
    places.sort((one, other) => table.p[other] - table.p[one]);
    openCell(button.title, places);
  });
}
dialog.querySelector("button.close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));

paintAll();
