-- Readers look an identifier up in the shown build, which no index of open versions serves: every look-up read all identifiers.
-- The index that was there twice makes place. New warehouses get it with their first build.

do $$
begin
    if to_regclass('entity.subject_identifier') is not null then
        drop index if exists entity.subject_identifier_x1;
        create index subject_identifier_x1 on entity.subject_identifier (id_type, id_value);
    end if;
end $$;
