-- Looking back never answers with something else than was asked: a build that was never shown, or a day before the first
-- build, is an error that says so, not today's view.

create or replace function publish.look_at(build integer) returns text
language plpgsql volatile
as $$
begin
    if build is not null and build <> 0 and not exists (
        select 1 from ops.build as b where b.build_no = build and b.state in ('tested', 'published')
    ) then
        raise exception '构建 % 不存在或不可查看 / build % does not exist or may not be shown', build, build
            using hint = 'select build_no, as_of, state from publish.build order by build_no';
    end if;
    return set_config('creditflow.build', coalesce(build::text, ''), false);
end
$$;

-- A build that was rolled back is above the pointer: it is not what was shown.
create or replace function publish.look_at_day(day date) returns text
language plpgsql volatile
as $$
declare
    found integer;
begin
    select max(b.build_no) into found
    from ops.build as b
    inner join ops.pointer as p on p.name = 'publish' and b.build_no <= p.build_no
    where b.state = 'published' and b.as_of <= day;
    if found is null then
        raise exception '% 或更早没有已发布的构建 / no build of % or earlier is published', day, day
            using hint = 'select min(as_of) from publish.build where state = ''published''';
    end if;
    return set_config('creditflow.build', found::text, false);
end
$$;
