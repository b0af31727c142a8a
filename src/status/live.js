// Renews the list every few seconds and leaves what the reader has opened, selected or focused as it is.
(() => {
  const renew = async () => {
    if (document.hidden || !getSelection().isCollapsed) return;
    const answer = await fetch("/", { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of ["main", "header"]) {
      const old = document.querySelector(part);
      const now = fresh.querySelector(part);
      if (!old || !now || old.innerHTML === now.innerHTML) continue;
      const open = new Map([...old.querySelectorAll("details")].map((d) => [d.id, d.open]));
      const focused = document.activeElement?.closest("details")?.id;
      const onSummary = document.activeElement?.localName === "summary";
      for (const details of now.querySelectorAll("details")) details.open = open.get(details.id) ?? details.open;
      old.replaceWith(document.adoptNode(now));
      if (focused) {
        const details = document.getElementById(focused);
        details?.querySelector(onSummary ? "summary" : "pre")?.focus({ preventScroll: true });
      }
    }
    document.title = "hookbudget";
  };
  setInterval(() => renew().catch(() => { document.title = "hookbudget (not answering)"; }), 3000);
})();
