// Descriptions of elements, and how the document becomes what they describe. What is there already stays: an open table
// stays open, a selection stays, and a screen reader hears only what has changed. No text is ever read as HTML.

const SVG = new Set(["svg", "path", "rect", "line", "g"]);

/** Describes an element. `key` tells it from its siblings; `openAtFirst` opens a `details` when it is made. */
export function h(tag, props, ...children) {
  const { key, openAtFirst, ...attributes } = props ?? {};
  const there = (child) => child !== null && child !== undefined && child !== false && child !== "";
  return { tag, key, openAtFirst, attributes, children: children.flat(Infinity).filter(there) };
}

/** Makes the children of an element those that are described. */
export function patch(parent, described) {
  const before = [...parent.childNodes];
  const keyed = new Map(before.filter((node) => node.key !== undefined).map((node) => [node.key, node]));
  const plain = before.filter((node) => node.key === undefined);
  const kept = new Set();
  let place = parent.firstChild;
  for (const wanted of described) {
    const node = found(wanted, keyed, plain) ?? made(wanted);
    kept.add(node);
    if (node === place) {
      place = place.nextSibling;
    } else {
      parent.insertBefore(node, place);
    }
    fill(node, wanted);
  }
  for (const node of before) {
    if (!kept.has(node)) node.remove();
  }
}

function found(wanted, keyed, plain) {
  if (typeof wanted !== "object") {
    return plain[0]?.nodeType === Node.TEXT_NODE ? plain.shift() : undefined;
  }
  if (wanted.key !== undefined) {
    const node = keyed.get(wanted.key);
    return node?.localName === wanted.tag ? node : undefined;
  }
  return plain[0]?.localName === wanted.tag ? plain.shift() : undefined;
}

function made(wanted) {
  if (typeof wanted !== "object") return document.createTextNode("");
  const node = SVG.has(wanted.tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", wanted.tag)
    : document.createElement(wanted.tag);
  node.key = wanted.key;
  node.attributesHere = {};
  if (wanted.openAtFirst) node.open = true;
  return node;
}

function fill(node, wanted) {
  if (typeof wanted !== "object") {
    const text = String(wanted);
    if (node.data !== text) node.data = text;
    return;
  }
  const before = node.attributesHere;
  for (const name of Object.keys(before)) {
    if (!(name in wanted.attributes)) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(wanted.attributes)) {
    if (before[name] !== value) node.setAttribute(name, value);
  }
  node.attributesHere = wanted.attributes;
  patch(node, wanted.children);
}
