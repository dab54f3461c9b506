// What the page can do without it, it does without it: a file may be dropped, Ctrl+Enter sends, and a place is a button.
"use strict";

const text = document.getElementById("manifests");
const form = text.form;
const hint = document.querySelector("[data-hint]");
const result = document.querySelector("[data-result]");

hint.textContent = "or Ctrl+Enter. A file can be dropped on the text.";

if (result) {
  result.focus();
}

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

// Too much would come back as an error, and without the text.
form.addEventListener("submit", (event) => {
  const size = new Blob([text.value]).size;
  if (size > Number(form.dataset.largest)) {
    event.preventDefault();
    hint.textContent = `The text has ${Math.ceil(size / 1024)} KiB, and ${form.dataset.largest / 1024} are read at most.`;
    hint.setAttribute("role", "alert");
  }
});

for (const kind of ["dragenter", "dragover"]) {
  text.addEventListener(kind, (event) => {
    event.preventDefault();
    text.classList.add("over");
  });
}
text.addEventListener("dragleave", () => text.classList.remove("over"));
text.addEventListener("drop", async (event) => {
  event.preventDefault();
  text.classList.remove("over");
  const files = [...event.dataTransfer.files];
  if (files.length) {
    const contents = await Promise.all(files.map((file) => file.text()));
    text.value = contents.join("\n---\n");
    hint.textContent = `Read ${files.map((file) => file.name).join(", ")}.`;
  }
});

// "text:12:3: …" names a line of the text: a button selects it.
for (const message of document.querySelectorAll(".messages li")) {
  const found = /\btext:(\d+)/.exec(message.textContent);
  if (found) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "line";
    button.textContent = `Go to line ${found[1]}`;
    button.addEventListener("click", () => select(Number(found[1])));
    message.append(" ", button);
  }
}

function select(line) {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((length, each) => length + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1] || "").length);
  text.scrollTop = (line - 5) * (text.scrollHeight / lines.length);
}
