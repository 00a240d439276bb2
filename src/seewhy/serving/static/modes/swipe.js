// Swipe: two maps over each other, with a divider between.

import { mapFor } from "../answers.js";
import { $, choice, h } from "../dom.js";
import { drawBars, drawControls } from "../panel.js";
import { fittingMethods, hooks, methodRow, question, seenBy, state } from "../state.js";
import { lay, point, relook, settle, space, view } from "../stage.js";
import { Tile } from "../tile.js";
import { drawTrust } from "../trust.js";
import * as work from "../work.js";

const STEPS = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowUp: -0.1, ArrowDown: 0.1 };

const swiped = { with: "photo", at: 0.5 };

/** What may stand on the right. */
function drawTools(map) {
  const others = seenBy().predictions.filter((one) => one.index !== map.target.index);
  const methods = fittingMethods().filter((one) => one.name !== map.method);
  const field = choice(
    "On the right",
    [
      ["photo", "the bare photo"],
      ...others.slice(0, 5).map((one) => [`class ${one.index}`, `the class ${one.label}`]),
      ...methods.map((one) => [`method ${one.name}`, `the method ${one.name}`]),
    ],
    {
      onchange: (event) => {
        swiped.with = event.target.value;
        hooks.changed();
      },
    },
  );
  field.value = swiped.with;
  if (!field.value) field.value = swiped.with = "photo";
  $("tools").hidden = false;
  $("tools").replaceChildren(h("label", {}, "Beside it", field));
}

function rightQuestion() {
  const [kind, value] = swiped.with.split(/ (.*)/);
  if (kind === "photo") return null;
  if (kind === "class") return question({ classes: [Number(value)], contrast: null });
  return question({ method: value, layer: methodRow(value).atLayer ? state.layer : null });
}

async function show(signal) {
  view.mode = swipe;
  const map = await mapFor(question(), signal);
  drawTools(map);
  const [left, right] = [new Tile({ onpoint: point }), new Tile({ onpoint: point })];
  const names = ["left", "right"].map((side) => h("span", { className: `side ${side}` }));
  const divider = makeDivider(left, right);
  $("view").replaceChildren(left.element);
  lay([left, right], ...space());
  right.frame.classList.add("over");
  left.frame.append(right.frame, ...names, divider);
  settle(left, map);
  const asked = rightQuestion();
  right.plain = !asked;
  if (asked) right.setMap(await mapFor(asked, signal));
  else right.frame.classList.remove("busy");
  work.end();
  names[0].textContent = `${map.title} · ${map.method}`;
  names[1].textContent = right.map ? `${right.map.title} · ${right.map.method}` : "photo";
  drawBars();
  drawControls(map);
  relook();
  drawTrust(map, signal);
}

function makeDivider(left, right) {
  const divider = h("button", {
    className: "divider",
    role: "slider",
    "aria-label": "Divider",
    "aria-valuemin": "0",
    "aria-valuemax": "100",
  });
  const move = (share) => {
    swiped.at = Math.min(Math.max(share, 0), 1);
    right.frame.style.clipPath = `inset(0 0 0 ${100 * swiped.at}%)`;
    divider.style.left = `${100 * swiped.at}%`;
    divider.setAttribute("aria-valuenow", String(Math.round(100 * swiped.at)));
  };
  move(swiped.at);
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus();
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const edge = left.frame.getBoundingClientRect();
    move((event.clientX - edge.left) / edge.width);
  });
  divider.addEventListener("keydown", (event) => {
    const by = STEPS[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    move(swiped.at + by);
  });
  return divider;
}

/** @type {import("../state.js").Mode} */
const swipe = {
  name: "swipe",
  key: "w",
  word: "Swipe",
  says: "Two views over each other: move the divider.",
  show,
};

export default swipe;
