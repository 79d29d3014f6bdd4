// An OpenID Connect provider on loopback that knows one client by its certificate (RFC 8705, tls_client_auth): its chain, and its one URI.
// The provider's own answer for such clients is a token that is bound to the certificate.  BUNDLE is read again upon SIGHUP.
// usage: certificate_issuer.mjs PORT CERTIFICATE KEY BUNDLE CLIENT-ID URI
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { X509Certificate } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

const [port, certificate, key, bundle, clientId, uri] = process.argv.slice(2);
const presented = (context) => context.socket.getPeerCertificate();
const provider = new Provider(`https://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_uri: uri,
    tls_client_certificate_bound_access_tokens: true,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  }],
  clientAuthMethods: ['tls_client_auth'],
  scopes: ['openid', 'read'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (context) => presented(context).raw && new X509Certificate(presented(context).raw),
      certificateAuthorized: (context) => context.socket.authorized,
      certificateSubjectMatches: (context, property, expected) =>
        property === 'tls_client_auth_san_uri' && presented(context).subjectaltname === `URI:${expected}`,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, resource) => {
        if (!resource.startsWith('urn:known:')) throw new errors.InvalidTarget();
        return { scope: 'read', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt' };
      },
    },
  },
});
const secrets = () => ({ cert: readFileSync(certificate), key: readFileSync(key), ca: readFileSync(bundle) });
const server = https.createServer({ ...secrets(), requestCert: true, rejectUnauthorized: false }, provider.callback());
process.on('SIGHUP', () => {
  server.setSecureContext(secrets());
  console.log('reloaded');
});
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));
