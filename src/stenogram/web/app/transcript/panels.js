// The panels beside the text, in the order of their buttons.
//
// A panel is `{id, label, glyph, mount(root, {document, player, context}) -> {unmount}}`: `label` is a key of the
// catalogue; `document` is the TranscriptDocument, `player` the Player or null, `context` what editor.js makes.

export const PANELS = [];
