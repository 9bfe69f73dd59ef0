// Small hands for the document. All that comes from outside goes through textContent; nothing is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes and children (nodes, or strings as text). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Set text only where it differs: a live region is read aloud at each change, and a selection stays. */
export function text(node, value) {
  const next = String(value);
  if (node.textContent !== next) node.textContent = next;
}

export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/**
 * Let the children of `parent` be one for each item: made once for each key, then updated in place, so that focus,
 * selection and scrolling survive. `make(item)` gives `{node, update(item)}`.
 */
export function keyed(parent, items, keyOf, make) {
  const old = (parent.views ??= new Map());
  const views = new Map();
  for (const item of items) {
    const key = keyOf(item);
    const view = old.get(key) ?? make(item);
    view.update(item);
    views.set(key, view);
  }
  for (const [key, view] of old) if (!views.has(key)) view.node.remove();
  let place = parent.firstElementChild;
  for (const { node } of views.values()) {
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  parent.views = views;
}
