// Switches and sliders of the display, and dark or light.

const byId = (id) => document.getElementById(id);
const THEME = "cardiacuq-theme";

function toggle(id, read, write) {
  byId(id).addEventListener("click", () => {
    write(!read());
    byId(id).setAttribute("aria-pressed", String(read()));
  });
}

export function connectSettings(page) {
  const { stage } = page;
  const { look } = stage;
  const tell = (problem) => page.tell(problem.message);
  toggle("heat", () => look.heatOn, (on) => { look.heatOn = on; stage.retable(); page.showSettings(); });
  toggle("outlines", () => look.outlines, (on) => { look.outlines = on; stage.draw(); });
  toggle("other", () => look.other, (on) => { look.other = on; stage.draw(); });
  toggle("bands", () => look.bands, (on) => { look.bands = on; page.showBands().catch(tell); });
  toggle("zoom", () => look.heart, (on) => { look.heart = on; stage.fit(); });
  byId("map").addEventListener("change", (event) => page.chooseMap(event.target.value).catch(tell));
  byId("opacity").addEventListener("input", (event) => { look.opacity = Number(event.target.value); stage.retable(); });
  byId("threshold").addEventListener("input", (event) => {
    look.threshold = Number(event.target.value);
    stage.retable();
    page.showSettings();
  });

  const range = () => {
    const { image } = page.case;
    const [low, high] = image.window;
    return { low: low - (high - low), span: 3 * (high - low) };
  };
  const window_ = () => {
    const { low, span } = range();
    const width = (Number(byId("window").value) / 1000) * span;
    const level = low + (Number(byId("level").value) / 1000) * span;
    [look.low, look.high] = [level - width / 2, level + width / 2];
    stage.draw();
  };
  byId("window").addEventListener("input", window_);
  byId("level").addEventListener("input", window_);
  const size = (mm) => {
    page.brush.radiusMm = Math.max(0, Math.min(15, mm));
    byId("brush-size").value = page.brush.radiusMm;
    byId("brush-mm").textContent = page.brush.radiusMm ? `${page.brush.radiusMm} mm` : "1 voxel";
    if (stage.cursor) stage.point({ ...stage.cursor, radiusMm: page.brush.radiusMm });
  };
  byId("brush-size").addEventListener("input", (event) => size(Number(event.target.value)));
  size(page.brush.radiusMm);

  return {
    show() {
      const { low, span } = range();
      byId("window").value = (1000 * (look.high - look.low)) / span;
      byId("level").value = (1000 * ((look.high + look.low) / 2 - low)) / span;
      byId("opacity").value = look.opacity;
      byId("threshold").value = look.threshold;
    },
    brush: (step) => size(page.brush.radiusMm + step),
    zoom: (factor) => stage.zoom(factor, stage.canvas.width / 2, stage.canvas.height / 2),
  };
}

/** Dark or light as the system says, until the button says otherwise. */
export function useTheme(button) {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = (dark) => {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
  };
  const stored = localStorage.getItem(THEME);
  apply(stored ? stored === "dark" : system.matches);
  system.addEventListener("change", (event) => { if (!localStorage.getItem(THEME)) apply(event.matches); });
  button.addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme !== "dark";
    localStorage.setItem(THEME, dark ? "dark" : "light");
    apply(dark);
  });
}
