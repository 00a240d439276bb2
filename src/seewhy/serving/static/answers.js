// Maps: those that are here, those on their way, and those that the server computes.

import { duration, many } from "./dom.js";
import { isSlow, knownPhoto, methodRow, question, seenBy } from "./state.js";
import { ask } from "./talk.js";
import { mapOf } from "./tile.js";
import * as work from "./work.js";

const MOST_ANSWERS = 300;
const SLOW_SECONDS = 2.5;
const SILENT_BEATS = 3; // of half a second each

const answers = new Map();
const coming = new Map();
const costs = new Map();

/** What a map belongs to: all that its question says. */
function keyOf({ model, photo, request, squares }) {
  const { methods, options, classes, contrast, layer } = request;
  return JSON.stringify([model, photo, methods, options, classes, contrast, layer, squares]);
}

function keep(asked, map) {
  answers.delete(keyOf(asked));
  answers.set(keyOf(asked), map);
  while (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
}

export const kept = (asked) => answers.get(keyOf(asked)) ?? null;

/** Say that the map for a question is on its way with something else. */
export function expect(asked, promise) {
  const settled = promise.catch(() => null).finally(() => coming.delete(keyOf(asked)));
  coming.set(keyOf(asked), settled);
}

/** Return what a question costs: the same for every class and photo. */
export async function costOf(asked, signal) {
  const { methods, options, layer } = asked.request;
  const key = JSON.stringify([asked.model, methods, options, layer]);
  if (!costs.has(key)) {
    const { contrast: _contrast, classes: _classes, ...request } = asked.request;
    costs.set(key, await ask("cost", { ...asked, request, squares: [] }, { signal }));
  }
  return costs.get(key);
}

/** Return the map for a question: kept, or asked, its cost said first where it is slow. */
export async function mapFor(asked, signal) {
  await coming.get(keyOf(asked));
  signal.throwIfAborted();
  const here = kept(asked);
  if (here) return here;
  const [method] = asked.request.methods ?? [];
  const name = method ?? "Explaining";
  let { classes } = asked.request;
  if (method && isSlow(method, asked.model)) {
    const cost = await costOf(asked, signal);
    if (cost.seconds > SLOW_SECONDS) {
      const copies = many(cost.copies);
      const text = `${method} asks the model ${copies} times: about ${duration(cost.seconds)}.`;
      await work.confirm(text, signal);
    }
    if (methodRow(method).sharesCopies) classes = classesAtOnce(asked);
    work.restart();
    work.show(`${name} is starting`, 0);
  }
  let silent = 0;
  const request = classes ? { ...asked.request, classes } : asked.request;
  if (classes) delete request.top;
  const result = await ask(
    "explain",
    { ...asked, request },
    {
      signal,
      progress: (header) => {
        silent = 0;
        if (header.total > 16) work.progress(name, header);
      },
      alive: () => {
        silent += 1;
        if (silent === SILENT_BEATS) work.show(`${name} loads what its first map needs`);
      },
      queued: ({ ahead }) =>
        work.show(`${name} waits behind ${ahead} ${ahead === 1 ? "question" : "questions"}`),
    },
  );
  signal.throwIfAborted();
  remember(asked, classes ?? [], result);
  return kept(asked);
}

/** Return what a method that only runs copies answers at the price of one class. */
function classesAtOnce({ model, photo, request: { classes, contrast } }) {
  if (contrast) return classes;
  const best = seenBy(knownPhoto({ id: photo }), model).predictions.map((one) => one.index);
  const all = [...new Set([...(classes ?? []), ...best])].slice(0, 8);
  return all.length ? all : undefined;
}

/** Keep every map of an answer under the question that it answers. */
export function remember(asked, classes, result) {
  const shown = knownPhoto({ id: asked.photo });
  const seen = seenBy(shown, asked.model);
  [shown.height, shown.width] = result.photo;
  if (!asked.squares.length) {
    if (result.predictions.length) seen.predictions = result.predictions;
    seen.familiar = result.familiar;
  }
  const { top: _top, ...rest } = asked.request;
  result.targets.forEach((target, index) => {
    const map = Object.assign(mapOf(result, index), {
      predictions: result.predictions,
      photo: asked.photo,
      model: asked.model,
    });
    if (target.index !== null && !asked.squares.length) {
      seen.others[target.index] = target.probability;
    }
    const one = classes[index] ?? target.index;
    if (one !== null) keep({ ...asked, request: { ...rest, classes: [one] } }, map);
    if (!asked.request.classes && index === 0) keep(asked, map);
  });
}

/** Keep the map of the best class that came with an upload. */
export function rememberFirst(id, model, result) {
  remember(firstQuestion(id, model), [], result);
}

/** Return the question that an upload answers: the best class, by the model's own method. */
export const firstQuestion = (id, model) =>
  question({
    model,
    photo: id,
    method: null,
    layer: null,
    classes: [],
    contrast: null,
    squares: [],
  });
