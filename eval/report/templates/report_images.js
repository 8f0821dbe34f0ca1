// The viewer of images and their boxes.

const OUTCOMES = ["found", "false", "duplicate", "ignored"];
const SIGNS = { found: "✓", false: "✗", duplicate: "2×", ignored: "–", missed: "○" };
const MOST_LABELS = 20; // more would hide the image; those of boxes pointed at are still shown

function sampleLine() {
  const svg = drawn("svg", { class: "line", viewBox: "0 0 32 10", "aria-hidden": "true" });
  for (const kind of ["rim", "paint"]) svg.append(drawn("path", { class: kind, d: "M1 5H31" }));
  return svg;
}

// What an image shows at a threshold: its detections, the best first, and then its objects.
function boxesOf(image, threshold, number, withTruth) {
  const isOf = (row) => number === "" || row[0] === Number(number);
  const found = image.found
    .filter((row) => isOf(row) && row[1] >= threshold)
    .map(([label, score, outcome, ...box]) => ({ label, score, kind: OUTCOMES[outcome], box }));
  const objects = image.objects.filter(isOf).map(([label, foundAt, toFind, ...box]) => {
    const missed = toFind && (foundAt === null || foundAt < threshold);
    return { label, score: null, kind: missed ? "missed" : "object", box };
  });
  return { found, objects: withTruth ? objects : [] };
}

function startImages({ classes, images, threshold }) {
  const [viewer, picker, classPicker, score, truth] = ["viewer", "image-file", "image-class", "score", "truth"].map(byId);
  const [frame, pixels, svg, labels, list] = ["frame", "image", "boxes", "labels", "list"].map(byId);

  function setUp() {
    const scores = images.flatMap((image) => image.found.map((row) => row[1]));
    const low = scores.reduce((a, b) => Math.min(a, b), 0);
    const high = scores.reduce((a, b) => Math.max(a, b), low < 0 ? low : 1);
    const range = high - low || 1;
    Object.assign(score, { min: low, max: high, step: range / 100 });
    score.value = low + (Math.floor(((threshold ?? low) - low) / (range / 100)) * range) / 100;
    const present = new Set(images.flatMap((image) => [...image.found, ...image.objects].map((row) => row[0])));
    const inOrder = [...present].sort((a, b) => classes[a].localeCompare(classes[b]));
    classPicker.append(...inOrder.map((number) => new Option(classes[number], number)));
    for (const item of all(".legend li")) item.prepend(sampleLine());
  }

  function fillPicker() {
    const number = classPicker.value;
    const before = picker.value;
    const holds = (image) => [...image.found, ...image.objects].some((row) => row[0] === Number(number));
    const candidates = images.map((image, i) => [image, i]).filter(([image]) => number === "" || holds(image));
    picker.replaceChildren(
      ...candidates.map(([image, i]) => {
        const count = `${image.mistakes} ${image.mistakes === 1 ? "mistake" : "mistakes"}`;
        return new Option(`${i + 1} of ${images.length} · ${image.file} · ${count}`, i);
      }),
    );
    picker.value = candidates.some(([, i]) => String(i) === before) ? before : candidates[0][1];
  }

  function showImage() {
    const image = images[picker.value];
    const [width, height] = image.size;
    if (list.contains(document.activeElement)) frame.focus();
    frame.style.aspectRatio = `${width} / ${height}`;
    frame.style.maxWidth = `calc(75vh * ${width / height})`;
    pixels.hidden = image.image === null;
    if (image.image === null) pixels.removeAttribute("src");
    else pixels.src = image.image;
    pixels.alt = image.file;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    showBoxes();
  }

  function showBoxes() {
    const image = images[picker.value];
    const shown = boxesOf(image, Number(score.value), classPicker.value, truth.checked);
    byId("score-value").textContent = Number(score.value).toFixed(2);
    svg.replaceChildren();
    labels.replaceChildren();
    for (const each of shown.objects) draw(each, image.size);
    for (const each of shown.found.toReversed()) draw(each, image.size); // the best on top
    labels.className = labels.children.length > MOST_LABELS ? "crowded" : "";
    const missed = shown.objects.filter((each) => each.kind === "missed");
    list.replaceChildren(...[...shown.found, ...missed].map(line));
    makeReachable(all("li", list), list.firstElementChild);
    byId("status").textContent = status(image, shown, missed.length);
  }

  function draw(each, [width, height]) {
    const [x1, y1, x2, y2] = each.box;
    const group = drawn("g", { class: each.kind });
    for (const kind of ["rim", "paint"]) {
      group.append(drawn("rect", { class: kind, x: x1, y: y1, width: x2 - x1, height: y2 - y1 }));
    }
    svg.append(group);
    each.parts = [...group.children];
    if (!(each.kind in SIGNS)) return;
    const label = element("span", each.kind, caption(each));
    const toLeft = x1 > 0.7 * width;
    label.style[toLeft ? "right" : "left"] = `${Math.max(0, toLeft ? 100 - (100 * x2) / width : (100 * x1) / width)}%`;
    label.style.top = `${Math.max(0, (100 * y1) / height)}%`;
    if (y1 > 0.06 * height) label.style.transform = "translateY(-100%)";
    labels.append(label);
    each.parts.push(label);
  }

  function caption({ kind, label, score }) {
    return `${SIGNS[kind]} ${classes[label]} ${score === null ? "missed" : score.toFixed(2)}`;
  }

  function line(each) {
    const item = element("li", each.kind);
    const word = each.kind === "missed" ? "missed" : `${SIGNS[each.kind]} ${each.kind}`;
    const number = each.score === null ? "" : each.score.toFixed(3);
    item.append(sampleLine(), ...[classes[each.label], word, number].map((text) => element("span", "", text)));
    const point = (strong) => () => each.parts.forEach((part) => part.classList.toggle("strong", strong));
    for (const kind of ["pointerenter", "focus"]) item.addEventListener(kind, point(true));
    for (const kind of ["pointerleave", "blur"]) item.addEventListener(kind, point(false));
    return item;
  }

  function status(image, { found, objects }, missed) {
    const counts = OUTCOMES.map((kind) => [found.filter((each) => each.kind === kind).length, kind]);
    const parts = counts.filter(([count]) => count).map(([count, kind]) => `${count} ${kind}`);
    const leftOut = image.left_out ? ` ${image.left_out} with lower scores are not in this file.` : "";
    const truths = truth.checked ? ` ${objects.length} objects, ${missed} missed.` : "";
    const sum = parts.length ? `: ${parts.join(", ")}` : "";
    return `${found.length} of ${image.found.length} detections shown${sum}.${truths}${leftOut}`;
  }

  function step(by) {
    picker.selectedIndex = (picker.selectedIndex + by + picker.length) % picker.length;
    showImage();
  }

  setUp();
  fillPicker();
  viewer.hidden = false;
  showImage();
  picker.addEventListener("change", showImage);
  classPicker.addEventListener("change", () => [fillPicker(), showImage()]);
  score.addEventListener("input", showBoxes);
  truth.addEventListener("change", showBoxes);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  moveByKeys(list, "li", DOWN);
  viewer.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input[type=range]") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      step(event.key === "ArrowLeft" ? -1 : 1);
    }
  });
}

const data = JSON.parse(byId("image-data").textContent);
if (data.images.length) startImages(data);
