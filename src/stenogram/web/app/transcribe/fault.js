// What went wrong with a recording, and what the reader can do about it.

import { explain, has, t } from "../../i18n.js";

/** In the reader's language where the code is known, else in the server's words. */
export function words(error) {
  const key = `transcribe.fault_${error.code}`;
  return error.code && has(key) ? t(key) : explain(error);
}
