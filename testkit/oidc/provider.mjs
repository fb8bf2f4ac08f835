// A real provider of identities (npm oidc-provider), which lets everybody in as Ann after one click.
//
//   node provider.mjs '{"redirect": "http://…/api/oidc/callback", "client": ["forebay", "secret"]}'
//
// It writes its issuer on one line when it listens, and ends when its input does.

import { createServer } from "node:http";

import Provider from "oidc-provider";

const { redirect, client: [client_id, client_secret] } = JSON.parse(process.argv[2]);

// Another site than the pages that it leads back to, so that a browser keeps strict cookies away.
const server = createServer().listen(0, "localhost");
await new Promise((done) => server.once("listening", done));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id, client_secret, redirect_uris: [redirect] }],
  scopes: ["openid", "profile", "groups"],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/in/${uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: "ann", groups: ["tv-admins"] }),
  }),
});

const page = (uid) => `<!doctype html><title>Sign in</title><form method="post" action="/in/${uid}"><button>Be Ann</button></form>`;

// A click is the password and the consent.
async function letIn(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  const grant = new provider.Grant({ accountId: "7", clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = { login: { accountId: "7" }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const answer = provider.callback();
server.on("request", (request, response) => {
  const [, uid] = request.url.match(/^\/in\/([\w-]+)$/) ?? [];
  if (uid && request.method === "POST") return letIn(request, response);
  if (uid) return response.setHeader("Content-Type", "text/html").end(page(uid));
  return answer(request, response);
});

console.log(issuer);
process.stdin.resume().on("end", () => process.exit());
