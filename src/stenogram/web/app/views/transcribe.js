// Transcribe: drop recordings, choose them or make them; then watch their text arrive.

import { el, keyed, show, text } from "../../dom.js";
import { bytes, clock, moment, span } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { bar } from "../../meter.js";
import { button } from "../../ui/button.js";
import { confirm } from "../../ui/dialog.js";
import { icon } from "../../ui/icons.js";
import { toast } from "../../ui/toast.js";
import * as files from "../transcribe/files.js";
import { Jobs } from "../transcribe/jobs.js";
import { Options } from "../transcribe/options.js";
import { obstacle, Recorder } from "../transcribe/recorder.js";
import * as tapes from "../transcribe/tapes.js";
import { uploadCard } from "../transcribe/upload_card.js";
import * as line from "../transcribe/uploads.js";

const MOST_NAMED = 5;

export async function mount(root, _params, { announce }) {
  const over = new AbortController();
  const options = new Options();
  let recorder = null;

  const notes = el("div", { class: "notes" });
  const together = overall();
  const sending = el("ul", { class: "works", "aria-label": t("transcribe.uploads") });
  const list = el("ul", { class: "works", "aria-label": t("transcribe.recordings") });
  const empty = el("div", { class: "empty" }, icon("subtitles", 32), el("h2", {}, t("transcribe.empty_title")), el("p", {}, t("transcribe.empty")));
  const all = el("a", { class: "all-link", href: "/app/library" }, t("transcribe.all"));
  const works = el("section", { class: "works-part", "aria-labelledby": "works-title" });
  works.append(el("div", { class: "works-head" }, el("h2", { id: "works-title" }, t("transcribe.recordings")), all), together.node, sending, list, empty);
  const jobs = new Jobs(list, { announce, onChange: drawUploads });

  const zone = dropZone({ take: (found) => take(found), record, signal: over.signal });
  const head = el("div", { class: "transcribe-head" }, el("h1", {}, t("transcribe.title")), el("p", { class: "lead" }, t("transcribe.lead")));
  const first = el("div", { class: "transcribe-main" }, zone.node, notes, works);
  root.append(head, el("div", { class: "transcribe-columns" }, first, el("aside", { class: "transcribe-side", "aria-label": t("transcribe.options") }, options.node)));

  function take(found) {
    const { taken, left } = files.sort(found);
    if (left.length) tellLeft(left);
    else if (!taken.length) toast(t("transcribe.nothing_dropped"), { tone: "bad" });
    if (!taken.length) return;
    line.add(taken, options.fields());
    announce(t("transcribe.taken", { n: taken.length }));
    const quiet = matchMedia("(prefers-reduced-motion: reduce)").matches;
    requestAnimationFrame(() => works.scrollIntoView({ block: "nearest", behavior: quiet ? "auto" : "smooth" }));
  }

  /** Name what was left out, and say why. */
  function tellLeft(names) {
    const shown = names.slice(0, MOST_NAMED).join(", ");
    const named = names.length > MOST_NAMED ? t("common.and_more", { names: shown, n: names.length - MOST_NAMED }) : shown;
    note("info", t("transcribe.left_out", { n: names.length, names: named }));
  }

  function note(glyph, words, ...actions) {
    const close = button({ label: t("common.dismiss"), glyph: "close", kind: "quiet", only: true, onClick: () => node.remove() });
    const node = el("div", { class: "note card", role: "status" }, icon(glyph), el("p", {}, words), el("div", { class: "note-actions" }, ...actions, ...(actions.length ? [] : [close])));
    notes.append(node);
    return node;
  }

  async function record() {
    const why = obstacle();
    if (why) {
      note("alert", why);
      return;
    }
    const mine = new Recorder({ onDone: sendTape, onClosed: () => (recorder === mine && (recorder = null), zone.recording(null)) });
    recorder = mine;
    zone.recording(mine.node);
    try {
      await mine.start();
    } catch (error) {
      mine.close();
      note("alert", error.message);
    }
  }

  /** A recording from the microphone stays in the browser until the server has it. */
  function sendTape(file, tape) {
    if (tape) tapes.hold(tape);
    line.add([{ file, name: file.name }], options.fields(), () => tape && tapes.forget(tape).catch(() => {}));
    announce(t("transcribe.taken", { n: 1 }));
  }

  async function offerTapes() {
    for (const tape of await tapes.left()) offer(tape);
  }

  function offer(tape) {
    const words = t("transcribe.tape_left", { when: moment(tape.begun_at), length: clock(tape.seconds) });
    const send = button({ label: t("transcribe.send_tape"), kind: "primary", onClick: async () => { sendTape(await tapes.fileOf(tape), tape); node.remove(); } });
    const discard = button({
      label: t("transcribe.discard"),
      kind: "quiet",
      onClick: async () => {
        const asked = { title: t("transcribe.discard_title"), words: t("transcribe.discard_words", { length: clock(tape.seconds) }), action: t("transcribe.discard") };
        if (!(await confirm(asked))) return;
        await tapes.forget(tape);
        node.remove();
      },
    });
    const node = note("mic", words, send, discard);
    node.classList.add("tape");
  }

  function drawUploads() {
    keyed(sending, line.all(), (upload) => upload.id, uploadCard);
    show(sending, line.all().length > 0);
    together.update(line.together());
    show(empty, loaded && !line.all().length && !jobs.count);
    show(all, jobs.count > 0);
    show(list, jobs.count > 0);
  }

  let loaded = false;
  let drawn = 0;
  const onChange = () => {
    cancelAnimationFrame(drawn);
    drawn = requestAnimationFrame(drawUploads);
  };
  const onTaken = ({ detail }) => jobs.add(detail);
  line.uploads.addEventListener("change", onChange);
  line.uploads.addEventListener("taken", onTaken);
  // A recording must not be cut off by accident; what there is of it is kept all the same.
  const onLeave = (event) => recorder?.running && event.preventDefault();
  addEventListener("beforeunload", onLeave);

  drawUploads();
  options.load(over.signal).catch((error) => over.signal.aborted || toast(explain(error), { tone: "bad" }));
  offerTapes().catch(() => {}); // nothing is kept where the browser keeps nothing
  jobs.load().catch((error) => over.signal.aborted || note("alert", explain(error))).finally(() => {
    loaded = true;
    drawUploads();
  });

  return {
    title: t("transcribe.title"),
    async leave() {
      if (!recorder?.running) return true;
      return confirm({ title: t("transcribe.leave_title"), words: t("transcribe.leave_words"), action: t("transcribe.leave"), danger: false });
    },
    unmount() {
      over.abort();
      jobs.close();
      recorder?.close();
      line.uploads.removeEventListener("change", onChange);
      line.uploads.removeEventListener("taken", onTaken);
      removeEventListener("beforeunload", onLeave);
      cancelAnimationFrame(drawn);
    },
  };
}

