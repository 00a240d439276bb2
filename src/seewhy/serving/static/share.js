// Take a view along: code, a command, a picture, numbers, a link, a page that needs no server.

import { $ } from "./dom.js";
import { savedPage } from "./saved.js";
import { attempt, photo, question, state } from "./state.js";
import { lookOf, mapsShown } from "./stage.js";
import { blobOf, painted, sheet } from "./still.js";
import { ask } from "./talk.js";

const MOST_PIXELS = 24_000_000;

/** Return a photo's size, shrunk to at most so many pixels. */
function sizeWithin({ width = 1, height = 1 }) {
  const ratio = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  return [Math.round(width * ratio), Math.round(height * ratio)];
}

function save(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${photo()?.name.replace(/\.[^.]*$/, "")}_${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  $("share-said").textContent = `Saved ${link.download}.`;
}

/** Return the question whose answer is shown: in a comparison, all of its methods and classes. */
const questionShown = () => state.mode.question?.() ?? question();

/** Show the view as code; the library writes it, so that it asks what the page asked. */
async function open() {
  const asked = questionShown();
  for (const id of ["as-python", "as-command"]) $(id).textContent = "…";
  $("share-said").textContent = "";
  $("save-covered").hidden = !asked.squares.length;
  $("share").showModal();
  await attempt(async () => {
    const found = await ask("code", asked);
    $("as-python").textContent = found.python;
    $("as-command").textContent = found.command ?? found.noCommand;
    $("copy-command").disabled = !found.command;
  });
}

async function copy(text) {
  await navigator.clipboard.writeText(text);
  $("share-said").textContent = "Copied.";
}

async function savePicture() {
  const shown = photo();
  const maps = mapsShown();
  const [map] = maps;
  if (!shown || !map) return;
  const columns = new Set(maps.map((one) => one.target.index)).size;
  const canvas =
    maps.length > 1
      ? sheet(shown, maps, columns, lookOf)
      : painted(shown, map, sizeWithin(shown), lookOf(map.kind));
  save(await blobOf(canvas, "image/png"), "why.png");
}

/** Save the photo with what covers it: the one that the copied code explains. */
async function saveCovered() {
  const { arrays } = await ask("covered", questionShown());
  save(new Blob([arrays.file.data], { type: "image/png" }), "covered.png");
}

async function saveNumbers() {
  const { arrays } = await ask("npz", questionShown());
  save(new Blob([arrays.file.data], { type: "application/zip" }), "why.npz");
}

async function savePage() {
  const shown = photo();
  if (!shown) return;
  const page = await savedPage(shown, mapsShown());
  save(new Blob([page], { type: "text/html" }), "why.html");
}

export function setUp() {
  $("share-open").addEventListener("click", open);
  for (const button of document.querySelectorAll("[data-copy]")) {
    const { copy: id } = /** @type {HTMLElement} */ (button).dataset;
    button.addEventListener("click", () => copy($(id ?? "").textContent));
  }
  $("copy-link").addEventListener("click", () => copy(location.href));
  const files = {
    "save-png": savePicture,
    "save-covered": saveCovered,
    "save-npz": saveNumbers,
    "save-html": savePage,
  };
  for (const [id, work] of Object.entries(files)) {
    $(id).addEventListener("click", () => attempt(work));
  }
}
