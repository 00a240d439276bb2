// Photos come in, one of them is shown, and a strip shows them all.

import { expect, firstQuestion, rememberFirst } from "./answers.js";
import { $, h, percent } from "./dom.js";
import { drawModes, setMode } from "./modes.js";
import { drawWaitingBars } from "./panel.js";
import { filtered, isOfRun, loadStored } from "./run.js";
import { attempt, complain, hooks, knownPhoto, seenBy, state } from "./state.js";
import { view } from "./stage.js";
import { Refusal, ask, photoOf, upload } from "./talk.js";
import * as work from "./work.js";

const UPLOADS_AT_ONCE = 3;
const AGAIN_MILLISECONDS = 800;
const ALONE_MILLISECONDS = 100;

let turn = 0;

/**
 * Put a photo on the stage, once it is here. Until then the one before stays, with all that is
 * asked of it; of several that are chosen in a row the last one counts.
 */
export async function select(shown, mode = state.mode, keep = {}) {
  const own = ++turn;
  if (!shown.source) {
    wait(shown);
    const here = await attempt(async () => {
      await load(shown);
      return true;
    });
    if (own !== turn) return;
    if (!here) return lose(shown);
  }
  const usual = { classes: [], contrast: null };
  if (state.photo !== shown.id) {
    state.mode.leave?.();
    Object.assign(state, { photo: shown.id, squares: [], asked: null, ...usual, ...keep });
  }
  $("welcome").hidden = true;
  $("panel").hidden = false;
  $("share-open").disabled = false;
  $("notice").hidden = true;
  setMode(mode);
  // Thumbnails wait until the map is here: they would take the server's time.
  if (!shown.arriving) drawStrip();
  await hooks.changed();
}

/** Say that a photo is on its way: on the stage if it is the first, on the strip otherwise. */
function wait(shown) {
  for (const one of $("strip").children) {
    one.classList.toggle("coming", one.dataset.photo === shown.id);
  }
  if (state.photo !== null) return;
  waitForFirst(shown.name);
}

/** Show where the first photo and its bars will be. */
function waitForFirst(name) {
  $("welcome").hidden = true;
  $("panel").hidden = false;
  $("trust-section").hidden = true;
  drawWaitingBars();
  const frame = h("div", { className: "frame busy waiting" });
  const words = h("figcaption", {}, h("b", { textContent: `Reading ${name} …` }));
  $("view").replaceChildren(h("figure", {}, frame, words));
}

/** Go back to what was there before a photo that cannot be shown. */
function lose(shown) {
  if (!isOfRun(shown)) state.photos.delete(shown.id);
  backToWelcome();
  drawStrip();
}

function backToWelcome() {
  if (state.photo !== null) return;
  $("welcome").hidden = false;
  $("panel").hidden = true;
  $("view").replaceChildren();
}

async function load(shown) {
  const [source] = await Promise.all([photoOf(shown.id), loadStored(shown)]);
  Object.assign(shown, source);
}

/** Take files that were dropped, pasted or picked: the first is shown as soon as it is known. */
export async function take(files) {
  const queue = [...files].filter((file) => file.size > 0);
  if (!queue.length) return;
  const [first] = queue;
  const next = async () => {
    for (let file; (file = queue.shift());) await attempt(() => takeOne(file, file === first));
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, next));
}

