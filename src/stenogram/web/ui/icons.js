// The page's icons: strokes on a grid of 24, in the colour of the text around them.

import { svg } from "../dom.js";

const PATHS = {
  add: "M12 5v14M5 12h14",
  alert: "M12 4 2.8 20h18.4zM12 10v4M12 17v.5",
  back: "M19 12H5m6-6-6 6 6 6",
  check: "m5 12.5 4.5 4.5L19 7.5",
  chevron: "m6 9 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v10H9zM5 15V5h10",
  download: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  edit: "M4 20l1-4L16.5 4.5l3 3L8 19z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  filter: "M4 6h16M7 12h10M10 18h4",
  folder: "M3 6h6l2 2.5h10V19H3z",
  forward: "M4 6v12l8-6zM12 6v12l8-6z",
  gauge: "M4 18a8 8 0 1 1 16 0M12 18l4-6",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18-3-3-3-15 0-18z",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 17v.5",
  history: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4M12 8v4l3 2",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 7.5v.5",
  key: "M14.5 9.5a4 4 0 1 0-3.6 4L13 15.5h2V18h2.5v2.5H21V17z",
  keyboard: "M3 6h18v12H3zM7 10h.5M11 10h.5M15 10h.5M8 14h8",
  library: "M5 4v16M10 4v16M14 4.5l5 15.2",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  merge: "M6 4v5c0 4 6 3 6 8v3M18 4v5c0 4-6 3-6 8",
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v4",
  model: "M12 3 4 7.5v9L12 21l8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  more: "M5 12h.5M12 12h.5M19 12h.5",
  pause: "M8 5v14M16 5v14",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.3M18 13.5a6.5 6.5 0 0 1 3.5 5.5",
  play: "M7 4.5v15l12-7.5z",
  redo: "M20 9H9a5 5 0 0 0 0 10h3M16 5l4 4-4 4",
  replace: "M4 7h12l-3-3M20 17H8l3 3",
  retry: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4",
  rewind: "M20 6v12l-8-6zM12 6v12l-8-6z",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 20 20",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  share: "M16 8a2.5 2.5 0 1 0-2.4-3.2L8.4 8.6a2.5 2.5 0 1 0 0 3.8l5.2 3.8A2.5 2.5 0 1 0 16 13",
  sign_out: "M10 4H5v16h5M14 8l4 4-4 4M8 12h10",
  spark: "M12 3l1.8 6.2L20 11l-6.2 1.8L12 19l-1.8-6.2L4 11l6.2-1.8z",
  split: "M12 20v-6c0-4-6-4-6-8V4M12 14c0-4 6-4 6-8V4",
  stop: "M6 6h12v12H6z",
  subtitles: "M3 5h18v14H3zM7 11h4M14 11h3M7 15h2M12 15h5",
  tag: "M4 4h8l8 8-8 8-8-8zM8 8v.5",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  undo: "M4 9h11a5 5 0 0 1 0 10h-3M8 5 4 9l4 4",
  upload: "M12 20V9m-5 5 5-5 5 5M5 4h14",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0",
  volume: "M4 10v4h3l5 4V6L7 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
};

/** An icon by its name; it says nothing to screen readers: the words beside it, or the button's label, do. */
export function icon(name, size = 20) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.75, "stroke-linecap": "round", "stroke-linejoin": "round" }),
  );
}
