-- The registered subject whose name is most like a given one, found many times faster than by looking at all that are like it
-- at all. An index of trigrams finds what is very much alike with a few rare ones of them; what is hardly alike it must seek
-- by the common ones too, which nearly every company's name holds. So the closest are sought first, and the search ends with
-- the first that finds any.

create function ops.most_similar_subject(name text) returns table (subject_id uuid, similarity numeric)
language plpgsql set pg_trgm.similarity_threshold = 0.3 as $$
declare
    bound real;
begin
    foreach bound in array array[0.7, 0.6, 0.5, 0.4, 0.3]::real[] loop
        perform set_config('pg_trgm.similarity_threshold', bound::text, true);
        return query
            select s.subject_id, similarity(s.name_key, name)::numeric(4, 3)
            from entity.subject as s
            where s.name_key % name and s.known_to_build = 2147483647 and s.is_registered
            order by similarity(s.name_key, name) desc, s.subject_id
            limit 1;
        if found then
            return;
        end if;
    end loop;
end $$;

-- Its index holds the registered alone. New warehouses get it with their first build.
do $$
begin
    if to_regclass('entity.subject') is not null then
        drop index if exists entity.subject_x2;
        create index subject_x2 on entity.subject using gin (name_key gin_trgm_ops)
        where known_to_build = 2147483647 and is_registered;
    end if;
end $$;
