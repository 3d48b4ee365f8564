// Every action by keyboard: one table for the keys, the page of help and the tests.

export const KEYS = [
  ["n", "N", "next open region"], ["p", "P", "previous region"], ["k", "K", "keep the final label, and what was painted"],
  ["a", "A", "accept the proposed outline"], ["t", "T", "take the other opinion"], ["0-9", "0–9", "give the region a class; while editing choose the class of the brush"],
  ["f", "F", "flag for someone else"], ["e", "E", "edit with the brush, and end it"], ["x", "X", "eraser"],
  ["[", "[ ]", "smaller, larger brush"], ["z", "Z", "undo the last decision or stroke"], ["Z", "⇧Z", "redo"],
  ["h", "H", "heat map on and off"], ["l", "L", "outlines on and off"], ["o", "O", "show the other opinion"],
  ["b", "B", "contour bands on and off"],
  ["y", "Y", "zoom to the heart or the whole slice"], ["+", "+ −", "zoom in and out"],
  ["ArrowUp", "↑ ↓", "slice above, below; wheel"], ["ArrowLeft", "← → ↑ ↓", "in the picture while editing: move the brush"],
  [" ", "Space", "paint at the brush; play the film"], ["c", "C", "next case"], ["?", "?", "this list"],
];

const WRITING = new Set(["INPUT", "SELECT", "TEXTAREA"]);

/** Call `act(key, event)` for keys that nobody else wants; true from `act` means it was used. */
export function listen(act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const focus = document.activeElement;
    if (WRITING.has(focus?.tagName) && focus.type !== "range") return;
    const own = event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow");
    if (own && (focus?.tagName === "BUTTON" || focus?.type === "range" || focus?.tagName === "A")) return;
    const key = event.key.length === 1 && event.key !== "Z" ? event.key.toLowerCase() : event.key;
    if (act(event.shiftKey && key === "z" ? "Z" : key, event)) event.preventDefault();
  });
}

export function fillHelp(list) {
  for (const [, shown, what] of KEYS) {
    const term = document.createElement("dt");
    const kbd = document.createElement("kbd");
    kbd.textContent = shown;
    term.append(kbd);
    const detail = document.createElement("dd");
    detail.textContent = what;
    list.append(term, detail);
  }
}
