/* What the console mends in the admin for people who use a keyboard or a screen reader. */
(() => {
  const ICON = ".material-symbols-outlined";
  const NAMES = { more_horiz: "More steps", add: "Add", dock_to_right: "Side bar", menu: "Menu", close: "Close", arrow_back: "Back" };
  const OWN = "a[href], button, input, select, textarea, summary, label, dialog";

  /* Icons are words set in a font of drawings: to be seen, not read out. */
  function hideIcons(root) {
    for (const icon of root.querySelectorAll(`${ICON}:not([aria-hidden], [aria-label])`)) {
      const word = icon.textContent.trim();
      if (icon.matches("[role=button]")) {
        icon.setAttribute("aria-label", icon.title || NAMES[word] || word.replaceAll("_", " "));
        continue;
      }
      const holder = icon.closest("a, button, [role=button]");
      icon.setAttribute("aria-hidden", "true");
      if (holder && holder.textContent.trim() === word && !holder.hasAttribute("aria-label"))
        holder.setAttribute("aria-label", holder.title || NAMES[word] || word.replaceAll("_", " "));
    }
  }

  /* What reacts to a click only gets a place in the tab order, a role and the keys of a button. */
  function makeButtons(root) {
    for (const element of root.querySelectorAll("[x-on\\:click]")) {
      if (element.matches(OWN) || element.hasAttribute("tabindex")) continue;
      element.tabIndex = 0;
      element.setAttribute("role", "button");
      element.addEventListener("keydown", (event) => {
        if (event.target !== element || !["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        element.click();
      });
    }
  }

  /* The first stop of the tab key leads past the side bar. */
  function skipLink() {
    const content = document.getElementById("content");
    if (!content || document.querySelector(".console-skip")) return;
    content.setAttribute("role", "main");
    content.tabIndex = -1;
    const link = Object.assign(document.createElement("a"), { href: "#content", className: "console-skip", textContent: "Skip to the content" });
    document.body.prepend(link);
  }

  function mend() {
    makeButtons(document);
    hideIcons(document);
  }

  document.addEventListener("DOMContentLoaded", () => { skipLink(); mend(); });
  document.addEventListener("alpine:initialized", mend);
  document.addEventListener("htmx:afterSettle", mend);
})();
