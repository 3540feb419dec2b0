import type { Kysely } from "kysely";
import { inTransaction } from "./statements.ts";

/*
 * Media types in a table of their own. There are a few dozen of them, and each stood in every row of `blobs` as text
 * of 45 bytes: a quarter of the table. In four phases, so that no server has to stop (docs/database.md).
 *
 * Expand: whoever writes one of the two columns has the other one written by a trigger. Servers that know only of the
 * old one go on as before.
 */

/** A row per type; found before it is inserted, since an insert that conflicts would use up a number each time. */
export const ID_OF = `create function media_type_id_of(wanted text) returns int language plpgsql as $$
  declare found int;
  begin
    loop
      select id into found from media_types where name = wanted;
      if found is not null then return found; end if;
      insert into media_types (name) values (wanted) on conflict do nothing;
    end loop;
  end $$`;

export const AGREE = [
  `create function blobs_media_types_agree() returns trigger language plpgsql as $$
    begin
      if tg_op = 'UPDATE' and new.media_type_id is distinct from old.media_type_id then
        new.media_type := (select name from media_types where id = new.media_type_id);
      elsif new.media_type_id is null or (tg_op = 'UPDATE' and new.media_type is distinct from old.media_type) then
        new.media_type_id := media_type_id_of(new.media_type);
      elsif new.media_type is null then
        new.media_type := (select name from media_types where id = new.media_type_id);
      end if;
      return new;
    end $$`,
  `create trigger media_types_agree before insert or update of media_type, media_type_id on blobs
    for each row execute function blobs_media_types_agree()`,
];

export async function up(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, [
    `create table media_types (
      id int generated always as identity primary key,
      name text collate "C" not null unique
    )`,
    // Without a default and without a check of what is there: neither rewrites nor reads the table.
    "alter table blobs add column media_type_id int",
    "alter table blobs add foreign key (media_type_id) references media_types not valid",
    // Until a server of the next version is here, the old column is the one that is read.
    "alter table blobs alter column media_type drop not null",
    ID_OF,
    ...AGREE,
  ]);
}

export async function down(database: Kysely<unknown>): Promise<void> {
  await inTransaction(database, [
    "drop trigger media_types_agree on blobs",
    "drop function blobs_media_types_agree",
    "drop function media_type_id_of",
    "alter table blobs alter column media_type set not null",
    "alter table blobs drop column media_type_id",
    "drop table media_types",
  ]);
}
