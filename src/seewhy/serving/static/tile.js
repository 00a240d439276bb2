// A tile: one photo with one map over it, painted at the size at which it is shown.

import { drawColours, h, number, onceAFrame } from "./dom.js";
import * as painter from "./painter.js";

const MOST_PIXELS = 1_000_000;
const LEAST_SIDE = 320;

/** Turn an answer's map into what tiles show. */
export function mapOf(result, index = 0) {
  const [, rows, columns] = result.arrays.maps.shape;
  const size = rows * columns;
  const cut = (array) => array.data.subarray(index * size, (index + 1) * size);
  const raw = { data: cut(result.arrays.maps), h: rows, w: columns };
  let data = result.arrays.smooth ? cut(result.arrays.smooth) : raw.data;
  if (result.fromMinimum) {
    const low = data.reduce((least, value) => (value < least ? value : least), Infinity);
    data = data.map((value) => value - low);
  }
  const target = result.targets[index];
  const { signed, pixelLevel } = result;
  const peak = painter.peakOf(raw.data, signed);
  return {
    raw,
    shown: { data, h: rows, w: columns },
    placement: result.placement,
    signed,
    kind: kindOf(signed, pixelLevel),
    end: pixelLevel ? painter.attributionEnd(raw.data) : null,
    empty: peak === 0,
    peak,
    unit: result.unit,
    method: result.method,
    layer: result.layer,
    request: result.request,
    target,
    title: target.rivals ? `${target.label} rather than ${target.rivals}` : target.label,
    seconds: result.seconds,
  };
}

function kindOf(signed, pixelLevel) {
  if (pixelLevel) return signed ? "signedPixels" : "pixels";
  return signed ? "signed" : "heat";
}

export class Tile {
  /** @param {{small?: boolean, onpoint?: (place: any, event: any, tile: Tile) => void}} options */
  constructor({ small = false, onpoint = () => {} } = {}) {
    this.base = h("canvas");
    this.over = h("canvas");
    this.frame = h("div", { className: "frame" }, this.base, this.over);
    this.title = h("b");
    this.how = h("span", { className: "how" });
    this.readout = h("span", { className: "readout" });
    this.ramp = h("canvas", { width: 256, height: 1 });
    this.low = h("span");
    this.high = h("span");
    this.caption = h(
      "figcaption",
      {},
      this.title,
      this.how,
      small ? null : h("div", { className: "scale" }, this.low, this.ramp, this.high),
      small ? null : this.readout,
    );
    this.element = h("figure", { className: small ? "tile" : "" }, this.frame, this.caption);
    this.small = small;
    /** @type {any} */
    this.map = null;
    /** @type {any} */
    this.photo = null;
    /** @type {number[][]} */
    this.squares = [];
    this.width = 1;
    this.height = 1;
    /** @type {any} */
    this.point = null;
    /** @type {number[] | null} */
    this.field = null;
    /** @type {number[] | null} */
    this.patch = null;
    /** @type {{box: number[], label: string}[]} */
    this.boxes = [];
    this.plain = false;
    this.redraw = onceAFrame(() => this.drawMarks());
    const point = (event) => {
      const place = this.placeOf(event);
      onpoint(place, event, this);
    };
    for (const kind of ["pointermove", "pointerdown", "pointerup"]) {
      this.frame.addEventListener(kind, point);
    }
    this.frame.addEventListener("pointerleave", (event) => onpoint(null, event, this));
  }

  /** Return where an event is, in pixels of the photo. */
  placeOf(event) {
    const edge = this.frame.getBoundingClientRect();
    return {
      x: ((event.clientX - edge.left) / edge.width) * this.photo.width,
      y: ((event.clientY - edge.top) / edge.height) * this.photo.height,
    };
  }

