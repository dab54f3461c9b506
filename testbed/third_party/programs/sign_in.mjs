// Signs in with one class of @azure/identity and prints the token; `Client` is Microsoft's client of Graph.
// The packages are found from the folder in NODE_MODULES, since ES modules do not read NODE_PATH.
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES + "/");
const identity = require("@azure/identity");
const scope = "https://graph.microsoft.com/.default";
const way = process.argv[2];

if (way === "Client") {
  const { Client } = require("@microsoft/microsoft-graph-client");
  const authentication = require("@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials");
  const authProvider = new authentication.TokenCredentialAuthenticationProvider(new identity.DefaultAzureCredential(), {
    scopes: [scope],
  });
  const found = await Client.initWithMiddleware({ authProvider }).api("/organization").get();
  console.log(found.value[0].displayName);
} else {
  console.log((await new identity[way]().getToken(scope)).token);
}
