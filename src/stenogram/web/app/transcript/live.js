// A recording that is not done yet: its place in the queue, then its text as it arrives; or why there will be none.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { follow } from "../../events.js";
import { clock, percent, span } from "../../format.js";
import { explain, has, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { icon } from "../../ui/icons.js";
import { head } from "./head.js";

const ASK_MS = 3000;

/** Follow a job; `done()` when it is over, however. */
export function live(root, job, done) {
  const path = `/api/v1/jobs/${encodeURIComponent(job.id)}`;
  const over = new AbortController();
  const progress = el("progress", { "aria-label": t("transcript.live.progress"), max: "1" });
  const standing = el("p", { class: "standing", role: "status" });
  const cancel = button({ label: t("common.cancel"), glyph: "close", onClick: stop });
  const fault = el("p", { class: "fault", role: "alert" });
  const lines = el("ol", { class: "lines live", "aria-live": "off" });
  const wait = el("div", { class: "empty" }, icon("wave", 32), el("p", {}, t("transcript.live.waiting")));
  const facts = { ...job, job_id: job.id, filename: job.media?.filename ?? null };
  root.replaceChildren(
    head(facts).node,
    el("section", { class: "card live-card" }, el("div", { class: "live-row" }, standing, cancel), progress, fault),
    wait,
    lines,
  );
  let state = job.state;
  let atFoot = true;
  let timer = 0;
  const seen = new Set();
  addEventListener("scroll", () => (atFoot = innerHeight + scrollY > document.documentElement.scrollHeight - 120), { signal: over.signal, passive: true });

  function stand(now) {
    if (state === "queued") {
      const place = now?.position ? t("transcript.live.place", { n: now.position }) : t("transcript.live.queued");
      const soon = now?.estimated_wait_s ? t("transcript.live.wait", { span: span(now.estimated_wait_s) }) : null;
      text(standing, [place, soon].filter(Boolean).join(" · "));
    }
    show(progress, state === "running");
  }

  async function ask() {
    if (state === "queued") stand(await api.json(path, { signal: over.signal }).catch(() => null));
    if (state === "queued") timer = setTimeout(ask, ASK_MS);
  }

  function told(kind, data) {
    if (kind === "state") {
      state = data.state;
      stand(null);
      if (state === "running") text(standing, t("transcript.live.running"));
    } else if (kind === "stage") {
      state = "running";
      const words = has(`transcript.stage.${data.stage}`) ? t(`transcript.stage.${data.stage}`) : t("transcript.live.running");
      const share = data.progress ? percent(100 * data.progress) : null;
      const length = data.duration ? clock(data.duration) : null;
      text(standing, [words, length, share].filter(Boolean).join(" · "));
      show(progress, true);
      if (data.progress) progress.value = data.progress;
      else progress.removeAttribute("value");
    } else if (kind === "segment" && !seen.has(data.id)) {
      seen.add(data.id);
      show(wait, false);
      const line = el("li", { class: "line" }, el("span", { class: "time" }, clock(data.start)), el("div", { class: "words", dir: "auto" }, data.text.trim()));
      lines.append(line);
      if (atFoot) scrollTo({ top: document.documentElement.scrollHeight });
    } else if (kind === "warning") {
      fault.before(el("p", { class: "hint" }, data.message));
    }
  }

  async function stop() {
    cancel.disabled = true;
    try {
      await api.request(`${path}/cancel`, { method: "POST" });
    } catch (error) {
      cancel.disabled = false;
      text(fault, explain(error));
    }
  }

  async function run() {
    try {
      await follow(`${path}/events`, told, over.signal);
      done();
    } catch (error) {
      if (!over.signal.aborted) text(fault, explain(error));
    }
  }

  stand(job);
  ask();
  run();
  return {
    unmount() {
      over.abort();
      clearTimeout(timer);
    },
  };
}

/** A job that came to nothing: why, and what can be done. */
export function ended(root, job, again) {
  const failed = job.state === "failed";
  const fault = el("p", { class: "fault", role: "alert" });
  const why = failed ? explain(Object.assign(new Error(job.error?.message ?? ""), { code: job.error?.code })) : t("transcript.ended.cancelled_words");
  const retry = button({ label: t("transcript.ended.retry"), glyph: "retry", kind: "primary", onClick: run });
  show(retry, job.media.kept);
  const facts = { ...job, job_id: job.id, filename: job.media.filename };
  const box = el(
    "div", { class: "empty" }, icon(failed ? "alert" : "stop", 32), el("h2", {}, t(failed ? "transcript.ended.failed" : "transcript.ended.cancelled")),
    el("p", {}, why), ...(job.media.kept ? [] : [el("p", { class: "hint" }, t("transcript.ended.gone"))]), fault,
    el("p", { class: "row" }, retry, el("a", { class: "button", href: "/app/library" }, t("nav.library"))),
  );
  root.replaceChildren(head(facts).node, box);

  async function run() {
    retry.disabled = true;
    try {
      await api.request(`/api/v1/jobs/${encodeURIComponent(job.id)}/retry`, { method: "POST" });
      again();
    } catch (error) {
      retry.disabled = false;
      text(fault, explain(error));
    }
  }
}
