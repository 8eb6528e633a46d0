"use strict";
// Text from elsewhere is put in as text, never as markup.
const at = (id) => document.getElementById(id);
let csrf = "";

const ask = async (path, body) => {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const text = await answer.text();
  let said;
  try { said = JSON.parse(text); } catch { said = { error: text }; }
  if (!answer.ok) throw new Error(said.error || answer.status);
  return said;
};

const told = (text) => { at("told").textContent = text; };
const trying = (what) => async (event) => {
  event.preventDefault();
  told("");
  try { await what(event); } catch (error) { told(error.message); }
};

const row = (values) => {
  const tr = document.createElement("tr");
  for (const value of values) {
    const td = document.createElement("td");
    if (value instanceof Node) td.append(value); else td.textContent = value;
    tr.append(td);
  }
  return tr;
};

const button = (text, what) => {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", trying(what));
  return made;
};

const showKey = (key) => { at("key").textContent = `${key}\nkeep it: it is not stored and cannot be shown again`; at("key").hidden = false; };

const users = async () => {
  const rows = (await ask("/api/users")).map((user) => {
    const path = `/api/users/${encodeURIComponent(user.name)}`;
    const actions = document.createElement("span");
    actions.append(
      button("Rotate", async () => { showKey((await ask(`${path}/rotate`, { grace: 24 })).key); await users(); }),
      button("Take back", async () => { await ask(`${path}/revoke`, {}); await users(); }),
    );
    return row([user.name, user.role, user.keys, user.revoked, actions]);
  });
  at("users").replaceChildren(...rows);
};

const inside = async (session) => {
  csrf = session.csrf;
  at("who").textContent = `${session.name} (${session.role})`;
  at("log-in").hidden = true;
  at("inside").hidden = false;
  if (session.role !== "admin") return;
  const policy = await ask("/api/policy");
  at("policy").textContent = `${policy.digest}\nprofile ${policy.profile}\n\n${policy.policies}`;
  at("add-user").elements.role.replaceChildren(...Object.keys(policy.roles).map((role) => new Option(role, role)));
  await users();
  at("verdicts").replaceChildren(...(await ask("/api/verdicts?last=50")).map(
    (v) => row([v.time.slice(0, 19).replace("T", " "), v.who || "(unknown)", v.model, v.said, v.why ? `${v.guard}: ${v.why}` : v.guard, v.status])));
};

const outside = () => { at("inside").hidden = true; at("log-in").hidden = false; };

at("log-in").addEventListener("submit", trying(async (event) => {
  const { name, password, code } = event.target.elements;
  const session = await ask("/api/session", { name: name.value, password: password.value, code: code.value });
  password.value = code.value = "";
  await inside(session);
}));

at("with-key").addEventListener("click", trying(async () => {
  const asked = await ask("/api/passkeys/challenge", { name: at("log-in").elements.name.value });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.options);
  const credential = (await navigator.credentials.get({ publicKey })).toJSON();
  await inside(await ask("/api/passkeys/session", { challenge: asked.challenge, credential }));
}));

at("add-key").addEventListener("click", trying(async () => {
  const asked = await ask("/api/passkeys/add", {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.options);
  const credential = (await navigator.credentials.create({ publicKey })).toJSON();
  await ask("/api/passkeys/added", { challenge: asked.challenge, credential });
  told("the security key lets you in from now on");
}));

at("log-out").addEventListener("click", trying(async () => { await ask("/api/session/end", {}); location.reload(); }));

at("add-user").addEventListener("submit", trying(async (event) => {
  const { name, role } = event.target.elements;
  showKey((await ask("/api/users", { name: name.value, role: role.value })).key);
  name.value = "";
  await users();
}));

ask("/api/session").then(inside, outside);
