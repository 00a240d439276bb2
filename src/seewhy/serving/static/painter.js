// The painter: raw maps become pixels in the browser, by the library's own arithmetic.
//
// A map is {data: Float32Array, h, w}, row by row; NaN means "nothing was asked here". A box is
// [x0, y0, x1, y1], edges, in pixels of the picture that is painted. A heat is a Float32Array of
// the picture's width times height. Steps are those of seewhy.maps and seewhy.rendering.colours,
// in the same order and the same precision (Math.fround is float32), so the pixels agree.

// 256 colours of each palette: its reds, greens and blues one after the other, each as the step
// from the one before; deflated, in base64.
const PACKED = `
eNrtWM+a1CAMB9rZ8ex7+H2e1aM3Pfo+vpqP5H1bsJD/ATq7O7teNEBCaYdJIJAffIwxRaQA7BCh8hBaISpHBso11ZxRHs+N6jft
90efKaUlLY3WZa0ZaQF2pEapZmQt1dxKqp3UnkDFALqhVqWVlkoJpFcrol5TcQfWUs1MW83vSQkWiZTqVVOp6enUBY1JYRzWBMMq
6kc9pGxALl554mAAyN4IpgwFvhIqepIy/ANNV6XP13fX6/WhpoMuD5dG63qBSVvQejQLlAd9RT3WCv5/h0Y7zhtKURfVO7QJ4Dl1
SnGAyAHZBwv8qyKebDEoF/QF6BA7LeQsPcXwhpQWcPFVlZPKrdcv17VsjzU9bpxU9eav1/toeYWR3LftcCDMVjz91aTvn5eVU1e9
Z8x39PZNlZPKeWt+My/9Gsw6U2uiiKDNlhaUWluj5NZe0T+2VV72xSxKDEIUl2A3bQk3WKFFSrdDD7Lb0tMSueuoNu4Ux8VyFTpv
U7jx7BvCoBp0mEYWKLZQhIEwoxPvpYP8g8y2hjtFpHfVoXhNHGyn07VTfFU8zPpOQSYhPrj934R8jG/ZhP/SYRSMMjTv7HA8ysk4
XEzJF5U1e3IDC/G5NPA79q/gJ0Kmwq1dN8rDBRvY/oj284qzvqOAlgug8n0wCtlOYhg8y8oO2pFJJj8HdiaijL1sBFGQl69pks9q
ZoC2tD4X3ktoI9Hojn4JSoVoht8PPvt0cRNg3Bld2SAa8WoDaLJFOxb05NYhTim6a2IzEoFZAOELovCLwuLh5r6VzguwO6Su/f3n
//b/4/a/KuS/CHg0bNJ8sCTh2Zx7zpoV1hoCsAkuGzZ+iRplDehZrd12HNPoUYmyz2ibvikjyi9r/a03ccfmb2asx7sTGMws0xHF
y0ETyvz8f5m/+2Qg7QDzdnkofeMER58iZ0K3DDYNxJFAKwcTH19ddO1vCzhycvpugV0H7gximx0TxsshxB45G4uiugOawVyDA3Kx
ULeoqx1140U3M4p2uj+iayK6CfjlgagzKIXZMWCGPTvkqS/pwgDA55FNrtrVzUcu2ZsudUOULbKq9CFaMK6xuceaBnaOMeY0+RXG
LJiBlGos0wOU6J8dalRewN7QO4OmMLUf70QHZMCyZoNNnh7MqlfCeYWqjadbm7M7qc56+hxY83TIvlnEr1jSJzPNUjyb5QmKGh/K
Yw0AdGu62+pmr4HMlZCOjpsOjINYX/zVp16w8Q9cUpmG`;

const f32 = Math.fround;

/** Names of the palettes: for maps from zero up, and for signed ones (zero in the middle). */
export const PALETTES = ["turbo", "jet", "viridis", "inferno", "gray"];
export const SIGNED_PALETTES = ["for-against", "coolwarm", "PuOr_r"];

const unpacked = await unpack();

