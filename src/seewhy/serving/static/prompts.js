// The classes of a network that compares images with texts, in words: a box to name others.

import { $ } from "./dom.js";
import { asHash } from "./link.js";
import { attempt, model, state } from "./state.js";
import { send } from "./talk.js";

/** Show the box where the model's classes are prompts. */
export function drawPrompts() {
  const { prompts } = model();
  $("prompts").hidden = !prompts || Boolean(state.about.run);
  if (!prompts) return;
  $("prompts-say").textContent = `${prompts.says}. One on each line:`;
  $("prompts-text").value = prompts.texts.join("\n");
}

async function rename() {
  const lines = $("prompts-text").value.split("\n");
  const prompts = lines.map((text) => text.trim()).filter(Boolean);
  await send("prompts", { model: state.model, prompts });
  Object.assign(state, { classes: [], contrast: null });
  if (state.photo) history.replaceState(null, "", `#${asHash()}`);
  location.reload();
}

/** Listen to the box. */
export function setUp() {
  $("prompts").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(rename);
  });
}