  /** Show a photo ({source, width, height}) within a width and height of the page. */
  setPhoto(photo, wide, tall) {
    this.photo = photo;
    const ratio = Math.min(wide / photo.width, tall / photo.height);
    const [width, height] = [Math.max(1, photo.width * ratio), Math.max(1, photo.height * ratio)];
    this.frame.style.width = `${width}px`;
    this.frame.style.height = `${height}px`;
    this.caption.style.width = `${this.small ? width : Math.max(width, 120)}px`;
    const dense = Math.min(
      globalThis.devicePixelRatio || 1,
      Math.sqrt(MOST_PIXELS / (width * height)),
    );
    // A small photo is painted in its own pixels, which the browser enlarges; marks stay sharp.
    const own = Math.min(
      dense,
      Math.max(photo.width, photo.height, LEAST_SIDE) / Math.max(width, height),
    );
    this.resize(this.over, width * dense, height * dense);
    this.resize(this.base, width * own, height * own);
    [this.width, this.height] = [this.base.width, this.base.height];
    this.context = this.base.getContext("2d", { willReadFrequently: true });
    this.readPhoto();
    this.placed = this.scaled = null;
  }

  resize(canvas, width, height) {
    [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side)));
  }

  readPhoto() {
    const { context, width, height } = this;
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(this.photo.source, 0, 0, width, height);
    this.bare = context.getImageData(0, 0, width, height);
    this.pixels = this.squares.length ? this.covered() : this.bare;
    this.out = new ImageData(width, height);
  }

  /** Return the photo's pixels under squares of its mean colour. */
  covered() {
    const { bare, width, height, photo } = this;
    photo.mean ??= meanOf(bare.data);
    const pixels = new ImageData(new Uint8ClampedArray(bare.data), width, height);
    const [across, down] = [width / photo.width, height / photo.height];
    for (const [x, y, side] of this.squares) {
      const [x1, y1] = [
        Math.min(width, Math.round((x + side) * across)),
        Math.min(height, Math.round((y + side) * down)),
      ];
      for (let row = Math.max(0, Math.round(y * down)); row < y1; row++) {
        for (let column = Math.max(0, Math.round(x * across)); column < x1; column++) {
          pixels.data.set(photo.mean, 4 * (row * width + column));
        }
      }
    }
    return pixels;
  }

  cover(squares) {
    this.squares = squares;
    this.pixels = squares.length ? this.covered() : this.bare;
  }

  setMap(map) {
    this.frame.classList.remove("busy");
    if (map === this.map && this.placed) return;
    this.map = map;
    this.boxes = [];
    this.placed = this.scaled = null;
  }

  /** Return where the map lies, in pixels of the canvas. */
  get box() {
    const [across, down] = [this.width / this.photo.width, this.height / this.photo.height];
    const [x0, y0, x1, y1] = this.map.placement;
    return [x0 * across, y0 * down, x1 * across, y1 * down];
  }

  get heat() {
    this.placed ??= painter.placeMap(this.map.shown, this.box, this.width, this.height);
    return this.placed;
  }

  /** The value of the hottest pixel as painted. */
  get peak() {
    return this.map ? (this.map.end ?? painter.peakOf(this.heat, this.map.signed)) : 0;
  }

  /** Paint: `look` holds palette, opacity and so on; `peak` the value of full heat, or null. */
  paint(look, peak = /** @type {number | null} */ (null)) {
    this.look = look;
    if (!this.photo) return;
    if (!this.map || look.bare) {
      this.context.putImageData(this.pixels, 0, 0);
    } else {
      const own = peak ?? this.peak;
      if (!this.scaled || this.scaledBy !== own) {
        this.scaled = painter.scaledMap(this.map, this.heat, own);
        this.scaledBy = own;
      }
      painter.paintMap(
        this.map,
        this.scaled,
        this.pixels.data,
        look,
        /** @type {ImageData} */ (this.out).data,
      );
      this.context.putImageData(this.out, 0, 0);
      this.paintRamp(painter.palette(look.palette), own);
    }
    this.redraw();
  }

  /** Draw the colour scale, with words at its ends where they mean two classes. */
  paintRamp(colours, peak) {
    if (this.small) return;
    drawColours(this.ramp, colours);
    const { signed, target } = this.map;
    const other = target.rivals ? `for ${target.rivals}` : `against ${target.label}`;
    this.low.textContent = signed ? `${other} −${number(peak)}` : "0";
    this.high.textContent = signed ? `for ${target.label} ${number(peak)}` : number(peak);
  }

  /** Mark what is under the cursor: {x, y} in pixels of the photo, or null; `field` a box there. */
  mark(point, field = /** @type {number[] | null} */ (null)) {
    [this.point, this.field] = [point, field];
    this.redraw();
  }

  cellAt(point) {
    return this.map && point
      ? painter.cellAt(this.map.raw, this.map.placement, point.x, point.y)
      : null;
  }

  drawMarks() {
    if (!this.photo) return;
    const {
      look,
      over: { width, height },
    } = this;
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, width, height);
    const [across, down] = [width / this.photo.width, height / this.photo.height];
    const dense = width / (parseFloat(this.frame.style.width) || width);
    /** @type {(box: any) => [number, number, number, number]} */
    const onCanvas = ([x0, y0, x1, y1]) => [
      x0 * across,
      y0 * down,
      (x1 - x0) * across,
      (y1 - y0) * down,
    ];
    const outline = (path, colour, thick, dashes = []) => {
      context.setLineDash([]);
      context.strokeStyle = "#000a";
      context.lineWidth = (thick + 1.6) * dense;
      if (!dashes.length) context.stroke(path);
      context.setLineDash(dashes.map((one) => one * dense));
      context.strokeStyle = colour;
      context.lineWidth = thick * dense;
      context.stroke(path);
    };
    const rectangle = (box) => {
      const path = new Path2D();
      path.rect(...onCanvas(box));
      return path;
    };
    if (this.map && this.scaled && look.contour && !this.map.empty) {
      const path = new Path2D();
      const step = Math.max(1, Math.round(this.width / 300));
      const ratio = width / this.width;
      const lines = painter
        .contour(this.scaled, this.width, this.height, Math.max(look.threshold, 0.01), step)
        .map((edge) => edge * ratio);
      for (let i = 0; i < lines.length; i += 4) {
        path.moveTo(lines[i], lines[i + 1]);
        path.lineTo(lines[i + 2], lines[i + 3]);
      }
      outline(path, "#fff", 1.4);
    }
    for (const { box, label } of this.boxes) {
      outline(rectangle(box), "#ffd43b", 2);
      if (label) this.drawLabel(context, label, onCanvas(box), dense);
    }
    if (this.point) {
      const cell = this.cellAt(this.point);
      if (this.field) outline(rectangle(this.field), "#fff", 1.3, [6, 4]);
      if (cell && this.map.raw.w <= 64) outline(rectangle(cell.box), "#fff", 1.6);
      const path = new Path2D();
      path.arc(this.point.x * across, this.point.y * down, 4.5 * dense, 0, 7);
      outline(path, "#fff", 1.4);
    }
    if (this.patch) outline(rectangle(this.patch), "#fff", 1.4);
  }

  drawLabel(context, label, box, dense) {
    const [x, y] = box;
    context.font = `600 ${13 * dense}px system-ui, "Liberation Sans", sans-serif`;
    const wide = context.measureText(label).width + 12 * dense;
    const tall = 21 * dense;
    const [left, top] = [Math.min(x, this.over.width - wide), y >= tall ? y - tall : y];
    context.fillStyle = "#ffd43b";
    context.fillRect(left, top, wide, tall);
    context.fillStyle = "#221a00";
    context.textBaseline = "middle";
    context.fillText(label, left + 6 * dense, top + tall / 2);
  }
}

function meanOf(data) {
  const sums = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) for (let c = 0; c < 3; c++) sums[c] += data[at + c];
  return [...sums.map((sum) => Math.round(sum / (data.length / 4))), 255];
}
