// Elements without markup: text stays text. And how often work runs.

/**
 * Return the element of the page with an id.
 * @type {(id: string) => any}
 */
export const $ = (id) => document.getElementById(id);

/**
 * Make an element: properties, on... listeners, data-... and aria-... attributes, children.
 * @param {string} tag
 * @param {Record<string, any>} properties
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** A round button of a group, pressed or not. */
export const chip = (text, pressed, onclick, properties = {}) =>
  h("button", {
    className: "chip",
    textContent: text,
    "aria-pressed": String(pressed),
    onclick,
    ...properties,
  });

/** A choice of [value, text] pairs. */
export const choice = (label, words, properties = {}) =>
  h(
    "select",
    { "aria-label": label, ...properties },
    ...words.map(([value, text]) => h("option", { value, textContent: text })),
  );

export function percent(share) {
  if (share === null || share === undefined) return "";
  if (share >= 0.9995) return "100 %";
  if (share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

export function number(value) {
  if (Number.isNaN(value)) return "not asked";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 0.01 && size < 1e4 ? value.toPrecision(3) : value.toExponential(1);
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A count as people write it: 12,345. */
export const many = (count) => count.toLocaleString("en");

/** Call at most once per animation frame, with the last arguments. */
export function onceAFrame(work) {
  /** @type {any[] | null} */
  let due = null;
  return (...args) => {
    if (due === null) {
      requestAnimationFrame(() => {
        const last = due ?? [];
        due = null;
        work(...last);
      });
    }
    due = args;
  };
}

/** Call only when nothing has come for a while. */
export function whenQuiet(work, milliseconds) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), milliseconds);
  };
}

/** Hold one question at a time: while it is open only the last of the following waits. */
export function latest(work) {
  let open = false;
  /** @type {any[] | null} */
  let waiting = null;
  const run = async (...args) => {
    if (open) {
      waiting = args;
      return;
    }
    open = true;
    try {
      await work(...args);
    } finally {
      open = false;
      if (waiting) {
        const next = waiting;
        waiting = null;
        run(...next);
      }
    }
  };
  return run;
}

/** Draw a strip of 256 colours into a canvas of 256 × 1. */
export function drawColours(canvas, colours) {
  const image = new ImageData(256, 1);
  for (let i = 0; i < 256; i++) {
    image.data.set([...colours.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
