// Edits that the server has not got yet, kept in this browser: a crash, a closed tab or a lost line loses nothing.

const NAME = "stenogram.unsaved.";
const TAB = "stenogram.tab";

/** This tab's own name, which outlives a reload. */
export function tab() {
  try {
    const kept = sessionStorage.getItem(TAB) ?? Math.random().toString(36).slice(2, 10);
    sessionStorage.setItem(TAB, kept);
    return kept;
  } catch { // storage is switched off
    return "only";
  }
}

/** Keep the edits of a tab to a transcript; none: forget them. False: they could not be kept. */
export function keep(job, owner, draft) {
  try {
    const name = `${NAME}${job}.${owner}`;
    if (draft === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(draft));
    return true;
  } catch { // full, or switched off
    return false;
  }
}

/** What was kept of a transcript: `[{owner, draft}]`. */
export function kept(job) {
  const found = [];
  try {
    const start = `${NAME}${job}.`;
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(start)) found.push({ owner: name.slice(start.length), draft: JSON.parse(localStorage.getItem(name)) });
    }
  } catch {
    // switched off, or not ours
  }
  return found;
}
