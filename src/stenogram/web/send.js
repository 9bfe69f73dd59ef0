// One recording on its way to the server: by XMLHttpRequest, because fetch tells nothing of an upload's progress.

import * as api from "./api.js";
import { t } from "./i18n.js";

/**
 * Send a file with the fields of its form; gives its job. `onProgress(bytes, total or null)`. With a `key` that was used
 * before, the server gives the job of that time: what broke off may be sent again. Throws ApiError where the server
 * refuses, an error with the code `offline` where the connection breaks, AbortError when `signal` is.
 */
export function send(file, fields, { key = null, onProgress = null, signal }) {
  return new Promise((resolve, reject) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) if (value) body.append(name, value);
    body.append("file", file, file.name); // last: what comes before it is known while it arrives
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/jobs");
    for (const [name, value] of Object.entries(api.headers())) request.setRequestHeader(name, value);
    if (key) request.setRequestHeader("idempotency-key", key);
    request.upload.onprogress = (event) => onProgress?.(event.loaded, event.lengthComputable ? event.total : null);
    request.onerror = () => reject(Object.assign(new Error(t("dashboard.upload_broke")), { code: "offline" }));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onload = () => {
      if (request.status === 202) {
        resolve(JSON.parse(request.responseText).jobs[0]);
        return;
      }
      if (request.status === 401) api.needKey();
      reject(api.errorOf(request.status, request.responseText));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
