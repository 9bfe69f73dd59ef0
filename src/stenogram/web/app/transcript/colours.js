// A colour for each speaker: the first who speaks has the first one, and keeps it while the page is open.

const COUNT = 8;

/** `colour(name)` is what CSS wants (`var(--speaker-2)`), `colour.property(name)` the property's name for a canvas. */
export function colours(document_) {
  const numbers = new Map(document_.speakerNames.map((name, index) => [name, index % COUNT]));
  const property = (name) => {
    if (name === null) return null;
    if (!numbers.has(name)) numbers.set(name, numbers.size % COUNT);
    return `--speaker-${numbers.get(name)}`;
  };
  return Object.assign((name) => `var(${property(name)})`, { property });
}
