// One recording: its text as it arrives, then the text under work; or why there is none.

import * as api from "../../api.js";
import { byId, el } from "../../dom.js";
import { explain } from "../../i18n.js";
import * as session from "../../session.js";
import { nameOf } from "../transcript/head.js";

const SAVE_BEFORE_LEAVING_MS = 3000;
// both at once: the modules of the editor, and what it is to show
const modules = Promise.all([import("../transcript/document.js"), import("../transcript/editor.js"), import("../transcript/live.js")]);
modules.catch(() => {}); // told where it is awaited

export async function mount(root, { job: id }, context) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  let shown = null;
  let gone = false;
  let job = null;

  /** Show what there is now. */
  async function draw() {
    job = await api.json(path);
    const told = job.state === "succeeded" ? api.json(`/api/v1/transcriptions/${encodeURIComponent(id)}/document`) : null;
    const [{ TranscriptDocument }, { editor }, { ended, live }] = await modules;
    const document_ = told && (await TranscriptDocument.open(id, { told: await told, readOnly: !session.may("transcribe") }));
    if (gone) return document_?.close();
    shown?.unmount?.();
    shown = null;
    if (job.state === "queued" || job.state === "running") {
      shown = live(root, job, again);
    } else if (document_) {
      shown = editor(root, document_, { ...context, main: byId("main") });
    } else {
      ended(root, job, again);
    }
  }

  function again() {
    draw().catch((error) => root.replaceChildren(el("p", { class: "fault", role: "alert" }, explain(error))));
  }

  await draw();
  return {
    title: nameOf({ title: job.title, filename: job.media.filename, job_id: id }),
    unmount() {
      gone = true;
      shown?.unmount?.();
    },
    /** What is not saved is saved first; where that cannot be, it is kept in this browser. */
    async leave() {
      const waiting = new Promise((resolve) => setTimeout(resolve, SAVE_BEFORE_LEAVING_MS));
      await Promise.race([shown?.document?.flush(), waiting]);
      return true;
    },
  };
}
