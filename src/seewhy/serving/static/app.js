// The page: clicks and keys become questions, and the address remembers the view.

import { $, h, onceAFrame, whenQuiet } from "./dom.js";
import * as display from "./display.js";
import { asHash, fromHash } from "./link.js";
import { MODES, drawModes, modeBeside, modeNamed, modesThere, setMode, show } from "./modes.js";
import * as panel from "./panel.js";
import { changeModel, drawStrip, photoBeside, select, take } from "./photos.js";
import * as prompts from "./prompts.js";
import { drawFilter, filtered, layerOf } from "./run.js";
import * as sharing from "./share.js";
import { relook, step, view } from "./stage.js";
import { attempt, hooks, knownPhoto, model, say, state } from "./state.js";
import { get } from "./talk.js";
import * as work from "./work.js";

const SAMPLE = "chelsea.png";

const remember = whenQuiet(() => {
  if (state.photo) history.replaceState(null, "", `#${asHash()}`);
}, 250);

hooks.changed = () => {
  remember();
  panel.drawBars();
  return show();
};
hooks.relook = onceAFrame(() => {
  relook();
  remember();
});
hooks.strip = drawStrip;
hooks.beside = photoBeside;

function goTo(mode) {
  setMode(mode);
  hooks.changed();
}

const isField = (target) => /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The keys of every mode, with a photo on the stage; true for keys that are used up. */
const KEYS = {
  " ": () => {
    state.bare = !state.bare;
    relook();
  },
  "[": () => slideLayer(-1),
  "]": () => slideLayer(1),
  "?": () => $("help").showModal(),
};

function slideLayer(by) {
  $("layer").value = Number($("layer").value) + by;
  $("layer").dispatchEvent(new Event("input"));
}

function keys(event) {
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z" || !state.mode.undo || isField(event.target)) return;
    event.preventDefault();
    state.mode.undo();
    return;
  }
  if (event.altKey || document.querySelector("dialog[open]") || isField(event.target)) return;
  if (event.key === "Escape") work.stop();
  else if (state.photo) keysOfPhoto(event);
}

function keysOfPhoto(event) {
  const onButton = event.target.closest?.("button, a, label");
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (digit) {
    const row = $("bars").querySelectorAll(".bar")[Number(digit) - 1];
    if (row) panel.chooseClass(Number(row.dataset.class), event.shiftKey);
    return;
  }
  const arrow = ARROWS[event.key];
  if (arrow) {
    if (onButton?.closest("#modes")) goTo(modeBeside(arrow[0] + arrow[1]));
    else step(arrow[0], arrow[1]);
    event.preventDefault();
    return;
  }
  if (event.key === " " && onButton) return;
  const mode = modesThere().find((one) => one.key === event.key);
  const press = state.mode.keys?.[event.key] ?? KEYS[event.key] ?? (mode && (() => goTo(mode)));
  if (!press) return;
  event.preventDefault();
  press();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem("theme", name);
  } catch {
    /* a private window keeps nothing */
  }
}

function chosenTheme() {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen) return chosen;
  } catch {
    /* as the system says */
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Let the panel end where the photos of the strip begin. */
function watchFooter() {
  const measure = () => {
    const height = `${$("footer").offsetHeight}px`;
    document.documentElement.style.setProperty("--footer", height);
  };
  new ResizeObserver(measure).observe($("footer"));
}

function listen() {
  watchFooter();
  panel.setUp();
  display.setUp();
  sharing.setUp();
  prompts.setUp();
  listenForPhotos();
  addEventListener("keydown", keys);
  addEventListener(
    "resize",
    whenQuiet(() => {
      view.mode = null;
      show();
    }, 150),
  );
  addEventListener("hashchange", restore);
  $("modes").addEventListener("click", ({ target }) => {
    const mode = modeNamed(target.dataset.mode);
    if (mode) goTo(mode);
  });
  $("model").addEventListener("change", () => {
    changeModel($("model").value);
    prompts.drawPrompts();
    hooks.changed();
  });
  $("work-stop").addEventListener("click", () => {
    work.stop();
    for (const tile of view.tiles) tile.frame.classList.remove("busy");
  });
  $("notice").lastElementChild.addEventListener("click", () => {
    $("notice").hidden = true;
  });
  $("theme").addEventListener("click", () => {
    theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  });
  $("help-open").addEventListener("click", () => $("help").showModal());
}

function listenForPhotos() {
  $("file").addEventListener("change", () => {
    take([...$("file").files]);
    $("file").value = "";
  });
  const sample = async () => {
    const blob = await (await fetch("/api/sample")).blob();
    await take([new File([blob], SAMPLE, { type: blob.type })]);
  };
  $("sample").addEventListener("click", () => attempt(sample));
  for (const label of document.querySelectorAll("label.link")) {
    label.addEventListener("keydown", (event) => {
      if (/** @type {KeyboardEvent} */ (event).key === "Enter") $("file").click();
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) $("drop").hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").hidden = true;
    take(event.dataTransfer?.files ?? []);
  });
  addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (files.length) take(files);
  });
}

/** Restore the view that the address names, once its photo is here; true where it names one. */
async function restore() {
  const id = new URLSearchParams(location.hash.slice(1)).get("photo");
  if (!id || id === state.photo) return Boolean(id);
  const wanted = fromHash(location.hash);
  if (!wanted) return false;
  $("model").value = state.model;
  const { classes, contrast } = state;
  const shown = knownPhoto({ id: wanted.id, name: wanted.name });
  await select(shown, wanted.mode ?? state.mode, { classes, contrast });
  return true;
}

/** Ask as the run asked, and show the first of its photos. */
async function openRun() {
  const { methods, options, layer } = state.about.run;
  const [method] = methods;
  Object.assign(state, {
    method,
    layer: layerOf(layer, model()),
    options: options[method] ?? {},
  });
  await drawFilter(async () => {
    drawStrip();
    const [first] = filtered();
    if (!state.photo && !location.hash && first) await select(first);
  });
}

/** List the modes' keys in the help, from their table. */
function drawHelp() {
  const rows = MODES.flatMap(({ key, word, says, help = [] }) => [
    [key, `${word}. ${says}`],
    ...help,
  ]);
  $("help-keys").append(
    ...rows.flatMap(([key, text]) => [
      h("dt", { textContent: key }),
      h("dd", { textContent: text }),
    ]),
  );
}

async function start() {
  document.documentElement.dataset.theme = chosenTheme();
  state.about = await get("about");
  state.model = state.about.models[0].name;
  state.mode = MODES[0];
  $("model").replaceChildren(
    ...state.about.models.map((one) => h("option", { value: one.name, textContent: one.short })),
  );
  $("model-choice").hidden = state.about.models.length < 2;
  $("sample").hidden = !state.about.sample;
  state.about.photos.forEach(knownPhoto);
  drawModes();
  drawHelp();
  prompts.drawPrompts();
  listen();
  if (state.about.run) await openRun();
  const [first] = state.about.photos;
  if (!(await restore()) && first) await select(knownPhoto(first));
  document.documentElement.dataset.ready = "yes";
  say("Ready. Open a photo.");
}

attempt(start);
