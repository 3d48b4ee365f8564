// The only place that speaks to the server.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function asked(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refused(0, "the server does not answer; start it again with: cardiacuq review");
  }
  if (answer.ok) return answer;
  let reason = answer.statusText;
  try {
    reason = (await answer.json()).error;
  } catch { /* the status says enough */ }
  throw new Refused(answer.status, reason);
}

const post = (path, content) =>
  asked(path, { method: "POST", body: JSON.stringify(content), headers: { "Content-Type": "application/json" } });

export const cohort = async () => (await asked("/api/cohort")).json();
export const described = async (number) => (await asked(`/api/cases/${number}`)).json();
export const change = async (number, action, content) => (await post(`/api/cases/${number}/${action}`, content)).json();
export const logIn = (password) => post("/login", { password });

/** Grey codes of the scan with { low, step, window }. */
export async function image(number) {
  const answer = await asked(`/api/cases/${number}/image`);
  return { ...JSON.parse(answer.headers.get("X-About")), codes: new Uint16Array(await answer.arrayBuffer()) };
}

export const frame = async (number, n) =>
  new Uint16Array(await (await asked(`/api/cases/${number}/film/${n}`)).arrayBuffer());
export const labels = async (number, name) => (await asked(`/api/cases/${number}/labels/${name}`)).arrayBuffer();
export const chances = async (number, voxel) => (await (await asked(`/api/cases/${number}/chances/${voxel}`)).json()).words;
export const map = async (number, name) =>
  new Uint8Array(await (await asked(`/api/cases/${number}/maps/${name}`)).arrayBuffer());
