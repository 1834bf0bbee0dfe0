-- What the warehouse room needs beside 0001: definitions of published views, the look-at function, read roles' helpers.

-- Hash of each published view's definition: views are replaced only when it changed.
create table ops.view_definition (
    view_name text primary key,
    definition text not null
);

-- Look at the warehouse as an earlier build knew it, for this session: `select publish.look_at(12)`; null ends it.
-- Every publish view follows. What was repaired, withdrawn or deleted since stays invisible.
create function publish.look_at(build integer) returns text
language sql volatile
as $$ select set_config('creditflow.build', coalesce(build::text, ''), false) $$;
comment on function publish.look_at(integer) is
    '按历史构建查看：本会话之后的 publish 查询以该构建为准；传入 null 恢复当前 / look at the warehouse as build N knew it, for this session';

-- The build that was published last for a business date on or before `day`.
create function publish.look_at_day(day date) returns text
language sql volatile
as $$
    select set_config('creditflow.build', coalesce(max(b.build_no)::text, ''), false)
    from ops.build as b
    where b.state = 'published' and b.as_of <= day
$$;
comment on function publish.look_at_day(date) is
    '按历史日期查看：选用该日（含）之前最后发布的构建 / look at the warehouse as it was published on that day';
