// The bar at the foot: what plays, how fast, and the sound to be seen.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { clock } from "../../format.js";
import { locale, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { menu } from "../../ui/menu.js";
import { RATES } from "./player.js";
import { decode, Waveform } from "./waveform.js";

const CLOSE_UP_S = 30;
const LONG_S = 90; // of shorter recordings the whole is close enough

/** Make the bar. `hint(run)`: the keys of a command, for its button. */
export function controls(player, { jobId, turns, hint, title }) {
  const play = button({ label: t("transcript.player.play"), glyph: "play", kind: "primary", only: true, onClick: () => player.toggle() });
  play.classList.add("play");
  const back = button({ label: named("back"), glyph: "rewind", kind: "quiet", only: true, onClick: () => player.back() });
  const forward = button({ label: named("forward"), glyph: "forward", kind: "quiet", only: true, onClick: () => player.forward() });
  const at = el("span", { class: "at" });
  const whole = el("span", { class: "whole" });
  const times = el("p", { class: "times" }, at, el("span", { "aria-hidden": "true" }, " / "), whole);
  const rate = el("button", { type: "button", class: "quiet rate" });
  menu(rate, () => RATES.map((value) => ({ label: speed(value), checked: value === player.rate, run: () => (player.rate = value) })));
  const skip = button({ label: named("skip_silence"), glyph: "skip", kind: "quiet", only: true, onClick: () => setSkip(!player.skipSilence) });
  const overview = new Waveform(player, turns, { label: t("transcript.player.position") });
  const close = new Waveform(player, turns, { label: t("transcript.player.position_near"), zoom: CLOSE_UP_S });
  const zoom = button({ label: t("transcript.player.zoom"), glyph: "wave", kind: "quiet", only: true, onClick: () => setZoom(close.node.hidden) });
  const fault = el("p", { class: "fault", role: "alert", hidden: "" });
  const picture = el("div", { class: "picture", hidden: "" }, player.media);
  const node = el(
    "section", { class: "deck", "aria-label": t("transcript.player.name") },
    picture, fault, close.node,
    el("div", { class: "deck-row" }, el("div", { class: "buttons" }, back, play, forward), times, overview.node, el("div", { class: "buttons end" }, rate, skip, zoom)),
  );

  function named(name) {
    const keys = hint(name);
    return keys ? t("transcript.player.with_key", { label: t(`transcript.player.${name}`), key: keys }) : t(`transcript.player.${name}`);
  }

  function setSkip(on) {
    player.skipSilence = on;
    skip.setAttribute("aria-pressed", String(on));
  }

  function setZoom(on) {
    show(close.node, on);
    zoom.setAttribute("aria-pressed", String(on));
    if (on) close.redraw();
  }

  function stand() {
    const label = named(player.playing ? "pause" : "play");
    if (play.title !== label) {
      play.replaceChildren(icon(player.playing ? "pause" : "play", 22));
      play.title = label;
      play.setAttribute("aria-label", label);
    }
    text(rate, speed(player.rate));
    rate.setAttribute("aria-label", t("transcript.player.rate", { rate: speed(player.rate) }));
    show(fault, player.fault !== null);
    if (player.fault) text(fault, t("transcript.player.fault"));
    show(picture, player.hasPicture);
  }

  function move() {
    text(at, clock(player.time));
    text(whole, clock(player.duration));
    overview.move();
    if (!close.node.hidden) close.move();
  }

  async function loadPeaks() {
    try {
      const peaks = decode(await api.json(`/api/v1/jobs/${encodeURIComponent(jobId)}/peaks`));
      overview.peaks = peaks;
      close.peaks = peaks;
    } catch {
      node.classList.add("flat"); // a line to click on does as well
    }
  }

  for (const kind of ["state", "fault", "ready"]) player.addEventListener(kind, stand);
  for (const kind of ["time", "ready"]) player.addEventListener(kind, move);
  setSkip(false);
  setZoom(player.known > LONG_S && matchMedia("(min-width: 60rem) and (min-height: 44rem)").matches);
  stand();
  move();
  loadPeaks();
  player.announce(title);
  return {
    node,
    toggleSkip: () => setSkip(!player.skipSilence),
    redraw() {
      overview.redraw();
      if (!close.node.hidden) close.redraw();
    },
    unmount() {
      overview.unmount();
      close.unmount();
    },
  };
}

function speed(rate) {
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(rate)}×`;
}
