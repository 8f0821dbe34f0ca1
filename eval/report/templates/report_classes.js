// The table of classes and their curves: sorted, filtered, and linked with each other.

// A class's row, its plot and its curve among all curves are marked together.
function linkClasses(rows, figures, lens) {
  const svg = lens.querySelector("svg");
  const parts = new Map(rows.map((row, i) => [row.dataset.class, [row, figures[i]]]));
  for (const figure of figures) {
    const curve = figure.querySelector("polyline");
    if (!curve) continue;
    const group = drawn("g", { "data-class": figure.dataset.class });
    const target = curve.cloneNode();
    target.setAttribute("class", "target");
    group.append(target, curve.cloneNode());
    svg.append(group);
    parts.get(figure.dataset.class).push(group);
  }
  lens.hidden = rows.length === 0;
  let marked = [];
  function mark(event) {
    const owner = event.target.closest("[data-class]");
    if (!owner || marked.includes(owner)) return;
    for (const part of marked) part.classList.remove("marked");
    marked = parts.get(owner.dataset.class);
    for (const part of marked) part.classList.add("marked");
    lens.querySelector("b").textContent = marked[1].dataset.name;
    lens.querySelector("span").textContent = marked[1].querySelector("small").textContent;
    if (marked[2] && owner !== marked[2]) svg.append(marked[2]); // on top of the others
  }
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, mark);
}

function sortBy(header, table, curves) {
  const headers = all("thead th", table);
  const column = headers.indexOf(header);
  const isName = column === 0;
  const up = header.ariaSort === "none" ? isName : header.ariaSort === "descending";
  for (const each of headers) each.ariaSort = "none";
  header.ariaSort = up ? "ascending" : "descending";
  const value = (row) => (isName ? row.cells[0].textContent : row.cells[column].dataset.value);
  const compare = (a, b) => (isName ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
  const rows = all("tbody tr", table).sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === ""); // n/a is last in both directions
    return up ? compare(a, b) : compare(b, a);
  });
  table.tBodies[0].append(...rows);
  const figures = new Map(all("figure", curves).map((figure) => [figure.dataset.class, figure]));
  curves.append(...rows.map((row) => figures.get(row.dataset.class)));
  restoreReachable(table, curves);
}

function restoreReachable(table, curves) {
  for (const items of [all("tbody tr", table), all("figure", curves)]) {
    makeReachable(items, items.find((item) => !item.hidden));
  }
}

function filterClasses(text, rows, figures) {
  const wanted = text.trim().toLowerCase();
  rows.forEach((row, i) => {
    row.hidden = figures[i].hidden = !figures[i].dataset.name.toLowerCase().includes(wanted);
  });
  const shown = rows.filter((row) => !row.hidden).length;
  byId("shown-classes").textContent = wanted ? `${shown} of ${rows.length} classes` : "";
}

function startClasses(table, curves) {
  const rows = all("tbody tr", table);
  const figures = all("figure", curves);
  linkClasses(rows, figures, byId("lens"));
  moveByKeys(table.tBodies[0], "tr", DOWN);
  moveByKeys(curves, "figure", ACROSS);
  for (const header of all("thead th", table)) {
    header.querySelector("button").addEventListener("click", () => sortBy(header, table, curves));
  }
  byId("filter").addEventListener("input", (event) => {
    filterClasses(event.target.value, rows, figures);
    restoreReachable(table, curves);
  });
}

startClasses(byId("class-table"), byId("curves-by-class"));
