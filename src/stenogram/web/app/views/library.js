// Library: all recordings, what was said in them, and the trash.

import * as api from "../../api.js";
import { el, show, text } from "../../dom.js";
import { explain, t } from "../../i18n.js";
import * as session from "../../session.js";
import { button } from "../../ui/button.js";
import { dialog } from "../../ui/dialog.js";
import { icon } from "../../ui/icons.js";
import { menu as menuFor } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import * as actions from "../library/actions.js";
import * as address from "../library/address.js";
import { Filters } from "../library/filters.js";
import { List, selectionBar } from "../library/list.js";

const PAGE = 50;
const MOST_AT_ONCE = 200;
const POLL_MS = 3000;
const MOST_COUNTED = 10_000; // the server counts no further
let visited = null; // {address, items, next, total, scroll}: going back finds the list as it was left

export async function mount(root, _params, { navigate, announce }) {
  let query = address.read(location.search);
  let [items, next, total] = [[], null, 0];
  let facets = { tags: [], models: [], languages: [], states: {}, trash: 0 };
  let asking = new AbortController();
  let timer = 0;
  let closed = false;
  const over = new AbortController();
  const writes = session.may("transcribe");

  const numbers = el("p", { class: "list-count hint", role: "status" });
  const fault = el("div", { class: "note card", role: "alert" });
  const empty = el("div", { class: "empty card" });
  const bin = el("a", { class: "button" });
  const purgeAll = button({ label: t("library.empty_trash"), glyph: "trash", kind: "danger", onClick: () => act(async () => (await actions.emptyTrash(total)) && reload()) });
  const keys = button({ label: t("library.keys"), glyph: "keyboard", kind: "quiet", only: true, onClick: showKeys });
  keys.classList.add("keys-button");
  const heading = el("h1", {}, t(query.trash ? "library.trash" : "library.title"));
  const filters = new Filters(query, look);
  const list = new List({ query: () => query, menuOf, renamed: () => announce(t("library.renamed")), onSelect: () => drawSelection() });
  const selection = selectionBar(selectionButtons());
  const more = button({ label: t("library.load_more"), onClick: () => loadMore() });
  more.classList.add("load-more");
  root.append(el("div", { class: "view-head" }, heading, keys, purgeAll, bin), filters.node, el("div", { class: "list-top" }, numbers, selection.node), fault, list.node, empty, more);
  show(fault, false);
  show(empty, false);

  // --- reading ---

  async function ask({ limit, cursor = null }) {
    asking.abort();
    asking = new AbortController();
    return api.json(address.request(query, { limit, cursor }), { signal: asking.signal });
  }

  /** Read the list from its start: so many as are shown, so that nothing jumps. */
  async function reload({ limit = Math.min(Math.max(items.length, PAGE), MOST_AT_ONCE) } = {}) {
    clearTimeout(timer);
    try {
      const page = await ask({ limit });
      const rest = items.slice(limit).filter(({ id }) => !page.items.some((other) => other.id === id));
      items = [...page.items, ...(page.next ? rest : [])];
      if (!rest.length || !page.next) next = page.next;
      total = page.total;
      tellFault(null);
    } catch (error) {
      if (error.name === "AbortError") return;
      tellFault(error);
    }
    draw();
    poll();
  }

  async function loadMore() {
    if (!next) return;
    more.disabled = true;
    const first = items.length;
    try {
      const page = await ask({ limit: PAGE, cursor: next });
      const known = new Set(items.map(({ id }) => id));
      items = [...items, ...page.items.filter(({ id }) => !known.has(id))];
      ({ next, total } = page);
      draw();
      list.row(items[first]?.id)?.focus();
      announce(t("library.loaded", { n: page.items.length }));
    } catch (error) {
      if (error.name !== "AbortError") toast(explain(error), { tone: "bad" });
    } finally {
      more.disabled = false;
    }
  }

  async function loadFacets() {
    try {
      facets = await api.json("/api/v1/library/facets", { signal: over.signal });
    } catch (error) {
      if (error.name === "AbortError") return;
      return; // the list tells of a server that is gone
    }
    filters.offer(facets);
    drawHead();
  }

  /** While something is under way, look at it now and then; a tab that nobody sees asks for nothing. */
  function poll() {
    clearTimeout(timer);
    const going = items.some(({ state }) => state === "queued" || state === "running");
    if (closed || document.hidden || (!going && fault.hidden)) return;
    timer = setTimeout(() => (list.node.querySelector(".item-rename") ? poll() : refresh()), POLL_MS);
  }

  async function refresh() {
    const before = new Set(items.filter(({ state }) => state === "running" || state === "queued").map(({ id }) => id));
    await reload();
    if (items.some(({ id, state }) => before.has(id) && state !== "running" && state !== "queued")) loadFacets();
  }

  function look(wanted, { typing }) {
    query = wanted;
    history[typing ? "replaceState" : "pushState"](null, "", address.write(query));
    list.clear();
    items = [];
    reload({ limit: PAGE }).then(() => announce(numbers.textContent));
  }

  // --- drawing ---

  function draw() {
    if (closed) return;
    list.update(items);
    show(more, next !== null);
    drawHead();
    drawEmpty();
  }

  function drawHead() {
    const many = total >= MOST_COUNTED;
    text(numbers, address.narrows(query) ? t("library.found", { n: total }) : t(many ? "library.count_many" : "library.count", { n: total }));
    const away = query.trash ? t("library.back") : facets.trash ? t("library.trash_count", { n: facets.trash }) : t("library.trash");
    bin.replaceChildren(icon(query.trash ? "back" : "trash", 18), el("span", {}, away));
    bin.href = query.trash ? "/app/library" : "/app/library?trash=1";
    show(purgeAll, query.trash && writes && total > 0 && !address.narrows(query));
    drawSelection();
  }

  function drawSelection() {
    const number = list.selected.length;
    selection.update(number);
    show(numbers, number === 0 && items.length > 0);
  }

  function drawEmpty() {
    show(empty, items.length === 0 && fault.hidden);
    if (items.length || !fault.hidden) return;
    const [glyph, name, action] = address.narrows(query)
      ? ["search", "nothing_found", button({ label: t("library.clear"), onClick: () => navigate(address.write(address.widened(query))) })]
      : query.trash
        ? ["trash", "trash_empty", null]
        : ["library", "nothing_yet", session.may("transcribe") ? el("a", { class: "button primary", href: "/app" }, icon("upload", 18), el("span", {}, t("library.first"))) : null];
    empty.replaceChildren(icon(glyph, 32), el("h2", {}, t(`library.${name}_title`)), el("p", {}, t(`library.${name}`, { q: query.q })), ...(action ? [action] : []));
  }

  function tellFault(error) {
    show(fault, error !== null);
    if (!error) return;
    const again = button({ label: t("common.again"), glyph: "retry", onClick: () => reload() });
    fault.replaceChildren(icon("alert"), el("p", {}, explain(error)), again);
  }

  // --- doing ---

  /** Do something the reader asked for; what it throws is told. */
  async function act(action) {
    try {
      await action();
    } catch (error) {
      toast(explain(error), { tone: "bad" });
    }
  }

  /** Do something to recordings that then leave the list, or change in it. */
  async function change(ids, action) {
    await act(async () => {
      const neighbour = list.neighbour(ids);
      const focused = list.node.contains(document.activeElement) || selection.node.contains(document.activeElement) || document.activeElement === document.body;
      await action();
      if (focused && !list.current) (neighbour?.node.isConnected ? neighbour : list.row(items[0]?.id))?.focus();
    });
  }

  async function anew() {
    list.clear();
    await Promise.all([reload(), loadFacets()]);
  }

  const doing = {
    trash: (ids) => change(ids, () => actions.trash(ids, anew)),
    restore: (ids) => change(ids, async () => {
      const done = await actions.bulk(ids, "restore");
      if (done.length) toast(t("library.restored", { n: done.length }));
      await anew();
    }),
    purge: (ids) => change(ids, async () => (await actions.purge(ids)) && anew()),
    cancel: (ids) => change(ids, async () => { await actions.bulk(ids, "cancel"); await anew(); }),
    retry: (ids) => change(ids, async () => { await actions.bulk(ids, "retry"); await anew(); }),
    tags: (chosen) => act(async () => (await actions.editTags(chosen, facets.tags)) && (await Promise.all([reload(), loadFacets()]))),
  };

  function menuOf(item, row) {
    if (!writes) return [{ label: t("library.open"), glyph: "subtitles", disabled: item.state !== "succeeded", run: () => navigate(`/app/t/${item.id}`) }];
    if (item.deleted_at !== null) {
      return [
        { label: t("library.restore"), glyph: "undo", run: () => doing.restore([item.id]) },
        { label: t("library.purge"), glyph: "trash", danger: true, run: () => doing.purge([item.id]) },
      ];
    }
    const going = item.state === "queued" || item.state === "running";
    const again = ["failed", "cancelled"].includes(item.state) && item.kept;
    return [
      { label: t("library.open"), glyph: "subtitles", disabled: item.state !== "succeeded", run: () => navigate(`/app/t/${item.id}`) },
      { label: t("common.rename"), glyph: "edit", run: () => row.rename() },
      { label: t("library.tags_edit"), glyph: "tag", run: () => doing.tags([item]) },
      ...(going ? [{ label: t("library.cancel"), glyph: "stop", run: () => doing.cancel([item.id]) }] : []),
      ...(again ? [{ label: t("common.again"), glyph: "retry", run: () => doing.retry([item.id]) }] : []),
      null,
      { label: t("library.to_trash"), glyph: "trash", danger: true, run: () => doing.trash([item.id]) },
    ];
  }

  function selectionButtons() {
    const ids = (test = () => true) => list.selected.filter(test).map(({ id }) => id);
    const leave = button({ label: t("library.unselect"), glyph: "close", kind: "quiet", only: true, onClick: () => list.clear() });
    if (!writes) return [leave];
    if (query.trash) {
      return [
        button({ label: t("library.restore"), glyph: "undo", onClick: () => doing.restore(ids()) }),
        button({ label: t("library.purge"), glyph: "trash", kind: "danger", onClick: () => doing.purge(ids()) }),
        leave,
      ];
    }
    const going = ({ state }) => state === "queued" || state === "running";
    const other = button({ label: t("common.more"), glyph: "more", only: true });
    menuFor(other, () => [
      { label: t("library.cancel"), glyph: "stop", disabled: !ids(going).length, run: () => doing.cancel(ids(going)) },
      { label: t("common.again"), glyph: "retry", disabled: !ids(again).length, run: () => doing.retry(ids(again)) },
    ]);
    return [
      button({ label: t("library.tags_edit"), glyph: "tag", onClick: () => doing.tags(list.selected) }),
      button({ label: t("library.to_trash"), glyph: "trash", kind: "danger", onClick: () => doing.trash(ids()) }),
      other,
      leave,
    ];
  }

  // --- keys ---

  const KEYS = {
    "/": () => { filters.search.focus(); filters.search.select(); },
    j: () => list.move(1),
    k: () => list.move(-1),
    x: () => list.current && list.toggle(list.current),
    e: () => writes && list.current?.rename(),
    t: () => writes && !query.trash && chosen().length && doing.tags(chosen()),
    "#": () => writes && chosen().length && (query.trash ? doing.purge : doing.trash)(chosen().map(({ id }) => id)),
    "?": () => showKeys(),
  };
  KEYS.Delete = KEYS["#"];

  function chosen() {
    return list.selected.length ? list.selected : list.current ? [list.current.item] : [];
  }

  function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open], .menu")) return;
    if (event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable=true]")) return;
    if (session.settings().shortcuts === false) return;
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  async function showKeys() {
    const rows = ["search", "move", "open", "select", "rename", "tags", "trash", "unselect", "help"];
    const table = el("dl", { class: "keys" });
    for (const name of rows) {
      const pressed = t(`library.key_${name}`).split(" ").map((key) => el("kbd", {}, key));
      table.append(el("div", {}, el("dt", {}, ...pressed), el("dd", {}, t(`library.key_${name}_does`))));
    }
    const on = el("input", { type: "checkbox", id: "shortcuts-on" });
    on.checked = session.settings().shortcuts !== false;
    on.addEventListener("change", () => act(() => session.remember({ shortcuts: on.checked ? null : false })));
    const body = el("div", {}, table, el("div", { class: "check" }, on, el("label", { for: "shortcuts-on" }, t("library.keys_on"))));
    await dialog({ title: t("library.keys"), body });
  }

  const onVisibility = () => (document.hidden ? clearTimeout(timer) : reload());
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", onVisibility);

  if (visited?.address === address.write(query)) {
    ({ items, next, total } = visited);
    draw();
    const { scroll } = visited;
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, scroll)));
    reload();
  } else {
    await reload();
  }
  loadFacets();

  return {
    title: t(query.trash ? "library.trash" : "library.title"),
    unmount() {
      closed = true;
      visited = { address: address.write(query), items, next, total, scroll: scrollY };
      asking.abort();
      over.abort();
      clearTimeout(timer);
      document.removeEventListener("keydown", onKey);
      document.removeEventListener("visibilitychange", onVisibility);
    },
  };
}

function again({ state, kept }) {
  return (state === "failed" || state === "cancelled") && kept;
}
