// Lints a runbook while its author types: the problems stand under the text, each leads to its line.
document.addEventListener("DOMContentLoaded", () => {
  const text = document.querySelector(".runbook-text");
  if (!text) return;
  const list = document.createElement("ol");
  list.className = "runbook-lint";
  list.setAttribute("role", "status");
  text.after(list);

  const goTo = (line, column) => {
    const before = text.value.split("\n").slice(0, line - 1);
    const start = before.reduce((sum, row) => sum + row.length + 1, 0) + column - 1;
    text.focus();
    text.setSelectionRange(start, start);
    text.scrollTop = (text.scrollHeight / text.value.split("\n").length) * Math.max(0, line - 6);
  };

  const show = ({ ok, problems }) => {
    list.replaceChildren(...problems.map(({ at, line, column, severity, say }) => {
      const item = document.createElement("li");
      const link = document.createElement("button");
      link.type = "button";
      link.textContent = at;
      link.addEventListener("click", () => goTo(line, column));
      item.className = severity;
      item.append(link, " " + say);
      return item;
    }));
    if (ok && !problems.length) {
      const item = document.createElement("li");
      item.textContent = "No problems.";
      list.append(item);
    }
  };

  let asked = 0;
  const lint = async () => {
    const mine = ++asked;  // answers may overtake each other; only the last question counts
    const body = new FormData();
    body.set("text", text.value);
    body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    const url = location.pathname.replace(/\/runbook\/.*/, "/runbook/lint/");
    try {
      const answer = await fetch(url, { method: "POST", body });
      const found = answer.ok && await answer.json();
      if (found && mine === asked) show(found);
    } catch { /* the server lints again on save */ }
  };

  let timer;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(lint, 400);
  });
  lint();
});
