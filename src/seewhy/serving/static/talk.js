// Asking the server: questions as JSON, answers as a stream of frames.

/** An answer that is a sentence for the person at the page. */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const KINDS = { float32: Float32Array, uint8: Uint8Array };

/** Cut one frame's payload into its arrays. */
function arraysOf(header, payload) {
  const arrays = {};
  let at = 0;
  for (const { name, shape, type } of header.arrays) {
    const Kind = KINDS[type];
    const count = shape.reduce((product, side) => product * side, 1);
    const bytes = count * Kind.BYTES_PER_ELEMENT;
    arrays[name] = { shape, data: new Kind(payload.slice(at, at + bytes)) };
    at += bytes;
  }
  return arrays;
}

/** Read frames from a response until it ends. */
export async function* frames(response) {
  const reader = response.body.getReader();
  let held = new Uint8Array(0);
  const fill = async (count) => {
    while (held.length < count) {
      const { done, value } = await reader.read();
      if (done) return false;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
    }
    return true;
  };
  while (await fill(4)) {
    const length = new DataView(held.buffer, held.byteOffset).getUint32(0, true);
    if (!(await fill(4 + length))) break;
    const header = JSON.parse(new TextDecoder().decode(held.subarray(4, 4 + length)));
    const size = header.arrays.reduce(
      (sum, { shape, type }) => sum + shape.reduce((a, b) => a * b, KINDS[type].BYTES_PER_ELEMENT),
      0,
    );
    if (!(await fill(4 + length + size))) break;
    const start = held.byteOffset + 4 + length;
    const arrays = arraysOf(header, held.buffer.slice(start, start + size));
    held = held.subarray(4 + length + size);
    yield { header, arrays };
  }
}

async function checked(response) {
  if (response.ok) return response;
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error ?? message;
  } catch {
    /* no sentence came with it */
  }
  throw new Refusal(message, response.status);
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function reach(path, options = {}) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof Refusal || error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Is seewhy serve still running?", 0);
  }
}

/** Follow a stream to its result; progress and waiting are told on the way. */
async function follow(response, on = {}) {
  /** @type {any} */
  let result = null;
  for await (const { header, arrays } of frames(response)) {
    if (header.kind === "error") throw new Refusal(header.message, 500);
    if (header.kind === "result") result = { ...header, arrays };
    else on[header.kind]?.(header);
  }
  return result;
}

/** @type {{signal?: AbortSignal, type?: string, headers?: Record<string, string>}} */
const PLAIN = {};

const post = (path, body, { signal, type, headers } = PLAIN) =>
  reach(path, {
    method: "POST",
    signal,
    headers: { "Content-Type": type ?? "application/json", ...headers },
    body,
  });

/**
 * Ask a question about a photo. `signal` cancels it, on the server too.
 * @param {string} name
 * @param {object} question
 * @param {{signal?: AbortSignal, [kind: string]: any}} on
 */
export async function ask(name, question, { signal, ...on } = {}) {
  const response = await post(`/api/${name}`, JSON.stringify(question), { signal });
  const result = await follow(response, on);
  if (!result) throw new Refusal("The answer was cut off. Ask again.", 0);
  return result;
}

/** Send a photo; with a model, get its best class's map in the same go. */
export async function upload(file, name, model, on) {
  const query = model === null ? "" : `?model=${encodeURIComponent(model)}`;
  const response = await post(`/api/photos${query}`, file, {
    type: "application/octet-stream",
    headers: { "X-Photo-Name": encodeURIComponent(name) },
  });
  return follow(response, on);
}

/** Get JSON. */
export async function get(path) {
  return (await reach(`/api/${path}`)).json();
}

/** Send JSON, and get JSON. */
export async function send(path, value) {
  return (await post(`/api/${path}`, JSON.stringify(value))).json();
}

/** Get a photo to be shown, and its own size. */
export async function photoOf(id) {
  const response = await reach(`/api/photos/${id}?side=2048`);
  const [width, height] = (response.headers.get("X-Photo-Size") ?? "").split("x").map(Number);
  return { source: await createImageBitmap(await response.blob()), width, height };
}

/** Get the maps that the run stored for a photo ("run17"), and the contrast of a mistake. */
export async function storedOf(id) {
  /** @type {{maps: any, contrast: any}} */
  const found = { maps: null, contrast: null };
  for await (const { header, arrays } of frames(await reach(`/api/run/${id.slice(3)}`))) {
    if (header.kind === "result") found.maps = { ...header, arrays };
    if (header.kind === "contrast") found.contrast = { ...header, arrays };
  }
  return found;
}
