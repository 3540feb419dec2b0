import type { Kysely } from "kysely";
import { inTransaction } from "./statements.ts";

/** docs/database.md says why each of these is as it is. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, TABLES);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, [
    "drop table promises, promise_generation, tags, namings, manifests, blobs, repositories, layerd_schema",
  ]);
}

const TABLES = [
  `create table repositories (
    id bigint generated always as identity primary key,
    name text collate "C" not null unique,
    position bigint not null default 0,
    created_at timestamptz(3) not null default now()
  )`,
  `create table blobs (
    repository bigint not null references repositories,
    digest bytea not null,
    position bigint not null,
    size bigint not null,
    media_type text not null,
    name text,
    created_at timestamptz(3) not null,
    diff_id bytea,
    unpacked_size bigint,
    primary key (repository, digest),
    unique (repository, position)
  )`,
  `create table manifests (
    repository bigint not null references repositories,
    digest bytea not null,
    position bigint not null,
    size bigint not null,
    media_type text not null,
    artifact_type text,
    blobs bytea[] not null,
    manifests bytea[],
    subject bytea,
    annotations json,
    annotations_in_manifest boolean not null default false,
    created_at timestamptz(3) not null,
    untagged_at timestamptz(3),
    subject_gone_at timestamptz(3),
    primary key (repository, digest),
    unique (repository, position)
  )`,
  `create table namings (
    repository bigint not null,
    kind smallint not null,
    named bytea not null,
    position bigint not null,
    primary key (repository, kind, named, position),
    foreign key (repository, position) references manifests (repository, position) on delete cascade
  )`,
  "create index namings_of_manifest on namings (repository, position)",
  `create table tags (
    repository bigint not null references repositories,
    tag text collate "C" not null,
    digest bytea not null,
    updated_at timestamptz(3) not null,
    primary key (repository, tag)
  )`,
  "create index tags_at_manifest on tags (repository, digest, tag)",
  `create table promises (
    digest bytea primary key,
    generation bigint not null,
    names_generation bigint not null default 0
  )`,
  "create index promises_by_generation on promises (generation)",
  `create table promise_generation (
    only_row boolean primary key default true check (only_row),
    current bigint not null,
    began_at timestamptz(3) not null default now()
  )`,
  "insert into promise_generation (current) values (1)",
  // Which versions of layerd the schema serves: those that need this step, or a later one that has been taken.
  `create table layerd_schema (
    only_row boolean primary key default true check (only_row),
    serves text collate "C" not null
  )`,
  "insert into layerd_schema (serves) values ('0001-index')",
];