async function takeOne(file, isFirst) {
  const name = file.name || "pasted photo";
  const most = state.about.uploadBytes;
  if (file.size > most) {
    const size = (file.size / 2 ** 20).toFixed(0);
    const fits = `At most ${most / 2 ** 20} MB fit: shrink it, and drop it again.`;
    complain(`“${name}” has ${size} MB. ${fits}`);
    return;
  }
  const began = performance.now();
  const { model } = state;
  const decoded = createImageBitmap(file).catch(() => null);
  if (isFirst) {
    $("notice").hidden = true;
    if (state.photo === null) waitForFirst(name);
  }
  /** @type {Promise<void> | null} */
  let showing = null;
  const sent = upload(file, name, isFirst ? model : null, {
    photo: (header) => {
      const shown = Object.assign(knownPhoto({ id: header.id }), header);
      const settled = sent
        .then((result) => {
          if (result) rememberFirst(shown.id, model, result);
        })
        .finally(() => {
          shown.arriving = false;
        });
      if (!isFirst) return;
      shown.arriving = true;
      expect(firstQuestion(shown.id, model), settled);
      // The photo is on the page while its map is still computed; a map that comes at once is
      // painted with it, for painting twice would take the time of the network.
      showing = (async () => {
        shown.source ??= await decoded;
        await Promise.race([settled, new Promise((done) => setTimeout(done, ALONE_MILLISECONDS))]);
        await select(shown);
        const ended = Math.max(view.painted, began);
        document.documentElement.dataset.first = (ended - began).toFixed(1);
      })();
      showing.catch(() => {});
    },
    busy: ({ message }) => complain(message),
  });
  try {
    await sent;
    await showing;
  } finally {
    backToWelcome();
  }
  drawStrip();
}

/** Return the photos of the strip: those of the run that the filter lets through, and others. */
export const photosShown = () => [
  ...filtered(),
  ...[...state.photos.values()].filter((one) => !isOfRun(one)),
];

/** Show the thumbnails once there are several photos, and learn what the model sees in each. */
export function drawStrip() {
  const photos = photosShown();
  $("strip").hidden = photos.length < 2 && !state.about.run;
  if ($("strip").hidden) return;
  const there = new Map([...$("strip").children].map((one) => [one.dataset.photo, one]));
  $("strip").replaceChildren(...photos.map((one) => thumbnail(one, there.get(one.id))));
  learn();
}

function thumbnail(one, there) {
  const button = there ?? newThumbnail(one);
  const seen = seenBy(one);
  const [best] = seen.predictions.length ? seen.predictions : [one.found];
  const said = best ? `${best.label} ${percent(best.probability)}` : one.name;
  const isChosen = one.id === state.photo;
  button.lastElementChild.textContent = said;
  const label = one.label ? `truly ${one.label}` : "";
  const unlike = seen.familiar ? "" : "unlike the training photos";
  const remarks = [one.failed ?? label, unlike].filter(Boolean).join(", ");
  button.title = remarks ? `${one.name}: ${remarks}` : one.name;
  button.classList.toggle("wrong", one.correct === false);
  button.classList.toggle("unlike", !seen.familiar);
  button.classList.toggle("ticked", Boolean(one.ticked));
  if (isChosen) button.classList.remove("coming");
  button.setAttribute("aria-pressed", String(isChosen));
  const parts = [one.name, best ? said : "", remarks].filter(Boolean);
  button.setAttribute("aria-label", parts.join(", "));
  return button;
}

function newThumbnail(one) {
  const picture = h("img", { src: `/api/photos/${one.id}?side=160`, alt: "", loading: "lazy" });
  return h("button", { "data-photo": one.id, onclick: () => select(one) }, picture, h("span"));
}

let learning = false;

/** Ask what the model sees in photos of which that is not known, one after the other. */
async function learn() {
  if (learning) return;
  learning = true;
  for (let one; (one = firstUnknown());) {
    const { model } = state;
    try {
      const found = await ask("cover", { model, photo: one.id });
      Object.assign(seenBy(one, model), {
        predictions: found.predictions,
        familiar: found.familiar,
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 429) await new Promise((done) => setTimeout(done, AGAIN_MILLISECONDS));
      else one.failed = error.message;
    }
    drawStrip();
  }
  learning = false;
}

const firstUnknown = () =>
  [...state.photos.values()].find(
    (one) => !one.found && !seenBy(one).predictions.length && !one.failed && !one.arriving,
  );

/** Go to the photo before or after the present one on the strip. */
export function photoBeside(by) {
  const photos = photosShown().filter((one) => !one.failed);
  const at = photos.findIndex((one) => one.id === state.photo);
  const next = photos[at + by];
  if (next) select(next);
}

/** Ask another model: what the first one saw stays its own. */
export function changeModel(name) {
  work.begin();
  state.mode.leave?.();
  const nothing = { layer: null, classes: [], contrast: null, squares: [], asked: null };
  Object.assign(state, { model: name, ...nothing });
  drawStrip();
  drawModes();
}
