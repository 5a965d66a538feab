"""`metaflow environment import-netflixext`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from metaflow_extensions.mfenv._configuration import given
from metaflow_extensions.mfenv.asking import ask
from metaflow_extensions.mfenv.command_records import LocalRoot
from metaflow_extensions.mfenv.host import MetaflowHost
from metaflow_extensions.mfenv.mfenv_settings import old_store_url, store_url
from mfenv.errors import InvalidRequest

if TYPE_CHECKING:
    from envid.netflixext import Manifest
    from metaflow_extensions.mfenv.migration import Imported, Skipped
    from pkgcache.stores.store import Store

__all__ = ["import_netflixext"]


@click.command(
    name="import-netflixext",
    epilog="\b\nExamples:\n  metaflow environment import-netflixext"
    "\n  metaflow environment import-netflixext .metaflow/conda_v2.cnd --store s3://bucket/conda_env",
)
@click.argument("manifest", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--store", "store", metavar="ROOT", help="Where that system's store is.")
@click.option("--dry-run", is_flag=True, help="Take nothing over, and say what would be.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def import_netflixext(
    manifest: Path | None, store: str | None, dry_run: bool, as_json: bool
) -> int:
    """Take over the environments of metaflow-netflixext, with their names and packages.

    MANIFEST is its `conda_v2.cnd`, by default that of the datastore in the current directory. The
    store is by default where Metaflow's configuration had it for that system. The environments get
    ids of mfenv, and are still found by the old ones and by the runs that they were made for.
    Prints OLD_REQ_ID:OLD_FULL_ID REQ_ID:FULL_ID of each; what cannot be taken over is listed with
    the reason.
    """
    import json

    from metaflow_extensions.mfenv.migration import Skipped, import_all, read_store

    host = click.get_current_context().ensure_object(MetaflowHost)
    old_store = _old_store(store, host.datastore)
    # First, since it says most: no store has the defaults and the pathspecs of runs.
    manifests = [own] if (own := _manifest(manifest)) else []
    skipped: list[Skipped] = []
    if old_store:
        stored, skipped = read_store(old_store, str(given("CONDA_ENVS_DIRNAME") or "envs"))
        manifests.append(stored)
    if not manifests:
        raise InvalidRequest(
            "there is no manifest of metaflow-netflixext here, and no store of it",
            "name the file `conda_v2.cnd`, or the store with `--store`",
        )
    imported: list[Imported] = []
    with host.opened() as environments:
        for env in import_all(environments, manifests, old_store=old_store, dry_run=dry_run):
            if isinstance(env, Skipped):
                skipped.append(env)
            else:
                imported.append(env)
    if as_json:
        document = {
            "imported": [_document(env) for env in imported],
            "skipped": [{"what": lost.what, "reason": lost.reason} for lost in skipped],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for env in imported:
            click.echo(f"{env.old} {env.envs[0].env_id.ref}")
    for lost in skipped:
        click.echo(f"not taken over: {lost.what}: {lost.reason}", err=True)
    return 1 if skipped and not imported else 0


def _document(env: Imported) -> dict[str, object]:
    return {
        "old": {"req_id": env.old.req_id, "full_id": env.old.full_id},
        "req_id": env.envs[0].req_id,
        "full_id": env.envs[0].full_id,
        "platforms": [each.platform for each in env.envs],
        "aliases": list(env.aliases),
        "default": env.default,
    }


def _manifest(path: Path | None) -> Manifest | None:
    from envid.netflixext import read_manifest

    if path is None:
        path = Path(ask(LocalRoot()) or ".") / str(given("CONDA_MAGIC_FILE_V2") or "conda_v2.cnd")
        if not path.is_file():
            return None
    try:
        return read_manifest(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidRequest(f"`{path}` cannot be read: {reason}", "name another file") from None


def _old_store(url: str | None, datastore: str) -> Store | None:
    from pkgcache.stores.opening import open_store

    place = store_url(datastore, url, folder="") if url else old_store_url(datastore)
    return open_store(place) if place else None
