// One recording: its text as it arrives, then the text under work; or why there is none.

import * as api from "../../api.js";
import { byId, el } from "../../dom.js";
import { explain } from "../../i18n.js";
import * as session from "../../session.js";
import { TranscriptDocument } from "../transcript/document.js";
import { editor } from "../transcript/editor.js";
import { nameOf } from "../transcript/head.js";
import { ended, live } from "../transcript/live.js";

const SAVE_BEFORE_LEAVING_MS = 3000;

export async function mount(root, { job: id }, context) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  let shown = null;
  let gone = false;
  let job = null;

  /** Show what there is now. */
  async function draw() {
    job = await api.json(path);
    if (gone) return;
    shown?.unmount();
    shown = null;
    if (job.state === "queued" || job.state === "running") {
      shown = live(root, job, again);
    } else if (job.state === "succeeded") {
      const document_ = await TranscriptDocument.open(id, { readOnly: !session.may("transcribe") });
      if (gone) return document_.close();
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
