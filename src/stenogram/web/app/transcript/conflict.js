// Two edited the same passage: both are shown, and the reader says which stays.

import { el } from "../../dom.js";
import { clock } from "../../format.js";
import { t } from "../../i18n.js";
import { dialog } from "../../ui/dialog.js";

let open = false;

/** Ask; where the dialog is only closed, nothing is decided and nothing is saved. */
export async function decide(document) {
  const { conflict } = document;
  if (!conflict || open) return;
  open = true;
  const pairs = conflict.stuck.map((pair, number) => passage(pair, number));
  const words = [el("p", {}, t("transcript.conflict.words", { n: pairs.length }))];
  if (conflict.clean) words.push(el("p", { class: "hint" }, t("transcript.conflict.clean", { n: conflict.clean })));
  const body = el("div", { class: "conflict" }, ...words, ...pairs.map(({ node }) => node));
  const actions = [
    { label: t("transcript.conflict.theirs"), value: "theirs" },
    { label: t("transcript.conflict.chosen"), value: "chosen", kind: "primary" },
  ];
  const choice = await dialog({ title: t("transcript.conflict.title"), body, actions, wide: true }).finally(() => (open = false));
  if (choice === null || document.state !== "conflict") return;
  document.resolve(choice === "theirs" ? "theirs" : pairs.map(({ mine }) => mine()));
}

function passage({ mine, theirs }, number) {
  const name = `conflict-${number}`;
  const side = (label, segments, checked) => {
    const radio = el("input", { type: "radio", name });
    radio.checked = checked;
    const said = segments.map(({ speaker, text }) => el("p", {}, speaker ? el("strong", {}, `${speaker}: `) : "", text));
    const words = said.length ? said : [el("p", { class: "hint" }, t("transcript.conflict.nothing"))];
    return { radio, node: el("label", { class: "conflict-side" }, el("span", { class: "check" }, radio, el("span", {}, label)), ...words) };
  };
  const [ours, others] = [side(t("transcript.conflict.mine"), mine, false), side(t("transcript.conflict.others"), theirs, true)];
  const at = clock((mine[0] ?? theirs[0])?.start ?? 0);
  const node = el("fieldset", {}, el("legend", {}, t("transcript.conflict.at", { time: at })), el("div", { class: "pair" }, others.node, ours.node));
  return { node, mine: () => ours.radio.checked };
}
