// How many jobs waited and ran over the last minutes: an area with its edge, and a line.

import { svg } from "./dom.js";
import { t } from "./i18n.js";

const WIDTH = 240;
const HEIGHT = 48;
const EDGE = 2;

export function spark() {
  const area = svg("path", { class: "spark-area" });
  const edge = svg("path", { class: "spark-queued" });
  const line = svg("path", { class: "spark-running" });
  const base = svg("path", { class: "spark-base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` });
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
  const node = svg("svg", box, base, area, edge, line);

  /** `points`: pairs of queued and running, oldest first; `room`: as many as fit. */
  function update(points, room = 60) {
    const most = Math.max(1, ...points.flat());
    const x = (index) => WIDTH - ((points.length - 1 - index) * WIDTH) / (room - 1);
    const y = (value) => HEIGHT - EDGE - (value * (HEIGHT - 2 * EDGE)) / most;
    const path = (which) =>
      points.map((pair, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(pair[which]).toFixed(1)}`).join("");
    const start = points.length ? x(0).toFixed(1) : 0;
    area.setAttribute("d", points.length ? `${path(0)}V${HEIGHT}H${start}Z` : "");
    edge.setAttribute("d", path(0));
    line.setAttribute("d", path(1));
    const [queued, running] = points.at(-1) ?? [0, 0];
    const peak = Math.max(0, ...points.map((pair) => pair[0]));
    node.setAttribute("aria-label", t("dashboard.trend_words", { queued, peak, running }));
  }

  return { node, update };
}
