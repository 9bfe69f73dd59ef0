// Dark or light: as the system says, unless the reader chose otherwise here. Runs before the page is drawn.
"use strict";

(() => {
  const NAME = "stenogram.theme";
  const root = document.documentElement;

  function remembered() {
    try {
      return localStorage.getItem(NAME);
    } catch { // storage is switched off
      return null;
    }
  }

  function current() {
    return root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(NAME, root.dataset.theme);
      } catch {
        // it holds until the page is left
      }
    });
  });
})();
