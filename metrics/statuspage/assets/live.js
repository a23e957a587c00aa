// Keeps the parts of the page that are marked data-live current, and leaves the
// search, the scroll position and a selection as they are.
(function () {
  "use strict";
  var parts = document.querySelectorAll("[data-live]");
  if (!parts.length || !window.fetch || !window.DOMParser) {
    return;
  }
  var every = 5000;
  var asking = 0;
  var typing;

  function inUse(part) {
    var selection = window.getSelection();
    return part.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  function show(text, all) {
    var fresh = new DOMParser().parseFromString(text, "text/html");
    document.querySelectorAll("[data-live]").forEach(function (old) {
      var part = fresh.getElementById(old.id);
      if (part && (all || !inUse(old)) && part.innerHTML !== old.innerHTML) {
        old.replaceWith(document.adoptNode(part));
      }
    });
  }

  function refresh(all) {
    var mine = ++asking;
    return fetch(location.pathname + location.search, {credentials: "same-origin"}).then(function (answer) {
      return answer.ok ? answer.text() : null;
    }).then(function (text) {
      document.body.classList.remove("stale");
      if (text !== null && mine === asking) {
        show(text, all);
      }
    }, function () {
      document.body.classList.add("stale");
    });
  }

  function tick() {
    var next = function () { setTimeout(tick, every); };
    if (document.hidden) {
      next();
    } else {
      refresh(false).then(next, next);
    }
  }
  setTimeout(tick, every);

  var form = document.getElementById("search");
  if (form) {
    form.addEventListener("input", function () {
      clearTimeout(typing);
      typing = setTimeout(function () {
        history.replaceState(null, "", "/?" + new URLSearchParams(new FormData(form)));
        refresh(true);
      }, 200);
    });
  }
})();
