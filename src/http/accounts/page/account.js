"use strict";

// The token of the setup stands behind "#" in the address, which no request and no log carries.
const form = document.querySelector("form");
const alert_ = document.querySelector("[role=alert]");
const token = location.hash.slice(1);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  const body = form.dataset.route === "api/setup" ? { token, ...fields } : fields;
  const button = form.querySelector("button");
  button.disabled = true;
  alert_.textContent = "";
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(form.dataset.route, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.ok) {
      location.replace("./");
      return;
    }
    alert_.textContent = (await answer.json()).error.message;
  } catch {
    alert_.textContent = "The server does not answer.";
  }
  button.disabled = false;
});
