// What was dropped or chosen: files, also those in folders, and which of them can be recordings.

const ENDINGS = new Set(
  (
    "3g2 3gp aac ac3 adts aif aiff alac amr ape asf au avi caf dss dts f4v flac flv gsm m2ts m4a m4b m4r m4v mka mkv mov mp2 mp3 mp4 mpeg mpg mpga " +
    "mts mxf oga ogg ogv opus qt ra rm spx tta vob voc w64 wav weba webm wma wmv wv"
  ).split(" "),
);
/** What a file dialog is asked to show. */
export const ACCEPT = "audio/*,video/*,.mka,.mkv,.opus,.amr,.m4b,.caf,.wv,.ape,.mxf";

/** Split `[{file, name, inFolder}]` into what can be a recording, and the names of the others. */
export function sort(found) {
  const taken = [];
  const left = [];
  for (const each of found) {
    if (canBeRecording(each)) taken.push(each);
    else left.push(each.name);
  }
  return { taken, left };
}

function canBeRecording({ file, inFolder }) {
  if (/^(audio|video)\//.test(file.type)) return true;
  if (ENDINGS.has(file.name.split(".").pop().toLowerCase())) return true;
  return file.type === "" && !inFolder && !file.name.includes("."); // no name to judge by: the server looks into it
}

/** The files of a file dialog; those of a folder are named with their path in it. */
export function ofInput(input) {
  return [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name, inFolder: Boolean(file.webkitRelativePath) }));
}

/** All files of a drop, however deep. To be called while the event is handled: afterwards the browser has forgotten it. */
export async function ofDrop(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.length || entries.includes(null)) {
    return [...transfer.files].map((file) => ({ file, name: file.name, inFolder: false }));
  }
  const found = [];
  for (const entry of entries) await walk(entry, found, false);
  return found;
}

async function walk(entry, found, inFolder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject)).catch(() => null);
    if (file) found.push({ file, name: inFolder ? entry.fullPath.replace(/^\//, "") : file.name, inFolder });
    return;
  }
  const reader = entry.createReader();
  while (true) { // a folder is told in portions
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)).catch(() => []);
    if (!portion.length) return;
    for (const each of portion.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))) {
      if (!each.name.startsWith(".")) await walk(each, found, true);
    }
  }
}
