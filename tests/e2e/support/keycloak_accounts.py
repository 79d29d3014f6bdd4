"""Keycloak that takes Kubernetes' ServiceAccount tokens: its Kubernetes identity provider, which has the keys from the cluster's discovery, and
a client that is one ServiceAccount."""
from e2e.support.keycloak import Keycloak

CLIENT, API, ACCOUNT = "pod", "orders-api", "system:serviceaccount:boxes:sandbox"


class AccountKeycloak(Keycloak):
    label = "keycloak-accounts"

    def __init__(self, machine, pki, cluster, port):
        self.cluster = cluster
        self.options = ("--features=client-auth-federated,kubernetes-service-accounts", f"--truststore-paths={pki.ca}")
        super().__init__(machine, port)

    def realm(self):
        audience = {"name": API, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
                    "config": {"included.client.audience": API, "access.token.claim": "true"}}
        pod = {"clientId": CLIENT, "clientAuthenticatorType": "federated-jwt", "serviceAccountsEnabled": True, "standardFlowEnabled": False,
               "attributes": {"jwt.credential.issuer": "cluster", "jwt.credential.sub": ACCOUNT}, "protocolMappers": [audience]}
        provider = {"alias": "cluster", "providerId": "kubernetes", "enabled": True, "config": {"issuer": self.cluster.url}}
        return {"realm": "keyward", "enabled": True, "accessTokenLifespan": 300, "identityProviders": [provider],
                "clients": [pod, {"clientId": API, "secret": "of-the-api"}],
                "users": [{"username": f"service-account-{CLIENT}", "enabled": True, "serviceAccountClientId": CLIENT}]}
