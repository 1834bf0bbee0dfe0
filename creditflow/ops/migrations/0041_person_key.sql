-- Which person keys the warehouse's hashes and ciphertexts were made with. One row is current; a rotation replaces it.
-- Holds ids of keys, never a key.

create table ops.person_key (
    key_id text primary key,
    since timestamptz not null default clock_timestamp(),
    replaced_at timestamptz,
    values_changed bigint not null default 0 -- hashes and ciphertexts made anew when it came into force
);
create unique index person_key_current on ops.person_key ((true)) where replaced_at is null;
comment on table ops.person_key is '个人信息密钥的使用记录（仅编号） / which person keys were in force, by id only';
