// What a language model makes of the transcript: clean text with every change to take or leave, a summary, chapters.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { parse } from "../../events.js";
import { clock, count } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { toast } from "../../ui/toast.js";
import { differences } from "./differences.js";
import { documentOf } from "./made.js";

const KINDS = ["clean", "summary", "chapters", "translation"];
const UNDER_WAY = ["pending", "processing"];
const POLL_MS = 1500;

export const cleanup = { id: "cleanup", label: "panels.cleanup.title", glyph: "spark", mount };

function mount(root, { document: transcript, player, context }) {
  const path = `/api/v1/transcriptions/${transcript.jobId}`;
  const over = new AbortController();
  let kind = "clean";
  let round = 0;
  let following = null;

  const tabs = el("div", { class: "segmented", role: "radiogroup", "aria-label": t("panels.cleanup.kind") });
  const language = el("input", { id: "cleanup-language", placeholder: "en", autocomplete: "off", maxlength: "64" });
  const languageField = el("p", { class: "field" }, el("label", { for: "cleanup-language" }, t("panels.cleanup.language")), language);
  const standing = el("div", { class: "standing", role: "status" });
  const body = el("div", { class: "made" });
  root.append(tabs, languageField, standing, body);
  tabs.append(...KINDS.map(choice));
  select("clean");

  function choice(name) {
    const input = el("input", { type: "radio", name: "cleanup-kind", value: name, class: "sr" });
    input.addEventListener("change", () => select(name));
    return el("label", {}, input, el("span", {}, t(`panels.cleanup.kinds.${name}`)));
  }

  function select(name) {
    kind = name;
    for (const input of tabs.querySelectorAll("input")) input.checked = input.value === name;
    show(languageField, name === "translation");
    refresh();
  }

  function asked() {
    return new URLSearchParams({ kind, ...(kind === "translation" && language.value.trim() && { target_language: language.value.trim() }) });
  }

  async function refresh() {
    const mine = (round += 1);
    following?.abort();
    following = null;
    try {
      const told = await api.json(`${path}/enhancement?${asked()}`, { signal: over.signal });
      if (mine === round) draw(told, mine);
    } catch (error) {
      if (mine === round && !over.signal.aborted) fault(error);
    }
  }

  function draw(told, mine) {
    standing.replaceChildren();
    body.replaceChildren();
    const status = told.llm_enhancement_status;
    if (UNDER_WAY.includes(status)) return stream(told, mine);
    if (status === "completed") return made(told);
    const words = el("p", {}, icon(status === "failed" ? "alert" : "info"), el("span", {}, reason(told)));
    standing.append(words, begin(status === "failed" ? t("common.again") : t("panels.cleanup.now")));
    if (status === "failed") advise(mine);
    if (told.changes.length || told.document) made(told);
  }

  /** Why there is nothing, in the reader's words. */
  function reason(told) {
    if (told.llm_enhancement_status === "skipped" && kind === "clean") {
      return `${t("panels.cleanup.skipped")} ${told.llm_enhancement_reason ?? ""}`;
    }
    if (told.llm_enhancement_status === "failed") return told.llm_enhancement_reason ?? t("panels.cleanup.failed");
    return t(`panels.cleanup.about.${kind}`);
  }

  /** Whether the language model is there at all, and what to do about it. */
  async function advise(mine) {
    const llm = await api.json("/api/v1/llm", { signal: over.signal }).catch(() => null);
    if (!llm || llm.ready || mine !== round) return;
    standing.append(el("p", { class: "hint" }, [llm.cause, llm.advice].filter(Boolean).join(". ")));
  }

  function begin(label, again = false) {
    return button({ label, kind: again ? "quiet" : "primary", glyph: again ? "retry" : "spark", onClick: start });

    async function start(event) {
      event.currentTarget.disabled = true;
      const wish = { kind, again, ...(kind === "translation" && { target_language: language.value.trim() || "en" }) };
      try {
        await api.request(`${path}/enhance`, { method: "POST", json: wish });
      } catch (error) {
        fault(error);
        return;
      }
      refresh();
    }
  }

  /** The text as it is written, beside the original. */
  async function stream(told, mine) {
    const words = el("p", {}, el("span", { class: "spinner", "aria-hidden": "true" }), el("span", {}, t(`panels.cleanup.${told.llm_enhancement_status}`)));
    const stop = button({ label: t("common.cancel"), glyph: "stop", onClick: cancel });
    const arriving = el("div", { class: "arriving", tabindex: "0", role: "region", "aria-label": t("panels.cleanup.arriving") });
    standing.append(words, stop);
    body.append(arriving);
    following = new AbortController();
    const signal = AbortSignal.any([following.signal, over.signal]);
    try {
      const answer = await api.request(`${path}/enhance-stream?${asked()}`, { signal });
      if (answer.status !== 204) {
        for await (const { data } of parse(answer.body)) {
          const frame = JSON.parse(data);
          if (frame.chunk) {
            const below = arriving.scrollHeight - arriving.scrollTop - arriving.clientHeight;
            arriving.append(frame.chunk);
            text(words.lastChild, t("panels.cleanup.processing"));
            if (below < 40) arriving.scrollTop = arriving.scrollHeight;
          }
          if (frame.done || frame.error) break;
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await new Promise((resolve) => setTimeout(resolve, mine === round ? 100 : POLL_MS));
    if (mine === round && !signal.aborted) refresh();
  }

  async function cancel(event) {
    event.currentTarget.disabled = true;
    try {
      await api.request(`${path}/enhance?kind=${kind}`, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 409) fault(error);
    }
    refresh();
  }

  function made(told) {
    const by = el("p", { class: "hint" }, t("panels.cleanup.by", { model: told.model ?? "" }));
    if (told.document) {
      body.append(documentOf(told, { player, transcript }), by, begin(t("panels.cleanup.again"), true));
      return;
    }
    if (kind !== "clean") {
      body.append(el("p", { class: "arriving" }, told.enhanced_text ?? ""), by, begin(t("panels.cleanup.again"), true));
      return;
    }
    const summary = el("p", { class: "tally" });
    const take = button({ label: t("panels.cleanup.accept_all"), glyph: "check", onClick: () => choose({ accept: "all" }) });
    const leave = button({ label: t("panels.cleanup.revert_all"), glyph: "undo", onClick: () => choose({ revert: "all" }) });
    const put = button({ label: t("panels.cleanup.put_in"), glyph: "edit", kind: "primary", onClick: () => putIn(view.accepted()) });
    const view = differences({ told, transcript, context, choose });
    const tally = () => {
      const { fitting, accepted, stale } = view.numbers();
      text(summary, t("panels.cleanup.tally", { n: fitting, accepted: count(accepted) }) + (stale ? ` ${t("panels.cleanup.stale", { n: stale })}` : ""));
      for (const each of [take, leave]) show(each, fitting > 0);
      put.disabled = accepted === 0;
    };
    view.onChange = tally;
    tally();
    body.append(summary, el("div", { class: "panel-actions" }, take, leave, put), view.node, by, begin(t("panels.cleanup.again"), true));
  }

  async function choose(choice) {
    try {
      const told = await api.json(`${path}/enhancement`, { method: "PATCH", json: choice });
      if (choice.accept === "all" || choice.revert === "all") draw(told, round);
      return told;
    } catch (error) {
      toast(explain(error), { tone: "bad" });
      throw error;
    }
  }

  /** Make the accepted changes part of the transcript: one step, which undo takes back. */
  function putIn(edits) {
    transcript.together(() => {
      for (const { segment, words } of edits) transcript.replace([segment.id], words ? [{ text: words, speaker: segment.speaker }] : []);
    });
    const done = t("panels.cleanup.put", { n: edits.length });
    context.announce(done);
    toast(done, { action: { label: t("common.undo"), run: () => transcript.undo() } });
    refresh();
  }

  function fault(error) {
    standing.replaceChildren(el("p", { class: "fault", role: "alert" }, explain(error)), begin(t("common.again")));
  }

  return {
    unmount() {
      over.abort();
      following?.abort();
    },
  };
}