/** All that is being sent, in one line; only where there is more than one. */
function overall() {
  const words = el("p", { class: "hint" });
  const progress = bar(() => t("transcribe.together"), { role: "progressbar" });
  const stop = button({ label: t("transcribe.cancel_all"), kind: "quiet", onClick: () => [...line.all()].reverse().forEach((upload) => line.cancel(upload)) });
  const node = el("div", { class: "together card" }, progress.node, el("div", { class: "together-foot" }, words, stop));

  function update(told) {
    show(node, told !== null && told.files > 1);
    if (!told) return;
    progress.update(told.bytes ? told.sent / told.bytes : 0, t("transcribe.files_done", { done: told.done, n: told.files }));
    const facts = [t("transcribe.sent_of", { sent: bytes(told.sent), size: bytes(told.bytes) })];
    if (told.speed) facts.push(t("transcribe.left", { time: span(Math.ceil(told.left_s)) }));
    text(words, facts.join(" · "));
  }

  return { node, update };
}

/** Where recordings come in. A file dropped beside it would replace the page: the whole window takes it. */
function dropZone({ take, record, signal }) {
  const input = el("input", { class: "sr", type: "file", id: "files", multiple: "", accept: files.ACCEPT, tabindex: "-1", "aria-hidden": "true" });
  const folder = el("input", { class: "sr", type: "file", id: "folder", webkitdirectory: "", tabindex: "-1", "aria-hidden": "true" });
  for (const each of [input, folder]) {
    each.addEventListener("change", () => {
      take(files.ofInput(each));
      each.value = ""; // so that the same file can be chosen again
    });
  }
  const choose = button({ label: t("transcribe.choose"), glyph: "file", kind: "primary", onClick: () => input.click() });
  const chooseFolder = button({ label: t("transcribe.choose_folder"), glyph: "folder", onClick: () => folder.click() });
  const mic = button({ label: t("transcribe.record"), glyph: "mic", onClick: record });
  const inside = el("div", { class: "zone-inside" });
  inside.append(
    el("span", { class: "zone-glyph" }, icon("upload", 28)),
    el("p", { class: "zone-title" }, el("span", { class: "zone-mouse" }, t("transcribe.drop")), el("span", { class: "zone-touch" }, t("transcribe.drop_touch"))),
    el("p", { class: "hint" }, t("transcribe.drop_hint")),
    el("div", { class: "zone-actions" }, choose, chooseFolder, mic),
  );
  const node = el("section", { class: "zone", "aria-label": t("transcribe.zone") }, input, folder, inside);

  const on = (kind, listener) => window.addEventListener(kind, listener, { signal });
  on("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    node.classList.add("over");
  });
  on("dragleave", (event) => event.relatedTarget || node.classList.remove("over"));
  on("drop", async (event) => {
    node.classList.remove("over");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    take(await files.ofDrop(event.dataTransfer));
  });

  /** Show the recorder in place of the zone's own words; null: those again. */
  function recording(panel) {
    if (panel) node.append(panel);
    show(inside, !panel);
    if (!panel) mic.focus();
  }

  return { node, recording };
}
