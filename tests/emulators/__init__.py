"""The protocol servers that the stores of cloud services are tested against.

moto's server for S3, Azurite for Azure and gcp-storage-emulator for Google Cloud Storage, each in
a process of its own on a free port, with one bucket. A server ends when its standard input is
closed, so that none is left behind when tests are killed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KINDS", "Service", "azurite", "closed_port", "running", "why_not"]

KINDS = ("s3", "azure", "gcs")
BUCKET = "team-bucket"
ACCOUNT = "devstoreaccount1"
# Azurite's, known to everybody.
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running server: where it is, and the environment of who may use it."""

    kind: str
    endpoint: str
    environ: Mapping[str, str]

    def url(self, prefix: str, endpoint: str | None = None) -> str:
        """The URL of a store, which is empty if nobody used the prefix before."""
        there = endpoint or self.endpoint
        if self.kind == "s3":
            return f"s3://{BUCKET}/{prefix}?endpoint={there}"
        if self.kind == "azure":
            return f"az://{ACCOUNT}/{BUCKET}/{prefix}?endpoint={there}/{ACCOUNT}"
        return f"gs://{BUCKET}/{prefix}?anonymous=true&endpoint={there}"


_ENVIRON = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "geheim/secret+key",
        "AWS_SESSION_TOKEN": "geheim-session-token",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    },
    "azure": {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": ACCOUNT_KEY},
    "gcs": {},
}
_NEEDS = {
    "s3": ("boto3", "moto", "flask", "flask_cors"),
    "azure": ("azure.storage.blob", "azure.identity"),
    "gcs": ("google.cloud.storage", "gcp_storage_emulator"),
}


def azurite() -> str | None:
    """The command of Azurite, where it is installed: MFENV_AZURITE, PATH, `.ci/node_modules`."""
    local = _ROOT / ".ci" / "node_modules" / ".bin" / "azurite-blob"
    found = os.environ.get("MFENV_AZURITE") or shutil.which("azurite-blob")
    return found or (str(local) if local.exists() else None)


def why_not(kind: str) -> str | None:
    """Why a server cannot run here, None where it can."""
    for module in _NEEDS[kind]:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return f"`{module}` is not installed"
    if kind == "azure" and not (azurite() and shutil.which("node")):
        return "Azurite is not installed: `npm install --prefix .ci azurite@3.35.0`"
    return None


@contextmanager
def running(kind: str) -> Iterator[Service]:
    """A server for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.emulators.{kind}"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        try:
            endpoint = process.stdout.readline().strip()
            assert endpoint, f"the server for {kind} did not start"
            yield Service(kind=kind, endpoint=endpoint, environ=_ENVIRON[kind])
        finally:
            process.stdin.close()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections, and that nothing else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
