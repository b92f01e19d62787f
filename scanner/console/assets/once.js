"use strict";
// The code of a one-use link stands after the #, which browsers send to no server and no log.
const code = decodeURIComponent(location.hash.slice(1));
if (code) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("once");
  form.elements.code.value = code;
  form.requestSubmit();
}
