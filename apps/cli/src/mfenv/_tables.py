"""The tables of the registry: what each version of its format adds to the one before."""

from __future__ import annotations

__all__ = ["SCHEMAS"]

_FIRST = """
create table environments (
    req_id text not null, full_id text not null, platform text not null,
    env_type text not null, python text not null, packages integer not null,
    resolved_at text not null, resolved_by text not null, used_at integer not null,
    digests blob not null, built blob not null, description blob not null,
    primary key (req_id, full_id, platform));
create index environments_by_full on environments (full_id);
create index environments_by_time on environments (resolved_at desc, req_id, full_id, platform);
create table defaults (
    req_id text not null, platform text not null, full_id text not null,
    primary key (req_id, platform)) without rowid;
create table aliases (
    alias text primary key, req_id text not null, full_id text not null,
    store text not null) without rowid;
create index aliases_by_env on aliases (req_id, full_id);
create table prefixes (
    path text primary key, name text, req_id text not null, full_id text not null,
    platform text not null, used_at integer not null) without rowid;
create unique index prefixes_by_name on prefixes (name) where name is not null;
create index prefixes_by_env on prefixes (req_id, full_id);
create table published (
    req_id text not null, full_id text not null, platform text not null, store text not null,
    primary key (req_id, full_id, platform, store)) without rowid;
create table named (
    store text not null, key text not null, etag text not null, names blob not null,
    primary key (store, key));
"""

# `contents` says of the packages of a platform what a listing shows and a search looks for. It hangs
# on nothing but its key, since a `full_id` is computed from the packages. `history` has what each
# alias was given to, the latest last, with nulls for what is not known; empty ids where it was taken
# away.
_PAST_AND_CONTENTS = """
create table contents (
    full_id text not null, platform text not null, size integer not null,
    unsized integer not null, packages text not null, primary key (full_id, platform));
create table history (
    number integer primary key, alias text not null, given_at integer, given_by text,
    req_id text not null, full_id text not null);
create index history_by_alias on history (alias, number);
insert into history (alias, req_id, full_id) select alias, req_id, full_id from aliases;
"""

SCHEMAS = (_FIRST, _PAST_AND_CONTENTS)
