// Wheel for slices, drag for window and level, the brush, and the brush by arrow keys.

const byId = (id) => document.getElementById(id);

export function connectMouse(page) {
  const { stage } = page;
  const canvas = byId("slice");
  let drag = null;
  let keyed = null;

  const cursor = (voxel) => {
    const colour = page.case.classes.find((c) => c.value === page.brush.label)?.colour ?? "#fff";
    stage.point(voxel && page.editing ? { y: voxel[0], x: voxel[1], radiusMm: page.brush.radiusMm, colour } : null);
  };

  canvas.addEventListener("wheel", (event) => {
    if (!page.case) return;
    event.preventDefault();
    if (event.ctrlKey) stage.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...stage.pixel(event));
    else stage.go(stage.z + Math.sign(event.deltaY));
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (!page.case) return;
    canvas.focus();
    canvas.setPointerCapture(event.pointerId);
    const voxel = stage.under(event);
    if (page.editing && event.button === 0 && stage.ownFrame && !event.shiftKey) {
      if (voxel) page.beginStroke(voxel);
      return;
    }
    const pan = event.button === 1 || event.shiftKey;
    drag = { pan, x: event.clientX, y: event.clientY, low: stage.look.low, high: stage.look.high };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!page.case) return;
    const voxel = stage.under(event);
    if (page.brush.painting) {
      for (const one of event.getCoalescedEvents?.() ?? [event]) {
        const place = stage.under(one);
        if (place) page.brush.extend(...place);
      }
      cursor(voxel);
      stage.draw(page.brush.fresh());
    } else if (drag?.pan) {
      const ratio = window.devicePixelRatio || 1;
      stage.pan((event.clientX - drag.x) * ratio, (event.clientY - drag.y) * ratio);
      [drag.x, drag.y] = [event.clientX, event.clientY];
    } else if (drag) {
      const width = Math.max((drag.high - drag.low) * Math.exp((event.clientX - drag.x) / 250), 1e-6);
      const level = (drag.high + drag.low) / 2 - ((drag.high - drag.low) * (event.clientY - drag.y)) / 250;
      [stage.look.low, stage.look.high] = [level - width / 2, level + width / 2];
      page.settings.show();
      stage.draw();
    } else if (page.editing) cursor(voxel);
    probe(page, voxel);
  });

  const end = () => {
    if (page.brush.painting) page.endStroke();
    drag = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", () => {
    if (page.brush.painting) page.brush.cancel();
    drag = null;
    stage.draw();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  page.mouse = {
    /** Move the brush by an arrow key, paint with Space; true if the key was one of these. */
    arrow(key) {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
      if (!step && key !== " ") return false;
      const item = page.case.items[page.current];
      keyed = stage.cursor ? [stage.cursor.y, stage.cursor.x] : keyed ?? item?.voxel.slice(1) ?? page.case.size.slice(1).map((n) => n >> 1);
      if (step) keyed = [keyed[0] + step[0], keyed[1] + step[1]];
      else if (stage.ownFrame) {
        page.beginStroke(keyed);
        page.endStroke();
      }
      cursor(keyed);
      probe(page, keyed);
      return true;
    },
  };
}

/** In words what lies under the mouse. */
function probe(page, voxel) {
  const { case: opened, stage } = page;
  if (!voxel) {
    asked = null;
    byId("probe").textContent = "";
    return;
  }
  const index = opened.index(stage.z, ...voxel);
  const name = (label) => opened.classes.find((c) => c.value === label)?.name ?? label;
  const parts = [name(opened.labels[index])];
  if (opened.first && opened.first[index] !== opened.labels[index]) parts.push(`${opened.opinions[0]}: ${name(opened.first[index])}`);
  for (const map of opened.maps) {
    const codes = opened.mapCodes.get(map.name);
    if (codes) parts.push(`${map.title} ${((codes[index] / 255) * map.maximum).toFixed(2)}`);
  }
  parts.push(`grey ${Math.round(opened.image.low + opened.image.codes[index] * opened.image.step)}`);
  byId("probe").textContent = parts.join(" · ");
  tellChances(opened, index);
}

let asked = null;

/** The class probabilities behind what is said already, when the mouse rests for a moment. */
function tellChances(opened, index) {
  clearTimeout(asked?.timer);
  const said = byId("probe").textContent;
  const wanted = { timer: 0 };
  asked = wanted;
  const tell = async () => {
    const words = await opened.chances(index);
    if (asked === wanted && byId("probe").textContent === said) byId("probe").textContent = `${said} · ${words}`;
  };
  wanted.timer = setTimeout(tell, opened.said.has(index) || !opened.has_probabilities ? 0 : 60);
}
