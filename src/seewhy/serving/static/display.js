// How maps look: palette, opacity, threshold. No server, no new map.

import { $, drawColours, h, number, percent } from "./dom.js";
import { PALETTES, SIGNED_PALETTES, palette } from "./painter.js";
import { FLAGS, hooks, state, threshold } from "./state.js";

let kind = "heat";
let drawn = "";

const isSigned = (of) => of === "signed" || of === "signedPixels";

/** Set the controls to how a map of the present kind looks. */
export function drawLook(map) {
  kind = map?.kind ?? kind;
  const look = state.looks[kind];
  const share = threshold();
  $("opacity").value = look.opacity;
  $("opacity-value").textContent = percent(look.opacity);
  $("threshold").value = share;
  const value = map ? ` · ${number(share * (map.end ?? map.peak))}` : "";
  $("threshold-value").textContent = `${Math.round(100 * share)} %${value}`;
  for (const name of FLAGS) $(name).checked = state.flags[name];
  $("heat-is-opacity").checked = look.heatIsOpacity;
  const names = isSigned(kind) ? SIGNED_PALETTES : PALETTES;
  if (drawn !== kind) $("palettes").replaceChildren(...names.map(swatch));
  drawn = kind;
  for (const one of $("palettes").children) {
    const chosen = one.dataset.palette === look.palette;
    one.setAttribute("aria-checked", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
  }
}

function swatch(name) {
  const canvas = h("canvas", { width: 256, height: 1 });
  drawColours(canvas, palette(name));
  const onclick = () => {
    state.looks[kind].palette = name;
    hooks.relook();
  };
  const shared = { role: "radio", "aria-label": name, title: name, "data-palette": name, onclick };
  return h("button", shared, canvas);
}

export function setUp() {
  $("opacity").addEventListener("input", () => {
    state.looks[kind].opacity = Number($("opacity").value);
    hooks.relook();
  });
  $("threshold").addEventListener("input", () => {
    state.threshold = Number($("threshold").value);
    const { contour, cut, boxed } = state.flags;
    if (!contour && !cut && !boxed) state.flags.contour = true;
    hooks.relook();
  });
  for (const name of FLAGS) {
    $(name).addEventListener("change", () => {
      state.flags[name] = $(name).checked;
      hooks.relook();
    });
  }
  $("heat-is-opacity").addEventListener("change", () => {
    state.looks[kind].heatIsOpacity = $("heat-is-opacity").checked;
    hooks.relook();
  });
  $("palettes").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    event.preventDefault();
    const all = [...$("palettes").children];
    const at = all.findIndex((one) => one === document.activeElement);
    all[(at + by + all.length) % all.length].click();
    $("palettes").querySelector('[aria-checked="true"]').focus();
  });
}
