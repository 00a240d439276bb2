// The work that is shown above the photo: what, how far, and how to stop it.

import { $, duration, many } from "./dom.js";
import { say } from "./state.js";

let controller = new AbortController();
let started = 0;

/** Begin a view or a piece of work: what was under way is cancelled, here and on the server. */
export function begin() {
  controller.abort();
  controller = new AbortController();
  started = performance.now();
  end();
  return controller.signal;
}

/** The signal of the present view: what it asks is dropped when the view changes. */
export const present = () => controller.signal;

export function show(text, share = /** @type {number | null} */ (null)) {
  $("work").hidden = false;
  $("work-start").hidden = true;
  $("work-text").textContent = text;
  $("work-bar").hidden = share === null;
  if (share !== null) $("work-bar").value = share;
}

export function restart() {
  started = performance.now();
}

export function progress(name, { done, total }) {
  const seconds = (performance.now() - started) / 1000;
  const left = done ? (seconds * (total - done)) / done : 0;
  const wait = left > 1 ? `, about ${duration(left)} left` : "";
  show(`${name}: ${many(done)} of ${many(total)}${wait}`, done / total);
}

export function end() {
  $("work").hidden = true;
}

export function stop() {
  controller.abort();
  end();
  say("Cancelled.");
}

/**
 * Ask the person before something slow starts.
 * @returns {Promise<void>}
 */
export function confirm(text, signal) {
  show(text);
  $("work-start").hidden = false;
  $("work-start").focus();
  return new Promise((resolve, reject) => {
    $("work-start").onclick = () => {
      restart();
      resolve();
    };
    signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
  });
}
