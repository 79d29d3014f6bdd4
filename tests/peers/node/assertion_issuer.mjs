// An OpenID Connect provider on loopback that knows one client, by the keys that sign its assertions (private_key_jwt).
// usage: assertion_issuer.mjs PORT CLIENT-ID JWK-SET
import Provider, { errors } from 'oidc-provider';

const [port, clientId, jwks] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: JSON.parse(jwks),
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  clientAuthMethods: ['private_key_jwt'],
  scopes: ['openid', 'read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, resource) => {
        if (!resource.startsWith('urn:known:')) throw new errors.InvalidTarget();
        return { scope: 'read', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'opaque' };
      },
    },
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
