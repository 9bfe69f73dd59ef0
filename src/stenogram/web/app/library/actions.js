// What is done to recordings of the library: one or many alike.

import * as api from "../../api.js";
import { el } from "../../dom.js";
import { explain, t } from "../../i18n.js";
import { button } from "../../ui/button.js";
import { confirm, dialog } from "../../ui/dialog.js";
import { toast } from "../../ui/toast.js";

const AT_ONCE = 500; // the server takes so many in one request
const MOST_CHARS = 50;

/**
 * Do something to many; tells what failed, and gives the ids of those it was done to. `action`: trash, restore, purge,
 * tag, untag, cancel, retry.
 */
export async function bulk(ids, action, tag = null) {
  const done = [];
  const failed = [];
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const told = await api.json("/api/v1/library/bulk", { method: "POST", json: { ids: ids.slice(at, at + AT_ONCE), action, ...(tag && { tag }) } });
    done.push(...told.done);
    failed.push(...told.failed);
  }
  if (failed.length) toast(t("library.not_done", { n: failed.length, why: explain(failed[0]) }), { tone: "bad" });
  return done;
}

/** Into the trash, with a way back. `after()` when the list is to be read anew. */
export async function trash(ids, after) {
  const done = await bulk(ids, "trash");
  await after();
  if (!done.length) return;
  const undo = async () => {
    try {
      await bulk(done, "restore");
      await after();
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  };
  toast(t("library.trashed", { n: done.length }), { action: { label: t("common.undo"), run: undo } });
}

/** Delete for good, if the reader agrees. Gives whether it was done. */
export async function purge(ids) {
  const asked = { title: t("library.purge_title", { n: ids.length }), words: t("library.purge_words"), action: t("library.purge") };
  if (!(await confirm(asked))) return false;
  const done = await bulk(ids, "purge");
  if (done.length) toast(t("library.purged", { n: done.length }));
  return true;
}

/** Delete all that is in the trash, however much, if the reader agrees. */
export async function emptyTrash(count) {
  const asked = { title: t("library.empty_trash"), words: t("library.empty_trash_words", { n: count }), action: t("library.empty_trash") };
  if (!(await confirm(asked))) return false;
  let purged = 0;
  while (true) {
    const { items } = await api.json("/api/v1/library?trash=true&limit=200");
    const done = items.length ? await bulk(items.map(({ id }) => id), "purge") : [];
    if (!done.length) break; // nothing is left, or nothing that can be deleted
    purged += done.length;
  }
  toast(t("library.purged", { n: purged }));
  return true;
}

/** Let the reader change the tags of one recording, or give and take tags of many. Gives whether anything changed. */
export async function editTags(items, known) {
  const [only, ...others] = items;
  const before = others.length ? [] : [...only.tags];
  const common = others.length ? [...new Set(items.flatMap(({ tags }) => tags))] : [];
  const editor = new TagEditor(before, known, { taken: common });
  const apply = async () => {
    editor.take();
    if (!others.length) {
      await api.request(`/api/v1/jobs/${encodeURIComponent(only.id)}`, { method: "PATCH", json: { tags: editor.tags } });
      return;
    }
    const ids = items.map(({ id }) => id);
    for (const tag of editor.tags) await bulk(ids, "tag", tag);
    for (const tag of editor.removed) await bulk(ids, "untag", tag);
  };
  const title = others.length ? t("library.tags_of_many", { n: items.length }) : t("library.tags");
  return (await dialog({ title, body: editor.node, actions: [{ label: t("common.cancel"), value: false }, { label: t("common.save"), kind: "primary", run: apply }] })) === true;
}

/** Tags as chips, and a field for the next one. */
class TagEditor {
  tags;
  removed = [];
  #list = el("ul", { class: "tag-chips", "aria-label": t("library.tags") });
  #input = el("input", { id: "tag-input", list: "tag-known", maxlength: String(MOST_CHARS), autocomplete: "off", autofocus: "" });

  constructor(tags, known, { taken }) {
    this.tags = [...tags];
    const options = el("datalist", { id: "tag-known" }, ...known.map(({ tag }) => el("option", { value: tag })));
    const label = el("label", { for: "tag-input" }, t("library.tag_add"));
    const add = button({ label: t("common.add"), onClick: () => { this.take(); this.#input.focus(); } });
    this.node = el("div", { class: "tag-editor" }, this.#list, el("div", { class: "field" }, label, el("div", { class: "row" }, this.#input, add), el("p", { class: "hint" }, t("library.tag_hint"))), options);
    if (taken.length) this.node.append(this.#takenAway(taken));
    this.#input.addEventListener("keydown", (event) => {
      if ((event.key === "Enter" && this.#input.value.trim()) || event.key === ",") {
        event.preventDefault();
        this.take();
      } else if (event.key === "Backspace" && !this.#input.value) {
        this.tags.pop();
        this.#draw();
      }
    });
    this.#draw();
  }

  /** Add what stands in the field. */
  take() {
    for (const each of this.#input.value.split(",")) {
      const tag = each.trim().replaceAll(/\s+/g, " ");
      if (tag && !this.tags.some((other) => other.toLowerCase() === tag.toLowerCase())) this.tags.push(tag);
    }
    this.#input.value = "";
    this.#draw();
  }

  #draw() {
    const chip = (tag) => {
      const remove = button({ label: t("library.tag_remove", { tag }), glyph: "close", kind: "quiet", only: true });
      remove.addEventListener("click", () => {
        this.tags = this.tags.filter((other) => other !== tag);
        this.#draw();
        this.#input.focus();
      });
      return el("li", { class: "tag-chip" }, el("span", {}, tag), remove);
    };
    this.#list.replaceChildren(...this.tags.map(chip));
    this.#list.hidden = this.tags.length === 0;
  }

  /** Tags that some of many have: tick those to be taken away. */
  #takenAway(tags) {
    const each = tags.map((tag, index) => {
      const box = el("input", { type: "checkbox", id: `untag-${index}` });
      box.addEventListener("change", () => (this.removed = box.checked ? [...this.removed, tag] : this.removed.filter((other) => other !== tag)));
      return el("div", { class: "check" }, box, el("label", { for: `untag-${index}` }, tag));
    });
    return el("fieldset", { class: "tag-remove" }, el("legend", {}, t("library.tags_remove")), ...each);
  }
}
