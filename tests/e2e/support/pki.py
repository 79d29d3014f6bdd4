"""A certificate authority of the test's own and server certificates, by the openssl program."""
import os
import subprocess


class Pki:
    def __init__(self, folder, name="Keyward test CA"):
        self.folder = folder
        self.ca, self.ca_key = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.ca_key,
                "-out", self.ca, "-days", "2", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names):
        """(certificate, key) for DNS names and IP addresses."""
        base = os.path.join(self.folder, names[0])
        alternatives = ",".join(("IP:" if name.replace(".", "").isdigit() else "DNS:") + name for name in names)
        with open(base + ".ext", "w") as file:
            file.write(f"subjectAltName={alternatives}\nextendedKeyUsage=serverAuth\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", base + ".key",
                "-out", base + ".csr", "-subj", f"/CN={names[0]}")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", "2",
                "-extfile", base + ".ext", "-out", base + ".pem")
        return base + ".pem", base + ".key"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
