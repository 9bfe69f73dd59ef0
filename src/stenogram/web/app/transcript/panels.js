// The panels beside the text, in the order of their buttons.
//
// A panel is `{id, label, glyph, mount(root, {document, player, context}) -> {unmount}}`: `label` is a key of the
// catalogue; `document` is the TranscriptDocument, `player` the Player or null, `context` what editor.js makes.

import { cleanup } from "../panels/cleanup.js";
import { exporting } from "../panels/export.js";
import { find } from "../panels/find.js";
import { share } from "../panels/share.js";
import { speakers } from "../panels/speakers.js";
import { versions } from "../panels/versions.js";

export const PANELS = [speakers, cleanup, find, exporting, versions, share];
