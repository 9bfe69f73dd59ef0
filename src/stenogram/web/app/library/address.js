// What is looked for, as it stands in the page's address, and as the server is asked for it.

const DAY_S = 86_400;
/** Time spans to choose from: name -> days back from the end of today. */
export const SPANS = { today: 1, week: 7, month: 30, year: 365 };
export const SORTS = ["-created", "created", "title", "-title", "-duration", "duration"];
export const STATES = { going: ["queued", "running"], succeeded: ["succeeded"], failed: ["failed"], cancelled: ["cancelled"] };

const EMPTY = { q: "", state: "", tag: "", model: "", language: "", when: "", from: "", to: "", sort: "-created", trash: false };

/** The query in an address's search part; what it does not say, or what cannot be, is empty. */
export function read(search) {
  const params = new URLSearchParams(search);
  const query = { ...EMPTY };
  for (const name of ["q", "state", "tag", "model", "language", "when", "from", "to", "sort"]) query[name] = params.get(name) ?? EMPTY[name];
  query.trash = params.get("trash") === "1";
  if (!(query.state in STATES)) query.state = "";
  if (!(query.when in SPANS)) query.when = "";
  if (!SORTS.includes(query.sort)) query.sort = EMPTY.sort;
  for (const name of ["from", "to"]) if (Number.isNaN(dayOf(query[name]))) query[name] = "";
  return query;
}

/** The address of a query. */
export function write(query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== EMPTY[name]) params.set(name, value === true ? "1" : value);
  }
  const search = params.toString();
  return `/app/library${search ? `?${search}` : ""}`;
}

/** Whether anything is looked for: with nothing found, it is not that there is nothing. */
export function narrows(query) {
  return ["q", "state", "tag", "model", "language", "when", "from", "to"].some((name) => query[name] !== "");
}

/** The same list with nothing looked for. */
export function widened({ trash, sort }) {
  return { ...EMPTY, trash, sort };
}

/** What the server is asked. */
export function request(query, { limit, cursor = null }) {
  const params = new URLSearchParams({ sort: query.sort, limit });
  for (const name of ["q", "tag", "model", "language"]) if (query[name]) params.set(name, query[name]);
  for (const state of STATES[query.state] ?? []) params.append("state", state);
  const { since, until } = period(query);
  if (since !== null) params.set("since", since);
  if (until !== null) params.set("until", until);
  if (query.trash) params.set("trash", "true");
  if (cursor) params.set("cursor", cursor);
  return `/api/v1/library?${params}`;
}

/** Begin and end in Unix seconds, by the reader's own days. */
function period({ when, from, to }) {
  if (when) {
    const today = new Date();
    today.setHours(0, 0, 0, 0);
    today.setDate(today.getDate() - SPANS[when] + 1);
    return { since: today.getTime() / 1000, until: null };
  }
  return { since: from ? dayOf(from) : null, until: to ? dayOf(to) + DAY_S : null };
}

/** The begin of a day such as 2026-05-03 where the reader is, Unix seconds; NaN where it is none. */
function dayOf(text) {
  return new Date(`${text || "1970-01-01"}T00:00:00`).getTime() / 1000;
}
