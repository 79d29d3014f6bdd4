// An OpenID Connect issuer on loopback: client_credentials give JWT access tokens for the audience keyward-gateway.
// usage: issuer.mjs PORT SEED...   One key for each algorithm, made anew; SEED names them.
// The resource says the algorithm (urn:RS256, urn:ES256, urn:EdDSA), the client's id the roles (admin, user, nobody).
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const [port, seed] = process.argv.slice(2);
const keys = [];
for (const alg of ['RS256', 'ES256', 'EdDSA']) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, crv: alg === 'EdDSA' ? 'Ed25519' : undefined });
  keys.push({ ...(await exportJWK(privateKey)), kid: `${seed}-${alg}`, alg, use: 'sig' });
}
const client = (id) => ({ client_id: id, client_secret: `secret-of-${id}`, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: ['admin', 'user', 'nobody'].map(client),
  jwks: { keys },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  scopes: ['openid', 'config:read'],
  extraTokenClaims: (context, token) => ({
    realm_access: { roles: token.clientId === 'nobody' ? [] : [`openshell-${token.clientId}`] },
    name: `The ${token.clientId}`,
  }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, resource) => ({
        scope: 'config:read',
        audience: resource.endsWith('!elsewhere') ? 'another-audience' : 'keyward-gateway',
        accessTokenTTL: 300,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: resource.split(':')[1].split('!')[0] } },
      }),
    },
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