async function unpack() {
  const deflated = new Blob([
    Uint8Array.from(atob(PACKED), (letter) => letter.charCodeAt(0)),
  ]).stream();
  const steps = new Uint8Array(
    await new Response(deflated.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer(),
  );
  return new Map(
    [...PALETTES, ...SIGNED_PALETTES].map((name, place) => {
      const colours = new Uint8Array(768);
      for (let i = 0; i < 768; i++) {
        const [channel, step] = [Math.floor(i / 256), i % 256];
        colours[3 * step + channel] =
          steps[768 * place + i] + (step ? colours[3 * step - 3 + channel] : 0);
      }
      return [name, colours];
    }),
  );
}

/** Return a palette as 256 × red, green, blue. */
/** @type {(name: string) => Uint8Array<ArrayBuffer>} */
export const palette = (name) => unpacked.get(name) ?? new Uint8Array(768);

/** Say which cells each pixel of one axis reads, and with what weights (half-pixel centres). */
function taps(length, low, high, cells) {
  const [first, second] = [new Int32Array(length), new Int32Array(length)];
  const [near, far] = [new Float64Array(length), new Float64Array(length)];
  const nearest = new Int32Array(length);
  const ratio = cells / (high - low);
  let start = length;
  let end = 0;
  for (let pixel = 0; pixel < length; pixel++) {
    const place = (pixel + 0.5 - low) * ratio - 0.5;
    if (place >= -0.5 && place <= cells - 0.5) {
      start = Math.min(start, pixel);
      end = pixel + 1;
    }
    const held = Math.min(Math.max(place, 0), cells - 1);
    const before = Math.floor(held);
    first[pixel] = before;
    second[pixel] = Math.min(before + 1, cells - 1);
    far[pixel] = held - before;
    near[pixel] = 1 - far[pixel];
    nearest[pixel] = Math.min(Math.max(Math.floor(place + 0.5), 0), cells - 1);
  }
  return { first, second, near, far, nearest, start, end };
}

function interpolate(data, w, h, columns, rows, width, height, into) {
  const across = new Float32Array(h * width);
  for (let y = 0; y < h; y++) {
    for (let x = columns.start; x < columns.end; x++) {
      across[y * width + x] =
        data[y * w + columns.first[x]] * columns.near[x] +
        data[y * w + columns.second[x]] * columns.far[x];
    }
  }
  for (let y = rows.start; y < rows.end; y++) {
    const [one, two] = [rows.first[y] * width, rows.second[y] * width];
    const [near, far] = [f32(rows.near[y]), f32(rows.far[y])];
    const line = y * width;
    for (let x = columns.start; x < columns.end; x++) {
      into[line + x] = f32(f32(across[one + x] * near) + f32(across[two + x] * far));
    }
  }
}

/** Carry a map to a picture's pixels: NaN where the network did not look. */
export function placeMap(map, box, width, height) {
  const columns = taps(width, box[0], box[2], map.w);
  const rows = taps(height, box[1], box[3], map.h);
  const placed = new Float32Array(width * height).fill(NaN);
  const missing = map.data.some(Number.isNaN);
  if (!missing) {
    interpolate(map.data, map.w, map.h, columns, rows, width, height, placed);
    return placed;
  }
  const there = Float32Array.from(map.data, (value) => (Number.isNaN(value) ? 0 : 1));
  const known = Float32Array.from(map.data, (value) => (Number.isNaN(value) ? 0 : value));
  const present = new Float32Array(width * height);
  interpolate(there, map.w, map.h, columns, rows, width, height, present);
  interpolate(known, map.w, map.h, columns, rows, width, height, placed);
  for (let y = rows.start; y < rows.end; y++) {
    for (let x = columns.start; x < columns.end; x++) {
      const pixel = y * width + x;
      const unknown = !there[rows.nearest[y] * map.w + columns.nearest[x]] || !present[pixel];
      placed[pixel] = unknown ? NaN : f32(placed[pixel] / present[pixel]);
    }
  }
  return placed;
}

/** Return the largest value, of signed heat the largest magnitude; 0 where nothing is positive. */
export function peakOf(heat, signed) {
  let peak = 0;
  for (let pixel = 0; pixel < heat.length; pixel++) {
    const value = signed ? Math.abs(heat[pixel]) : heat[pixel];
    if (value > peak) peak = value;
  }
  return peak;
}

/** Scale for display: divide by the exact peak; negatives become 0 unless the heat is signed. */
export function scaleHeat(heat, signed, peak = peakOf(heat, signed)) {
  const scaled = new Float32Array(heat.length);
  for (let pixel = 0; pixel < heat.length; pixel++) {
    const value = signed || !(heat[pixel] < 0) ? heat[pixel] : 0;
    scaled[pixel] = peak > 0 ? f32(value / peak) : value;
  }
  return scaled;
}

/** Return the percentile of |value| at which the colours of pixel-level maps end; else the peak. */
export function attributionEnd(data, percentile = 99) {
  const sizes = data
    .filter((value) => value === value)
    .map(Math.abs)
    .sort();
  if (!sizes.length) return 0;
  const place = (percentile / 100) * (sizes.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sizes.length - 1);
  const end = sizes[low] + (place - low) * (sizes[high] - sizes[low]);
  return end || sizes[sizes.length - 1];
}

/**
 * Blend scaled heat over a picture's RGBA, into another RGBA array.
 *
 *     pixel = photo + α · (colour(heat) − photo)
 *
 * α is the opacity, times the heat (signed: the root of its magnitude) where the heat is the
 * opacity; 0 where the heat is NaN, and below the threshold where `cut` is set. An empty heat
 * leaves the photo as it is.
 */
export function paint(photo, heat, options, out) {
  const { colours, opacity, heatIsOpacity = false, signed = false, empty = false } = options;
  const cut = options.cut ? (options.threshold ?? 0) : -Infinity;
  out.set(photo);
  if (empty) return out;
  for (let pixel = 0, at = 0; pixel < heat.length; pixel++, at += 4) {
    const value = heat[pixel];
    if (value !== value) continue;
    const size = signed && value < 0 ? -value : value;
    if (size < cut) continue;
    const place = signed ? f32(f32(value + 1) / 2) : value;
    const colour = 3 * (place > 0 ? (place < 1 ? (place * 256) | 0 : 255) : 0);
    let alpha = opacity;
    if (heatIsOpacity) {
      const strength = signed ? Math.sqrt(size) : size;
      alpha = strength > 0 ? (strength < 1 ? opacity * strength : opacity) : 0;
    }
    const rest = 1 - alpha;
    // A clamped array rounds as numpy does: halves to the even neighbour.
    out[at] = rest * photo[at] + alpha * colours[colour];
    out[at + 1] = rest * photo[at + 1] + alpha * colours[colour + 1];
    out[at + 2] = rest * photo[at + 2] + alpha * colours[colour + 2];
  }
  return out;
}

/** Paint a map over pixels of a photo: the one way in which the page paints, and saves pictures. */
export function paintMap(map, scaled, pixels, look, out) {
  const colours = palette(look.palette);
  const { signed, empty } = map;
  // Pixel-level maps are pictures of their own, until they are faded into the photo.
  const isOwn = map.end !== null && look.opacity >= 1 && !look.heatIsOpacity;
  const under = isOwn ? new Uint8ClampedArray(pixels.length).fill(255) : pixels;
  return paint(under, scaled, { ...look, colours, signed, empty: empty && !isOwn }, out);
}

/** Scale a placed map for display, as `paintMap` takes it; `peak` is the value of full heat. */
export const scaledMap = (map, heat, peak) =>
  map.end === null
    ? scaleHeat(heat, map.signed, peak)
    : heat.map((value) => (peak > 0 ? value / peak : value));

/** Find where the heat crosses a level: line segments [x0, y0, x1, y1, ...] in pixels. */
export function contour(heat, width, height, level, step = 1) {
  const segments = [];
  const cross = (a, b) => (level - a) / (b - a);
  for (let y = 0; y + step < height; y += step) {
    for (let x = 0; x + step < width; x += step) {
      const corner = y * width + x;
      const [a, b] = [heat[corner], heat[corner + step]];
      const [d, c] = [heat[corner + step * width], heat[corner + step * width + step]];
      const kind =
        Number(a > level) + 2 * Number(b > level) + 4 * Number(c > level) + 8 * Number(d > level);
      if (kind === 0 || kind === 15 || !(a + b + c + d === a + b + c + d)) continue;
      const top = [x + 0.5 + step * cross(a, b), y + 0.5];
      const right = [x + 0.5 + step, y + 0.5 + step * cross(b, c)];
      const bottom = [x + 0.5 + step * cross(d, c), y + 0.5 + step];
      const left = [x + 0.5, y + 0.5 + step * cross(a, d)];
      const flipped = kind > 7 ? 15 - kind : kind;
      if (flipped === 1 || flipped === 5) segments.push(...left, ...top);
      if (flipped === 2) segments.push(...top, ...right);
      if (flipped === 3) segments.push(...left, ...right);
      if (flipped === 4 || flipped === 5) segments.push(...right, ...bottom);
      if (flipped === 6) segments.push(...top, ...bottom);
      if (flipped === 7) segments.push(...left, ...bottom);
    }
  }
  return segments;
}

/** Return the cell under a pixel: its row, column, value and outline; null outside of the map. */
export function cellAt(map, box, x, y) {
  const column = Math.floor(((x - box[0]) / (box[2] - box[0])) * map.w);
  const row = Math.floor(((y - box[1]) / (box[3] - box[1])) * map.h);
  if (row < 0 || column < 0 || row >= map.h || column >= map.w) return null;
  return {
    row,
    column,
    value: map.data[row * map.w + column],
    box: cellBox(map, box, row, column),
  };
}

/** Return the outline of a cell in pixels of the picture. */
export function cellBox(map, box, row, column) {
  const [across, down] = [(box[2] - box[0]) / map.w, (box[3] - box[1]) / map.h];
  return [
    box[0] + column * across,
    box[1] + row * down,
    box[0] + (column + 1) * across,
    box[1] + (row + 1) * down,
  ];
}
