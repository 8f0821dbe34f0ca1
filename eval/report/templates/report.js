// Shared by the scripts of the classes and of the images, which follow.
const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function element(name, classes = "", text = "") {
  const made = document.createElement(name);
  made.className = classes;
  made.textContent = text;
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// One of several items is in the order of tabs; arrow keys move from it to the others.
const DOWN = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
const ACROSS = { ...DOWN, ArrowRight: 1, ArrowLeft: -1 };

function moveByKeys(container, selector, steps) {
  container.addEventListener("keydown", (event) => {
    const items = all(selector, container).filter((item) => !item.hidden);
    const here = items.indexOf(event.target);
    if (here < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = items[Math.min(items.length - 1, Math.max(0, here + steps[event.key]))];
    makeReachable(items, next);
    next.focus();
  });
}

function makeReachable(items, item) {
  for (const each of items) each.tabIndex = each === item ? 0 : -1;
}
