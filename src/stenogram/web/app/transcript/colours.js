// A colour for each speaker: the first who speaks has the first one, and keeps it while the page is open.

const COUNT = 8;

/** `colour(name)` is what CSS wants (`var(--speaker-2)`), `colour.property(name)` the property's name for a canvas. */
export function colours(document_) {
  const numbers = new Map();
  const refresh = () => {
    for (const name of document_.speakerNames) if (!numbers.has(name)) numbers.set(name, numbers.size % COUNT);
  };
  const property = (name) => (name === null ? null : `--speaker-${numbers.get(name) ?? 0}`);
  const colour = (name) => `var(${property(name)})`;
  refresh();
  return Object.assign(colour, { property, refresh });
}
