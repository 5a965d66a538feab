"""Azurite, in memory, in a folder of its own, with a keeper that ends it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile

from azure.storage.blob import ContainerClient

from . import ACCOUNT, ACCOUNT_KEY, BUCKET, azurite


def main() -> None:
    command = azurite()
    assert command
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            # The shell ends Azurite when its own standard input, which is ours, is closed: also when
            # this process is killed.
            [
                *(
                    "/bin/sh",
                    "-c",
                    'exec 3<&0; "$0" "$@" </dev/null 3<&- & cat <&3; kill -9 $!',
                    command,
                ),
                *("--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"),
                *("--silent", "--skipApiVersionCheck", "--disableTelemetry"),
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            if found := re.search(r"listens on (http://\S+)", line):
                break
        else:
            sys.exit("Azurite did not start")
        endpoint = found[1]
        ContainerClient(
            f"{endpoint}/{ACCOUNT}",
            BUCKET,
            credential={"account_name": ACCOUNT, "account_key": ACCOUNT_KEY},
        ).create_container()
        print(endpoint, flush=True)


if __name__ == "__main__":
    main()
