// Can it be trusted? What was measured of the present map, on this photo.

import { costOf } from "./answers.js";
import { $, duration, h } from "./dom.js";
import { attempt, question, state } from "./state.js";
import { ask } from "./talk.js";

const SLOW_SECONDS = 4;

const measured = new Map();
let trustOf = "";

const small = (textContent) => h("p", { className: "small", textContent });

/** Show the trust badge of a map: measured by itself where that is quick. */
export async function drawTrust(map, signal, force = false) {
  const box = $("trust");
  $("trust-section").hidden = !map;
  const why = map ? unmeasurable(map) : [];
  if (why) {
    trustOf = "";
    box.replaceChildren(...why);
    return;
  }
  const asked = question({ method: map.method, classes: [map.target.index] });
  const key = JSON.stringify(asked);
  if (trustOf === key && !force) return;
  trustOf = key;
  const known = measured.get(key);
  if (known) {
    show(known);
    return;
  }
  await attempt(() => measure(map, asked, key, signal, force));
  if (signal.aborted && trustOf === key && !measured.has(key)) trustOf = "";
}

/** Say why a map cannot be measured; null where it can. */
function unmeasurable(map) {
  if (state.contrast !== null || map.target.index === null) {
    return [small("Only the map of one class can be measured. Choose a class alone.")];
  }
  if (map.empty) {
    return [
      h("span", { className: "badge bad", textContent: "Empty" }),
      small("Nothing in this map speaks for the class, so there is nothing to trust."),
    ];
  }
  return null;
}

async function measure(map, asked, key, signal, force) {
  const box = $("trust");
  box.replaceChildren(small("Looking how long it takes …"));
  const cost = await costOf(asked, signal);
  if (trustOf !== key) return;
  if (cost.trustSeconds > SLOW_SECONDS && !force) {
    const textContent = `Measure it (about ${duration(cost.trustSeconds)})`;
    const onclick = () => drawTrust(map, signal, true);
    box.replaceChildren(h("button", { textContent, onclick }));
    return;
  }
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Measuring" });
  box.replaceChildren(small("Measuring on this photo …"), bar);
  const found = await ask("trust", asked, {
    signal,
    progress: ({ done, total }) => {
      bar.value = done / total;
    },
  });
  measured.set(key, found);
  if (trustOf === key) show(found);
}

/** Show what was found: lines with a verdict each, from the server. */
function show({ checks, verdict, good }) {
  const lines = checks.map(({ text, holds, why }) =>
    h(
      "li",
      { className: { true: "", false: "bad", null: "unknown" }[String(holds)] },
      h("span", { textContent: text }),
      h("small", { textContent: why }),
    ),
  );
  $("trust").replaceChildren(
    h("span", { className: `badge${good ? "" : " bad"}`, textContent: verdict }),
    h("ul", {}, ...lines),
  );
}
