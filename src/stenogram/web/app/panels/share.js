// Links by which others may read this transcript, and nothing else, for a time.

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { moment } from "../../format.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";

const DAYS = [1, 7, 30, 365];

export const share = { id: "share", label: "panels.share.title", glyph: "share", mount };

function mount(root, { document: transcript, context }) {
  const path = `/api/v1/transcriptions/${transcript.jobId}/shares`;
  const days = el("select", { id: "share-days" }, ...DAYS.map((n) => el("option", { value: String(n), ...(n === 7 && { selected: "" }) }, t("panels.share.days", { n }))));
  const media = el("input", { id: "share-media", type: "checkbox", checked: "" });
  const make = button({ label: t("panels.share.make"), glyph: "link", kind: "primary", onClick: create });
  const fresh = el("div", { class: "fresh", role: "status" });
  const list = el("ul", { class: "shares" });
  root.append(
    el("p", { class: "hint" }, t("panels.share.hint")),
    el("p", { class: "field" }, el("label", { for: "share-days" }, t("panels.share.expires")), days),
    el("p", { class: "check" }, media, el("label", { for: "share-media" }, t("panels.share.media"))),
    el("div", { class: "panel-actions" }, make),
    fresh,
    list,
  );
  load();

  async function load() {
    try {
      const { shares } = await api.json(path);
      const open = shares.filter(({ revoked, expires_at: ends }) => !revoked && ends > Date.now() / 1000);
      list.replaceChildren(...open.map(row));
    } catch (error) {
      list.replaceChildren(el("li", { class: "fault", role: "alert" }, explain(error)));
    }
  }

  function row(each) {
    const until = t("panels.share.until", { time: moment(each.expires_at) });
    const end = button({ label: t("panels.share.end"), kind: "danger", onClick: () => revoke(each) });
    end.setAttribute("aria-label", `${t("panels.share.end")}: ${until}`);
    return el("li", {}, el("p", {}, until, " ", el("span", { class: "hint" }, each.media ? t("panels.share.with_media") : t("panels.share.text_only"))), end);
  }

  async function create() {
    make.disabled = true;
    try {
      const made = await api.json(path, { method: "POST", json: { expires_days: Number(days.value), media: media.checked } });
      const address = new URL(made.path, location.origin).href;
      const field = el("input", { value: address, readonly: "", "aria-label": t("panels.share.link") });
      field.addEventListener("focus", () => field.select());
      const copy = button({ label: t("common.copy"), glyph: "copy", onClick: () => take(address) });
      fresh.replaceChildren(el("p", {}, t("panels.share.once")), el("p", { class: "row" }, field, copy));
      await load();
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    } finally {
      make.disabled = false;
    }
  }

  async function take(address) {
    await navigator.clipboard.writeText(address);
    toast(t("common.copied"));
  }

  async function revoke({ id }) {
    try {
      await api.request(`/api/v1/shares/${id}`, { method: "DELETE" });
      fresh.replaceChildren();
      context.announce(t("panels.share.ended"));
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
    load();
  }

  return { unmount() {} };
}
