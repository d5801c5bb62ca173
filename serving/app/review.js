// The keys of the review page. Without scripts every one of them is a button or a link.
"use strict";
const byId = (id) => document.getElementById(id);
const follow = (id) => byId(id)?.click();
const send = (id) => byId(id)?.requestSubmit(byId(id).querySelector("button"));
const caption = byId("caption");

const take = (number) => {
  const alternative = byId("alternatives")?.children[number - 1];
  if (alternative) {
    caption.value = alternative.textContent;
    caption.focus();
  }
};

const keys = {
  j: () => follow("after"),
  k: () => follow("before"),
  a: () => {
    if (byId("accept")) return follow("accept");
    if (!byId("caption-form").elements.shown) return; // the model's words are hidden
    caption.value = caption.defaultValue;
    send("caption-form");
  },
  e: () => { caption.focus(); caption.select(); },
  x: () => follow("reject"),
  u: () => send("undo-form"),
  "/": () => byId("words")?.focus(),
  "?": () => byId("keys").focus(),
  1: () => take(1),
  2: () => take(2),
  3: () => take(3),
};

document.addEventListener("keydown", (event) => {
  const isWriting = event.target.matches("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send("caption-form");
  } else if (event.key === "Escape" && isWriting) {
    event.target.blur();
  } else if (!isWriting && !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key.toLowerCase()]) {
    event.preventDefault();
    keys[event.key.toLowerCase()]();
  }
});
