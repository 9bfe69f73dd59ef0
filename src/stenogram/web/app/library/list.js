// The rows of the list: which are selected, and the keys that move between them.

import { el, keyed, show, text } from "../../dom.js";
import { t } from "../../i18n.js";
import { Row } from "./row.js";

export class List {
  #rows = new Map(); // id -> row
  #hands;
  #last = null; // id of the row that was selected last: where a range begins
  #all = el("input", { type: "checkbox", id: "select-all" });
  #columns = el("div", { class: "columns-head" });

  /** `hands`: `query()`, `menuOf(item, row)`, `renamed(item)`, `onSelect()`, `keys`: {key: (rows) => ...} for what is selected, or focused. */
  constructor(hands) {
    this.#hands = hands;
    this.body = el("ul", { class: "items", "aria-label": t("library.title") });
    const label = (name) => el("span", { class: `column-${name}`, "aria-hidden": "true" }, t(`library.${name}`));
    this.#all.setAttribute("aria-label", t("library.select_all"));
    this.#all.addEventListener("change", () => this.#selectAll(this.#all.checked));
    this.#columns.append(el("span", { class: "item-select" }, this.#all), label("name"), label("state"), label("length"), label("model"), label("date"));
    this.node = el("div", { class: "list card" }, this.#columns, this.body);
    this.node.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** The selected items, in the order of the list. */
  get selected() {
    return this.#inOrder().filter((row) => row.selected).map(({ item }) => item);
  }

  update(items) {
    keyed(this.body, items, ({ id }) => id, (item) => this.#make(item));
    const here = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!here.has(id)) this.#rows.delete(id);
    show(this.node, items.length > 0);
    this.#told();
  }

  clear() {
    this.#selectAll(false);
  }

  row(id) {
    return this.#rows.get(id);
  }

  /** The row that has the focus. */
  get current() {
    const node = document.activeElement?.closest?.(".item");
    return node && this.body.contains(node) ? this.#rows.get(node.dataset.id) : null;
  }

  /** Focus the row so many further on; from nowhere, the first. */
  move(by) {
    const rows = this.#inOrder();
    const at = rows.indexOf(this.current);
    const row = at < 0 ? rows[0] : rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    row?.focus();
    row?.node.scrollIntoView({ block: "nearest" });
  }

  /** Where the focus goes when rows are about to vanish: to the next one that stays. */
  neighbour(ids) {
    const gone = new Set(ids);
    const rows = this.#inOrder();
    const at = rows.findIndex(({ item }) => gone.has(item.id));
    const stays = (row) => !gone.has(row.item.id);
    return rows.slice(at).find(stays) ?? rows.slice(0, Math.max(at, 0)).reverse().find(stays) ?? null;
  }

  toggle(row) {
    row.selected = !row.selected;
    this.#last = row.item.id;
    this.#told();
  }

  #make(item) {
    const row = new Row(item, { ...this.#hands, select: (which, how) => this.#select(which, how) });
    this.#rows.set(item.id, row);
    return row;
  }

  /** A box was clicked; with Shift all from the last one on become like it. */
  #select(row, { range }) {
    const rows = this.#inOrder();
    const [from, to] = [rows.indexOf(this.#rows.get(this.#last)), rows.indexOf(row)];
    if (range && from >= 0) {
      for (const each of rows.slice(Math.min(from, to), Math.max(from, to) + 1)) each.selected = row.selected;
    }
    row.selected = row.selected; // with its looks
    this.#last = row.item.id;
    this.#told();
  }

  #selectAll(value) {
    for (const row of this.#rows.values()) row.selected = value;
    this.#told();
  }

  #told() {
    const rows = [...this.#rows.values()];
    const number = rows.filter((row) => row.selected).length;
    this.#all.checked = rows.length > 0 && number === rows.length;
    this.#all.indeterminate = number > 0 && number < rows.length;
    this.node.classList.toggle("selecting", number > 0);
    this.#hands.onSelect();
  }

  #inOrder() {
    return [...this.body.children].map((node) => this.#rows.get(node.dataset.id)).filter(Boolean);
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) this.move(by);
    else if (event.key === "Home" || event.key === "End") this.move(event.key === "Home" ? -Infinity : Infinity);
    else if (event.key === "Escape" && this.selected.length) this.clear();
    else return;
    event.preventDefault();
  }
}

/** The bar that stands in place of the count while something is selected. */
export function selectionBar(buttons) {
  const words = el("p", { class: "selection-count", role: "status" });
  const node = el("div", { class: "selection", role: "group", "aria-label": t("library.selection") }, words, el("div", { class: "selection-actions" }, ...buttons));

  function update(number) {
    text(words, t("library.selected", { n: number }));
    show(node, number > 0);
  }

  return { node, update };
}
