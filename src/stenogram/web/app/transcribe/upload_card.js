// A recording on its way to the server.

import { el, show, text } from "../../dom.js";
import { bytes, percent, span } from "../../format.js";
import { t } from "../../i18n.js";
import { bar } from "../../meter.js";
import { button } from "../../ui/button.js";
import { words as faultOf } from "./fault.js";
import { cancel, forget, retry, speedNow } from "./uploads.js";

const BADGE = { waiting: "queued", sending: "uploading", ending: "uploading", broken: "failed", refused: "failed", cancelled: "cancelled" };

/** `{node, update(upload)}` */
export function uploadCard(upload) {
  const name = el("strong", { class: "work-name" }, upload.name);
  const badge = el("span", { class: "badge" });
  const facts = el("p", { class: "hint work-facts" });
  const progress = bar(() => t("transcribe.upload"), { role: "progressbar" });
  const fault = el("p", { class: "fault", role: "alert" });
  const about = { "aria-describedby": `${upload.id}-name` };
  name.id = `${upload.id}-name`;
  const stop = button({ label: t("common.cancel"), kind: "quiet", glyph: "close", onClick: () => cancel(upload), attributes: about });
  const again = button({ label: t("transcribe.send_again"), glyph: "retry", onClick: () => retry(upload), attributes: about });
  const remove = button({ label: t("transcribe.remove"), kind: "quiet", onClick: () => forget(upload), attributes: about });
  const actions = el("div", { class: "work-actions" }, again, remove, stop);
  const node = el("li", { class: "work card" }, el("div", { class: "work-head" }, name, badge), facts, actions, progress.node, fault);

  function update() {
    const going = ["waiting", "sending", "ending"].includes(upload.state);
    node.dataset.state = upload.state;
    text(badge, t(`transcribe.upload_${upload.state}`));
    badge.dataset.state = BADGE[upload.state];
    text(facts, factsOf(upload));
    show(progress.node, ["sending", "ending"].includes(upload.state));
    const share = upload.file.size ? upload.sent / upload.file.size : 0;
    progress.update(upload.state === "ending" ? null : share, upload.state === "ending" ? t("transcribe.upload_ending") : percent(Math.floor(100 * share)));
    text(fault, upload.error && !going && upload.state !== "cancelled" ? t(`transcribe.fault_${upload.state}`, { why: faultOf(upload.error) }) : "");
    show(fault, fault.textContent !== "");
    const had = node.contains(document.activeElement);
    show(stop, going);
    show(again, upload.state === "broken" || upload.state === "cancelled");
    show(remove, !going);
    if (had && document.activeElement === document.body) (going ? stop : again.hidden ? remove : again).focus();
  }

  return { node, update };
}

function factsOf(upload) {
  const size = bytes(upload.file.size);
  if (upload.state !== "sending") return size;
  const speed = speedNow();
  return [
    t("transcribe.sent_of", { sent: bytes(upload.sent), size }),
    speed && t("transcribe.per_second", { size: bytes(speed) }),
    speed && t("transcribe.left", { time: span(Math.ceil((upload.file.size - upload.sent) / speed)) }),
  ]
    .filter(Boolean)
    .join(" · ");
}
