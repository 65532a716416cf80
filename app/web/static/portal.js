// What plain pages cannot do: menus that close, dialogs, live figures, copying. Everything works without it, by links and forms.
"use strict";
(() => {
  const LIVE_MS = 4000, TOAST_MS = 7000, TYPING = "input, textarea, select";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const dialog = () => document.getElementById("dialog");
  const toasts = () => document.getElementById("toasts");

  // What htmx has put in works at once: it would wait a millisecond before it knows the new links and forms, for the sake of
  // CSS transitions that no part here has, and who is quicker would leave the page by them.
  htmx.config.defaultSettleDelay = 0;

  // Menus: one at a time; Escape, a click beside and leaving by Tab close them; arrows move within.
  const closeMenus = (but) => all("details[data-menu][open]").forEach((menu) => menu !== but && (menu.open = false));
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches?.("details[data-menu]") || !menu.open) return;
    closeMenus(menu);
    menu.querySelector("[data-filter]")?.focus();
  }, true);
  document.addEventListener("focusin", (event) => closeMenus(event.target.closest("details[data-menu]")));
  document.addEventListener("pointerdown", (event) => closeMenus(event.target.closest("details[data-menu]")));
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details[data-menu][open]");
    if (menu && event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (menu && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const stops = all("summary, a[href], button, input:not([type=hidden])", menu).filter((one) => one.checkVisibility());
      const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      stops[(next + stops.length) % stops.length].focus();
      event.preventDefault();
    } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.matches(TYPING)) {
      const search = document.querySelector("[data-search]");
      if (search) { search.focus(); event.preventDefault(); }
    } else if (event.key === "?" && !event.target.matches(TYPING) && !dialog().open) {
      dialog().replaceChildren(document.getElementById("help").content.cloneNode(true));
      dialog().showModal();
    } else if (event.key === "Escape" && event.target.closest("[data-editing]")) {
      event.target.closest("[data-editing]").querySelector("[data-restore]")?.click();
    }
  });

  // One tab stop for many: the arrows, Home and End move within such a group; Delete takes a thing away that can be.
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  const stopsOf = (group) => all("[tabindex]", group).filter((one) => !one.closest("[aria-hidden]"));
  document.addEventListener("keydown", (event) => {
    const group = event.target.closest?.("[data-rove]");
    if (!group || event.ctrlKey || event.metaKey || event.altKey) return;
    const stops = stopsOf(group), next = stops.indexOf(event.target) + STEPS[event.key];
    if (event.key in STEPS) stops[Math.min(Math.max(next, 0), stops.length - 1)].focus();
    else if ((event.key === "Delete" || event.key === "Backspace") && "removes" in event.target.dataset) event.target.click();
    else return;
    event.preventDefault();
  });
  const stand = (target) => {
    const group = target.closest("[data-rove]");
    if (group && target.matches("[tabindex]")) for (const one of stopsOf(group)) one.tabIndex = one === target ? 0 : -1;
  };
  document.addEventListener("focusin", ({ target }) => stand(target));
  // A bar's figures, shown when it is pointed at or focused: Escape hides them, and a touch shows them before a second one follows.
  let touched = null;
  document.addEventListener("click", (event) => {
    const column = event.pointerType === "touch" ? event.target.closest(".column") : null;
    if (column && column !== touched) event.preventDefault();
    if (touched !== column) touched?.classList.remove("shown");
    touched = column;
    column?.classList.add("shown");
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const one of all(".column:is(:hover, :focus-within, .shown)")) one.classList.add("hushed");
  });
  for (const name of ["focusin", "pointerover"])
    document.addEventListener(name, (event) => all(".column.hushed").forEach((one) => one.contains(event.target) || one.classList.remove("hushed")));
  document.addEventListener("input", (event) => {
    const list = event.target.dataset?.filter && document.querySelector(event.target.dataset.filter);
    const words = event.target.value.trim().toLowerCase();
    const chosen = event.target.dataset?.chooses && document.getElementById(event.target.dataset.chooses);
    if (chosen) chosen.checked = true;
    if (list) for (const one of list.children) one.hidden = !one.textContent.toLowerCase().includes(words);
  });

  // The dialog: filled by htmx, then opened; a link that closes it leads to a page without script.
  // What is shown once is closed on purpose only.
  const kept = () => dialog().querySelector("[data-keep]");
  document.addEventListener("cancel", (event) => { if (event.target === dialog() && kept()) event.preventDefault(); }, true);
  const fits = (element) => element === dialog() && element.childElementCount > 0;
  document.addEventListener("htmx:after:settle", (event) => {
    const box = dialog();
    if (fits(event.target) && !box.open) {
      // Opened from a menu that closes now: the focus comes back to what opened that.
      document.activeElement?.closest("details[data-menu]")?.querySelector("summary").focus();
      closeMenus();
      box.showModal();
    }
    if (event.target.id === "main" && box.open) box.close();
    if (event.target.id === "toasts") greet();
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest?.("[data-close], [data-dismiss], [data-copy], [data-theme-choice]");
    if (!target) {
      if (event.target === dialog() && !kept()) dialog().close();
      return;
    }
    const { dataset } = target;
    if ("close" in dataset && dialog().open) { event.preventDefault(); dialog().close(); }
    if ("dismiss" in dataset) target.closest(".toast").remove();
    if ("copy" in dataset) copy(target);
    if ("themeChoice" in dataset) choose(target);
  });
  document.addEventListener("close", (event) => { if (event.target === dialog()) dialog().replaceChildren(); }, true);

  const choose = (button) => {
    const root = document.documentElement;
    if (button.value) root.dataset.theme = button.value; else delete root.dataset.theme;
    for (const one of button.parentElement.querySelectorAll("button")) one.setAttribute("aria-pressed", one === button);
  };

  // Said where it was done, since over a dialog nothing else is heard.
  const copy = async (button) => {
    const note = button.nextElementSibling;
    let words = "Copied";
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      words = "Selected: copy it with your keyboard";
    }
    note.textContent = words;
    button.classList.toggle("done", words === "Copied");
    setTimeout(() => { note.textContent = ""; button.classList.remove("done"); }, TOAST_MS);
  };

  // Toasts: what went well goes by itself, what failed stays; over an open dialog they stand in it.
  const greet = () => {
    const box = dialog();
    for (const toast of all(".toast", toasts())) {
      if (box.open && toast.matches(".bad")) box.prepend(toast);
      if (toast.dataset.seen || toast.matches(".bad")) continue;
      toast.dataset.seen = "1";
      const leave = () => toast.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : toast.remove();
      setTimeout(leave, TOAST_MS);
    }
  };
  const warn = (id) => {
    if (!toasts().querySelector(`[data-warns="${id}"]`)) {
      const toast = document.getElementById(id).content.firstElementChild.cloneNode(true);
      toast.dataset.warns = id;
      toasts().append(toast);
      greet();
    }
  };
  const calm = (id) => document.querySelector(`[data-warns="${id}"]`)?.remove();

  // Live parts: asked for anew every few seconds while the page is seen and nobody is in the middle of something in them.
  const tags = new WeakMap(), asked = new WeakMap(), late = new Set();
  let ended = false;
  const busy = (part) => part.querySelector("[data-editing], details[open]") || part.contains(document.activeElement?.closest("form"));
  const look = () => {
    if (document.hidden || ended || dialog().open) return;
    for (const part of all("[data-live]")) if (!busy(part)) htmx.trigger(part, "live");
  };
  setInterval(look, LIVE_MS);
  document.addEventListener("visibilitychange", look);
  const isLive = (ctx) => ctx.sourceEvent?.type === "live";
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (!isLive(ctx)) return;
    ctx.request.headers["X-Live"] = "1";
    asked.set(ctx, ctx.sourceElement.getAttribute("hx-get"));
    const known = tags.get(ctx.sourceElement);
    if (known && known[0] === ctx.request.action) ctx.request.headers["If-None-Match"] = known[1];
  });
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    for (const id of ["offline", "broken"]) calm(id);
    if (!isLive(ctx)) return;
    const { status, headers } = ctx.response;
    if (status < 400) {
      late.delete(ctx.sourceElement.id);
      if (!late.size) calm("late");
    } else if (ended || status === 429 || status >= 500) {
      // The next look may go well: what is shown stays, and one notice says that it is late.
      [ctx.text, ctx.swap] = ["", "none"];
      late.add(ctx.sourceElement.id);
      if (!ended) warn("late");
    }
    // Signed out, or no longer a member: said once, and not asked for again.
    ended ||= [401, 403, 404, 410].includes(status);
    if (headers.get("etag")) tags.set(ctx.sourceElement, [ctx.request.action, headers.get("etag")]);
    // Meanwhile somebody may have begun something here, or asked for another list: what has come is not shown then.
    const other = asked.get(ctx) !== ctx.sourceElement.getAttribute("hx-get");
    if (status === 200 && (other || busy(ctx.sourceElement))) { tags.delete(ctx.sourceElement); ctx.swap = "none"; }
  });

  // What was edited in place gives the focus back to where it came from, with the swap itself: whoever goes on after it is not
  // called back. A field that opens has its text selected.
  let back = "";
  document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    const form = document.activeElement?.closest("[data-return]");
    back = form && ctx.response?.status < 400 && ctx.sourceElement?.closest("[data-return]") === form ? form.dataset.return : "";
  });
  document.addEventListener("htmx:after:settle", () => {
    if (back) document.querySelector(back)?.focus();
    back = "";
  });
  document.addEventListener("htmx:after:swap", () => {
    stand(document.activeElement);
    if (document.activeElement?.matches("[data-select]")) document.activeElement.select();
  });

  // Waiting and failing.
  let waiting = 0;
  const wait = (by) => {
    waiting = Math.max(0, waiting + by);
    document.body.classList.toggle("waiting", waiting > 0);
  };
  // What a list is asked for stands in its place as a skeleton, if it takes long; a form is sent once, however often it is pressed.
  const marked = new WeakMap();
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (isLive(ctx)) return;
    wait(1);
    const target = typeof ctx.target === "string" ? document.querySelector(ctx.target) : ctx.target;
    if (ctx.request.method !== "GET" || !target?.matches("section, div[id], main")) return;
    marked.set(ctx, target);
    target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (isLive(ctx)) return;
    wait(-1);
    marked.get(ctx)?.removeAttribute("aria-busy");
    if (ctx.sourceElement?.matches?.("form")) release(ctx.sourceElement);
  });
  const buttonsOf = (form) => all("button:not([type=button])", form);
  const release = (form) => {
    delete form.dataset.sending;
    for (const one of buttonsOf(form)) one.removeAttribute("aria-disabled");
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if ("sending" in form.dataset) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    form.dataset.sending = "";
    for (const one of buttonsOf(form)) one.setAttribute("aria-disabled", "true");
    // A file that is sent back leaves the page as it is.
    if (!form.hasAttribute("hx-post")) setTimeout(release, TOAST_MS, form);
  }, true);
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx) warn(isLive(ctx) || ctx.request.method === "GET" ? "offline" : "broken");
  });
  // The navigation shows where one is. Only it is scrolled: `scrollIntoView` would let the first Tab begin there, past "Skip to the content".
  const here = document.querySelector(".side [aria-current]");
  if (here) {
    const side = here.closest(".side"), [outer, inner] = [side.getBoundingClientRect(), here.getBoundingClientRect()];
    side.scrollBy(inner.left + inner.width / 2 - outer.left - outer.width / 2, inner.top + inner.height / 2 - outer.top - outer.height / 2);
  }
  // For the page that says that there is no connection.
  if (!navigator.serviceWorker?.controller) navigator.serviceWorker?.register("/worker.js").catch(() => {});
  greet();
})();
