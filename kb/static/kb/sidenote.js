/* What the pages cannot do without a script: copy, walk the grid, keep a live page true. Everything is readable without it. */
(() => {
  "use strict";
  const POLL_MS = 5000, SILENT_MS = 25000, SLEPT_MS = 4000, HIDDEN_MS = 30000;
  const $ = (id) => document.getElementById(id);

  /* Copy ------------------------------------------------------------------ */
  function copied(button) {
    const label = button.querySelector("span") || button;
    const before = label.textContent;
    label.textContent = button.dataset.done || before;
    setTimeout(() => { label.textContent = before; }, 2000);
  }
  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "vh";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-link]");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    const text = "copyLink" in button.dataset ? location.origin + location.pathname : code.textContent;
    copy(text).then(() => copied(button));
  });

  /* Grid: one tab stop, arrows move, the line below explains ------------------ */
  const cellsOf = (grid) => [...grid.tBodies[0].rows].map((row) => [...row.querySelectorAll(".cell")]);
  function explain(cell) {
    const detail = $("grid_detail");
    if (!detail) return;
    document.querySelectorAll(".cell[aria-current]").forEach((one) => one.removeAttribute("aria-current"));
    cell.setAttribute("aria-current", "true");
    const verdict = cell.dataset.verdict;
    detail.dataset.verdict = verdict;
    detail.querySelector(".verdict").dataset.verdict = verdict;
    detail.querySelector("[data-detail-label]").textContent = cell.closest("tr").querySelector("th").textContent.trim();
    detail.querySelector("[data-detail-say]").textContent = cell.title;
  }
  function enter(cell) {
    document.querySelectorAll('.cell[tabindex="0"]').forEach((one) => { one.tabIndex = -1; });
    cell.tabIndex = 0;
  }
  function openGrid() {
    const grid = $("run_grid");
    const first = grid && !grid.querySelector('.cell[tabindex="0"]') && grid.querySelector(".cell");
    if (first) enter(first);
  }
  document.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".matrix .cell");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = cellsOf(cell.closest("table"));
    const y = rows.findIndex((row) => row.includes(cell)), x = rows[y].indexOf(cell);
    const moves = { ArrowUp: [y - 1, x], ArrowDown: [y + 1, x], ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1],
      Home: [y, 0], End: [y, rows[y].length - 1], PageUp: [0, x], PageDown: [rows.length - 1, x] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const next = rows[move[0]] && rows[move[0]][move[1]];
    if (next) { enter(next); next.focus(); }
  });
  document.addEventListener("focusin", (event) => { if (event.target.matches(".matrix .cell")) explain(event.target); });
  document.addEventListener("mouseover", (event) => { if (event.target.matches(".matrix .cell")) explain(event.target); });
  document.addEventListener("click", (event) => {
    const cell = event.target.closest(".matrix .cell");
    const url = cell && new URL(cell.href, location.href);
    const host = url && url.searchParams.get("host");
    if (!host || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const card = $(url.hash.replace("#step-", "card-"));
    const pick = card && card.querySelector(".hostpick [hx-get]");
    if (!pick) return;
    event.preventDefault();
    const address = new URL(pick.getAttribute("hx-get"), location.href);
    address.search = "?host=" + host;
    const step = card.parentElement;
    htmx.ajax("GET", address.pathname + address.search, { target: card, swap: "outerHTML" });
    step.scrollIntoView();
    if (event.detail === 0) {  // Enter, not the mouse: the next Tab goes on inside the result
      step.tabIndex = -1;
      step.focus({ preventScroll: true });
    }
  });

  /* A swap must not move or close what is being read --------------------------- */
  let focused = null;
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    const fresh = fragment.firstElementChild;
    if (!fresh) return;
    if (target.isEqualNode(fresh)) { event.detail.shouldSwap = false; return; }
    announce(target, fresh);
    if (target.dataset.picked) {  // this person chose a host in the card: ask for that host again instead
      event.detail.shouldSwap = false;
      const pick = fresh.querySelector(".hostpick [hx-get]");
      const url = pick && new URL(pick.getAttribute("hx-get"), location.href).pathname + "?host=" + target.dataset.picked;
      if (url) htmx.ajax("GET", url, { target, swap: "outerHTML" });
      return;
    }
    fresh.querySelectorAll("[data-keep-scroll]").forEach((one) => {
      const old = target.querySelector(`[data-keep-scroll="${one.dataset.keepScroll}"]`);
      if (old && old.scrollLeft) { const left = old.scrollLeft; queueMicrotask(() => { one.scrollLeft = left; }); }
    });
    const row = document.activeElement && document.activeElement.closest(".matrix tr");
    if (row === target) focused = { row: target.id, place: [...target.querySelectorAll(".cell")].indexOf(document.activeElement) };
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (focused && event.target.id === focused.row) {
      const cell = event.target.querySelectorAll(".cell")[focused.place];
      if (cell) { enter(cell); cell.focus({ preventScroll: true }); }
      focused = null;
    }
    if (event.target.id === "run_status") document.title = event.target.dataset.title;
    openGrid();
  });
  function announce(before, after) {
    const place = $("announce"), running = ["queued", "running"];
    if (!place || !after.dataset.number || running.includes(after.dataset.verdict)) return;
    if (!running.includes(before.dataset.verdict)) return;
    place.textContent = place.dataset.say.replace("{n}", after.dataset.number).replace("{verdict}", after.dataset.label);
  }

  /* The clock of an open run -------------------------------------------------- */
  function tick() {
    document.querySelectorAll("[data-elapsed]").forEach((clock) => {
      const parts = clock.textContent.split(":").map(Number);
      const now = performance.now();
      if (clock.dataset.shown !== clock.textContent) {
        clock.dataset.at = now;
        clock.dataset.base = parts.reduce((sum, part) => sum * 60 + part, 0);
      }
      const seconds = Math.floor(+clock.dataset.base + (now - clock.dataset.at) / 1000);
      const pad = (n) => String(n).padStart(2, "0");
      const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
      clock.textContent = clock.dataset.shown = hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
    });
  }

  /* Live: the stream, and polling while it is cut ------------------------------ */
  const open = () => { const live = $("live"); return live && "open" in live.dataset ? live : null; };
  let heard = Date.now(), cut = false, hiddenAt = 0, asked = 0, beat = Date.now(), hurried = 0;
  function hear() { heard = Date.now(); cut = false; stale(false); }
  function stale(yes) {
    const note = $("stale");
    if (!note) return;
    note.hidden = !yes;
    if (yes) note.querySelector("[data-stale-at]").textContent = new Date(heard).toLocaleTimeString();
  }
  function poll() {
    const live = open();
    if (!live || Date.now() - asked < 1000) return;
    asked = Date.now();
    htmx.trigger(live, "sidenote:poll");
  }
  function letGo() {  // close the stream of a tab that nobody looks at; a poll brings a new one
    const live = open();
    if (!live || !live.hasAttribute("sse-connect")) return;
    const bare = live.cloneNode(false);
    bare.removeAttribute("sse-connect");
    htmx.swap(live, bare.outerHTML, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
  }
  document.addEventListener("htmx:configRequest", (event) => {  // a page without a stream asks for a new one
    const live = open();
    if (!live || event.detail.elt !== live) return;
    if (cut || !live.hasAttribute("sse-connect")) event.detail.parameters.again = "yes";
    event.detail.timeout = hurried-- > 0 ? 600 : 8000;  // after a sleep the browser may still hold dead connections
  });
  document.addEventListener("htmx:timeout", (event) => {
    if (event.detail.elt.id !== "live") return;
    asked = 0;
    setTimeout(poll);
  });
  document.addEventListener("htmx:sseMessage", hear);
  document.addEventListener("htmx:sseOpen", hear);
  document.addEventListener("htmx:sseError", () => { cut = true; });
  document.addEventListener("htmx:sseClose", (event) => { if (event.detail.type === "message") poll(); });
  document.addEventListener("htmx:afterRequest", (event) => {
    const asked = event.detail.requestConfig;  // the answer may have replaced the element that asked
    if (!asked || asked.elt.id !== "live") return;
    if (event.detail.successful) { heard = Date.now(); stale(false); } else { cut = true; stale(true); }
  });
  setInterval(() => {
    tick();
    const slept = Date.now() - beat > SLEPT_MS;  // a closed laptop wakes without any event, and its stream may be dead
    beat = Date.now();
    if (!open()) return;
    if (slept && !document.hidden) {
      cut = true;
      hurried = 4;
      asked = 0;
      return poll();
    }
    const away = document.hidden ? Date.now() - hiddenAt : 0;
    if (away > HIDDEN_MS) return letGo();
    const silent = cut || Date.now() - heard > SILENT_MS;
    if (silent && !document.hidden && Date.now() - asked > POLL_MS) poll();
  }, 1000);
  document.addEventListener("visibilitychange", () => { hiddenAt = Date.now(); if (!document.hidden) poll(); });
  for (const name of ["online", "pageshow", "focus"]) window.addEventListener(name, () => { if (Date.now() - heard > 3000) poll(); });

  document.addEventListener("DOMContentLoaded", openGrid);
})();
