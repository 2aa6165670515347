// Buttons that request a file from the kernel and save it on the visitor's machine.

function render({ model, el }) {
  const buttons = model.get("kinds").map((kind) => {
    const button = document.createElement("button");
    button.textContent = kind;
    button.title = `save the prints that match the controls as ${kind}`;
    button.onclick = () => {
      button.disabled = true;
      note.textContent = "";
      model.send({ type: "request", kind });
    };
    return button;
  });
  const note = document.createElement("span");
  note.setAttribute("role", "alert");
  el.append(...buttons, note);

  const receive = (message, buffers) => {
    for (const button of buttons) button.disabled = false;
    if (message.type === "problem") note.textContent = message.text;
    if (message.type === "file") save(message.name, buffers[0]);
  };
  model.on("msg:custom", receive);
  return () => model.off("msg:custom", receive);
}

function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export default { render };
