"""Keycloak in its development mode on loopback, with a realm of its own and what its administrator does."""
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import zipfile

from e2e.support import tools
from e2e.support.machine import wait_until

REALM, PASSWORD = "keyward", "of-the-test-alone"
# Clients of the realm, which have a service account each: the audience of their tokens, and their role.
CLIENTS = {"admin": ("keyward-gateway", "openshell-admin"), "user": ("keyward-gateway", "openshell-user"),
           "nobody": ("keyward-gateway", None), "elsewhere": ("another-gateway", "openshell-admin")}
SUBJECTS = {client: f"a0000000-0000-4000-8000-00000000000{number}" for number, client in enumerate(CLIENTS)}


def realm():
    """As Keycloak imports it.  Roles are Keycloak's own, so they arrive in realm_access.roles."""
    mapper = lambda audience: {
        "name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": audience, "access.token.claim": "true", "id.token.claim": "false"}}
    clients = [{"clientId": client, "secret": f"secret-of-{client}", "serviceAccountsEnabled": True, "standardFlowEnabled": False,
                "protocolMappers": [mapper(audience)]} for client, (audience, _) in CLIENTS.items()]
    users = [{"id": SUBJECTS[client], "username": f"service-account-{client}", "enabled": True, "serviceAccountClientId": client,
              "realmRoles": [role] if role else []} for client, (_, role) in CLIENTS.items()]
    roles = [{"name": role} for role in ("openshell-admin", "openshell-user")]
    return {"realm": REALM, "enabled": True, "accessTokenLifespan": 3600, "roles": {"realm": roles}, "clients": clients,
            "users": users}


class Keycloak:
    """Keeps its keys over stop() and start(), as its database does."""
    label, options = "keycloak", ()

    def __init__(self, machine, port):
        self.machine, self.port, self.process = machine, port, None
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/realms/{REALM}"
        tools.debian("java", "openjdk-17-jre-headless")
        with zipfile.ZipFile(tools.keycloak()) as archive:
            archive.extractall(machine.folder(self.label, 0o700))
        self.home = os.path.join(machine.work, self.label, f"keycloak-{tools.KEYCLOAK}")
        os.makedirs(os.path.join(self.home, "data/import"))
        with open(os.path.join(self.home, "data/import/realm.json"), "w", encoding="utf-8") as file:
            json.dump(self.realm(), file)

    def realm(self):
        return realm()

    def start(self):
        command = ["/bin/bash", os.path.join(self.home, "bin/kc.sh"), "start-dev", "--import-realm", "--http-host=127.0.0.1",
                   f"--http-port={self.port}", f"--hostname={self.base}", "--http-access-log-enabled=true", *self.options]
        self.process = self.machine.start(self.label, command, env={
            "KC_BOOTSTRAP_ADMIN_USERNAME": "root", "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD, "JAVA_HOME": "",
            "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"})
        wait_until(lambda: self.answers() or self.process.poll() is not None, 300, self.label)
        if self.process.poll() is not None:
            raise RuntimeError(f"keycloak ended with {self.process.returncode}; see {self.machine.log(self.label)}")
        return self

    def stop(self):
        self.machine.stop(self.process, patience=30)

    def answers(self):
        try:
            with urllib.request.urlopen(self.url + "/.well-known/openid-configuration", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def keys_asked(self):
        """How often the realm's keys were fetched, as Keycloak's access log has it."""
        with open(self.machine.log(self.label), encoding="utf-8", errors="replace") as log:
            return log.read().count(f"GET /realms/{REALM}/protocol/openid-connect/certs")

    def answer(self, client):
        """What the token endpoint says to the client's own credentials."""
        return self._post(self.url, grant_type="client_credentials", client_id=client, client_secret=f"secret-of-{client}",
                          scope="openid")

    def token(self, client):
        return self.answer(client)["access_token"]

    def sign_with(self, algorithm):
        """Tokens of the realm from now on; keys of this algorithm are made where there are none."""
        self._administer("PUT", "", {"defaultSignatureAlgorithm": algorithm})

    def add_key(self, name, priority):
        """A new RS256 key; that of the highest priority signs, the others are published."""
        self._administer("POST", "/components", {
            "name": name, "parentId": self._administer("GET", "")["id"], "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [str(priority)], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}})

    def withdraw_key(self, name):
        """It is published no more."""
        query = urllib.parse.urlencode({"name": name, "type": "org.keycloak.keys.KeyProvider"})
        component = self._administer("GET", f"/components?{query}")[0]
        component["config"].update({"enabled": ["false"], "active": ["false"]})
        self._administer("PUT", f"/components/{component['id']}", component)

    def _post(self, realm, **form):
        request = urllib.request.Request(realm + "/protocol/openid-connect/token", urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _administer(self, method, path, body=None):
        bearer = self._post(f"{self.base}/realms/master", grant_type="password", client_id="admin-cli", username="root",
                            password=PASSWORD)["access_token"]
        request = urllib.request.Request(f"{self.base}/admin/realms/{REALM}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"authorization": "Bearer " + bearer, "content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"keycloak: {method} {path}: {error.code} {error.read()[:300]}") from error
        return json.loads(text) if text else None
