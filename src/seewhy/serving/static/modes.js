// The modes, and how the page goes from one to another. A new mode is a module and a line here.

import { $, h } from "./dom.js";
import compare from "./modes/compare.js";
import cover from "./modes/cover.js";
import features from "./modes/features.js";
import inside from "./modes/inside.js";
import look from "./modes/look.js";
import mistakes from "./modes/mistakes.js";
import swipe from "./modes/swipe.js";
import { attempt, photo, state } from "./state.js";
import * as work from "./work.js";

/** @type {import("./state.js").Mode[]} */
export const MODES = [look, compare, swipe, cover, inside, features, mistakes];

export const modesThere = () => MODES.filter((one) => one.isThere?.() ?? true);

export const modeNamed = (name) => modesThere().find((one) => one.name === name) ?? null;

/** Show what is asked now in the present mode; what was under way is dropped. */
export async function show() {
  if (!photo()?.source) return;
  const signal = work.begin();
  $("tools").hidden = true;
  $("tools").replaceChildren();
  $("beside").hidden = true;
  $("view").className = state.mode.name;
  await attempt(() => state.mode.show(signal));
}

/** Go to a mode; what it shows comes with `show`. */
export function setMode(mode) {
  if (state.mode !== mode) state.mode.leave?.();
  state.mode = mode;
  drawModes();
}

/** Draw the tabs, and say in words what the present mode is for. */
export function drawModes() {
  const focused = $("modes").contains(document.activeElement);
  $("modes").replaceChildren(
    ...modesThere().map((mode) => {
      const chosen = mode === state.mode;
      return h("button", {
        role: "tab",
        "data-mode": mode.name,
        "aria-selected": String(chosen),
        tabIndex: chosen ? 0 : -1,
        disabled: !state.photo,
        textContent: mode.word,
        title: `${mode.says} (${mode.key})`,
      });
    }),
  );
  $("mode-says").textContent = state.photo ? state.mode.says : "";
  $("mode-says").hidden = !state.photo;
  if (focused) $("modes").querySelector('[aria-selected="true"]')?.focus();
}

/** Return the mode beside the present one, for the arrow keys. */
export function modeBeside(by) {
  const there = modesThere();
  return there[(there.indexOf(state.mode) + by + there.length) % there.length];
}
