// What the transcript was like before: every version can be read and brought back; nothing is lost by that.

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { ago, moment } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { dialog } from "../../ui/dialog.js";
import { toast } from "../../ui/toast.js";

const MOST_SHOWN = 400;

export const versions = { id: "versions", label: "panels.versions.title", glyph: "history", mount };

function mount(root, { document: transcript, context }) {
  const path = `/api/v1/transcriptions/${transcript.jobId}`;
  const list = el("ol", { class: "versions" });
  root.append(el("p", { class: "hint" }, t("panels.versions.hint")), list);
  load();
  transcript.addEventListener("state", saved);

  async function load() {
    try {
      const { versions: told } = await api.json(`${path}/versions`);
      const newest = [...told].sort((a, b) => b.number - a.number);
      list.replaceChildren(...newest.map((each, index) => row(each, index === 0)));
    } catch (error) {
      list.replaceChildren(el("li", { class: "fault", role: "alert" }, explain(error)));
    }
  }

  function row(each, isHead) {
    const name = each.number === 0 ? t("panels.versions.found") : each.restored !== null && each.restored !== undefined ? t("panels.versions.restored", { number: String(each.restored) }) : t("panels.versions.changes", { n: each.changes });
    const when = el("time", { title: moment(each.saved_at) }, ago(each.saved_at));
    const facts = [each.author_name, isHead ? t("panels.versions.now") : null].filter(Boolean).join(" · ");
    const look = button({ label: t("panels.versions.look"), kind: "quiet", onClick: () => show(each, isHead) });
    look.setAttribute("aria-label", `${t("panels.versions.look")}: ${name}`);
    return el("li", { class: "version" }, el("p", {}, el("strong", {}, name)), el("p", { class: "hint" }, when, facts ? ` · ${facts}` : ""), look);
  }

  async function show(each, isHead) {
    let found;
    try {
      found = await api.json(`${path}/document?version=${each.number}`);
    } catch (error) {
      toast(explain(error), { tone: "bad" });
      return;
    }
    const lines = found.segments.slice(0, MOST_SHOWN).map(({ speaker, text }) => el("p", {}, ...(speaker ? [el("b", {}, `${speaker}: `)] : []), text));
    const left = found.segments.length - MOST_SHOWN;
    if (left > 0) lines.push(el("p", { class: "hint" }, t("panels.versions.left", { n: left })));
    const body = el("div", { class: "old-text", tabindex: "0", role: "region", "aria-label": t("panels.versions.text") }, ...lines);
    const actions = isHead ? [{ label: t("common.close"), value: null }] : [
      { label: t("common.cancel"), value: null },
      { label: t("panels.versions.restore"), kind: "primary", run: () => restore(each.number) },
    ];
    await dialog({ title: moment(each.saved_at), body, actions, wide: true });
  }

  async function restore(number) {
    await transcript.flush();
    await api.request(`${path}/versions/${number}/restore`, { method: "POST", json: { base: transcript.version } });
    await transcript.reload();
    await load();
    context.announce(t("panels.versions.back"));
    toast(t("panels.versions.back"));
  }

  function saved() {
    if (transcript.state === "saved") load();
  }

  return { unmount: () => transcript.removeEventListener("state", saved) };
}
