// Look: one photo, one heatmap.

import { bringField, bringMain, mainTile } from "../stage.js";
import { drawTrust } from "../trust.js";

/** @type {import("../state.js").Mode} */
const look = {
  name: "look",
  key: "l",
  word: "Look",
  says: "One photo and one heatmap: what speaks for the class that you choose.",
  boxes: true,
  async show(signal) {
    const map = await bringMain(mainTile(), signal);
    drawTrust(map, signal);
    bringField(map, signal);
  },
};

export default look;
