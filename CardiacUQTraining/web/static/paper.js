// The page on paper: sizes, every slice with its outlines, the decisions; the same for Print to PDF.

import { Painter } from "./painter.js";
import { drawSmall } from "./stage.js";

const PICTURE = 420;

function add(parent, name, text, className = "") {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

export function fillPaper(opened, stage, version) {
  const page = document.getElementById("print-page");
  page.replaceChildren();
  const { state } = opened;
  add(page, "h1", opened.name);
  add(page, "p", `${opened.model} · ${new Date().toISOString().slice(0, 10)} · Research use only`);
  add(page, "h2", state.headline);
  add(page, "p", state.progress);
  const sizes = add(page, "table");
  for (const size of state.sizes) {
    const row = add(sizes, "tr");
    add(row, "th", size.name);
    add(row, "td", size.value);
    add(row, "td", size.interval || (size.model ? `${state.model_title} ${size.model}` : ""));
  }
  const key = add(page, "p", undefined, "key");
  for (const info of opened.classes.filter((c) => c.value)) {
    const entry = add(key, "span", info.name);
    entry.style.setProperty("border-color", info.colour);
  }
  const grid = add(page, "div", undefined, "slices");
  const painter = new Painter(opened);
  for (let z = 0; z < opened.size[0]; z += 1) {
    const figure = add(grid, "figure");
    const canvas = add(figure, "canvas");
    canvas.width = PICTURE;
    canvas.height = PICTURE;
    drawSmall(painter, canvas, z, opened, stage.box, stage.look, 3);
    add(figure, "figcaption", `slice ${z + 1}`);
  }
  if (state.trail.length) {
    add(page, "h2", "Decisions");
    const trail = add(page, "ol");
    for (const entry of state.trail) {
      add(trail, "li", `${entry.time.slice(0, 16).replace("T", " ")} ${entry.reviewer}: ${entry.what}${entry.note ? ` (${entry.note})` : ""}`);
    }
  }
  add(page, "p", `CardiacUQ ${version}. Not a medical device, not for diagnosis or treatment. Slices count from 1.`, "foot");
}
