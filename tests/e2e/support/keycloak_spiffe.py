"""Keycloak that takes JWT-SVIDs: its SPIFFE identity provider, which has the trust domain's keys from a bundle endpoint, and a client that
is one SPIFFE ID."""
import json

from e2e.support.keycloak import Keycloak
from e2e.support.spiffe import DOMAIN, ID, Endpoint, Script

CLIENT, API, APP, USER = "workload", "orders-api", "app", "anna"


class SpiffeKeycloak(Keycloak):
    label = "keycloak-spiffe"

    def __init__(self, machine, pki, agent, port):
        self.agent = agent
        self.bundle = Endpoint(lambda _: self.bundle_document(), pki.issue("127.0.0.1"))
        self.options = ("--features=spiffe,client-auth-federated", f"--truststore-paths={pki.ca}")
        super().__init__(machine, port)

    def bundle_document(self):
        keys = self.agent.say(do="bundle")["keys"]["keys"]
        return Script(json.dumps({"keys": [{**key, "use": "jwt-svid"} for key in keys], "spiffe_refresh_hint": 1}))

    def realm(self):
        audience = lambda client: {"name": client, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
                                   "config": {"included.client.audience": client, "access.token.claim": "true"}}
        workload = {"clientId": CLIENT, "clientAuthenticatorType": "federated-jwt", "serviceAccountsEnabled": True, "standardFlowEnabled": False,
                    "attributes": {"jwt.credential.issuer": "agent", "jwt.credential.sub": ID, "standard.token.exchange.enabled": "true"},
                    "protocolMappers": [audience(CLIENT), audience(API)]}
        provider = {"alias": "agent", "providerId": "spiffe", "enabled": True,
                    "config": {"trustDomain": f"spiffe://{DOMAIN}", "bundleEndpoint": self.bundle.url("/bundle")}}
        return {"realm": "keyward", "enabled": True, "accessTokenLifespan": 300, "identityProviders": [provider],
                "clients": [workload, {"clientId": API, "secret": "of-the-api"},
                            {"clientId": APP, "secret": "of-the-app", "directAccessGrantsEnabled": True, "protocolMappers": [audience(CLIENT), audience(API)]}],
                "users": [{"username": f"service-account-{CLIENT}", "enabled": True, "serviceAccountClientId": CLIENT},
                          {"username": USER, "enabled": True, "email": "anna@keyward.test", "firstName": "Anna", "lastName": "A", "emailVerified": True,
                           "credentials": [{"type": "password", "value": "of-anna"}]}]}

    def login(self):
        """A token that the user has by logging in at the app."""
        return self._post(self.url, grant_type="password", client_id=APP, client_secret="of-the-app", username=USER, password="of-anna")["access_token"]

    def stop(self):
        super().stop()
        self.bundle.close()
