// Renews the page every few seconds in place: what has not changed is not touched, so that focus, selection, scrolling
// and what the reader has opened stay as they are. Without it the page is the same, only not live.
(() => {
  const EVERY = 3000;
  const LONGEST = 60000;
  const live = document.getElementById("live");
  if (!live) return;
  let timer = 0;
  let pause = EVERY;
  let paused = false;
  let asking = null;

  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Pause";
  button.setAttribute("aria-label", "Pause the live updates");
  const word = document.createElement("span");
  word.setAttribute("role", "status");
  live.append(word, button);
  live.hidden = false;
  const say = (text, bad) => {
    if (word.textContent !== text) word.textContent = text;
    live.classList.toggle("bad", Boolean(bad));
  };

  // The reader's own: what is open, what is typed, and what only the script has made.
  const keeps = (node, name) => name === "open" && node.localName === "details";
  const isOurs = (node) =>
    node.nodeType === Node.ELEMENT_NODE && (node.hasAttribute("data-live") || node.localName === "noscript");
  const isBeingFilledIn = (node) => node.localName === "form" && node.dataset.touched === "yes";
  const isSelected = (node) => {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(node, true);
  };
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && node.id) || "";

  const attributes = (old, fresh) => {
    for (const { name, value } of [...fresh.attributes]) {
      if (!keeps(old, name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!keeps(old, name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
  };

  const renew = (old, fresh) => {
    if (isOurs(old) || isBeingFilledIn(old) || old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (!isSelected(old)) old.nodeValue = fresh.nodeValue;
      return;
    }
    attributes(old, fresh);
    children(old, fresh);
  };

  const isSameThing = (old, fresh) =>
    old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);

  const children = (old, fresh) => {
    const byKey = new Map();
    for (const child of old.childNodes) if (keyOf(child)) byKey.set(keyOf(child), child);
    const wanted = new Set([...fresh.childNodes].map(keyOf).filter(Boolean));
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const known = keyOf(next) ? byKey.get(keyOf(next)) : null;
      if (known && known.nodeName === next.nodeName) {
        // What is not there any more goes first, so that what stays need not be moved.
        while (at && at !== known && !wanted.has(keyOf(at))) {
          const gone = at;
          at = at.nextSibling;
          gone.remove();
        }
        if (at === known) at = at.nextSibling;
        else if (old.moveBefore) old.moveBefore(known, at);
        else old.insertBefore(known, at);
        renew(known, next);
      } else if (at && isSameThing(at, next)) {
        const here = at;
        at = at.nextSibling;
        renew(here, next);
      } else {
        old.insertBefore(document.adoptNode(next), at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };

  const ask = async () => {
    asking = new AbortController();
    const signal = AbortSignal.any([asking.signal, AbortSignal.timeout(20000)]);
    const answer = await fetch(location.pathname + location.search, { signal, headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!fresh.getElementById("live")) throw new Error("not the status page");
    const focused = document.activeElement;
    children(document.body, fresh.body);
    // Where nodes cannot be moved without it, a moved one has lost the focus.
    if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
    if (document.title !== fresh.title) document.title = fresh.title;
  };

  const again = (after) => {
    clearTimeout(timer);
    timer = paused || document.hidden ? 0 : setTimeout(turn, after);
  };

  const turn = async () => {
    try {
      await ask();
      pause = EVERY;
      say("live");
    } catch (error) {
      if (asking?.signal.aborted) return;
      pause = Math.min(pause * 2, LONGEST);
      say("the exporter does not answer: this is old", true);
    }
    again(pause);
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    button.setAttribute("aria-label", paused ? "Go on with the live updates" : "Pause the live updates");
    if (paused) {
      asking?.abort();
      say("paused");
    } else {
      say("live");
    }
    again(0);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) asking?.abort();
    again(0);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form");
    if (form) form.dataset.touched = "yes";
  });
  // A link to the filter opens it.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.('a[href="#filter"]')) document.getElementById("filter")?.setAttribute("open", "");
  });
  say("live");
  again(EVERY);
})();
