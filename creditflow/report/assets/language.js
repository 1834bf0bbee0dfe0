/* Chooses the language before the page is drawn: address, then what was chosen last, then Chinese. */
(function () {
  "use strict";
  var language = new URLSearchParams(location.search).get("lang");
  if (language !== "zh" && language !== "en") {
    try { language = localStorage.getItem("creditflow.language"); } catch (refused) { language = null; }
  }
  var root = document.documentElement;
  root.dataset.lang = language === "en" ? "en" : "zh";
  root.lang = root.dataset.lang === "en" ? "en" : "zh-Hans";
})();
