-- What only some may see: the public's own schema, and the departments' rows told apart by login (domain page 11).

create schema if not exists open_data;
comment on schema open_data is
    '可向社会公示的数据 / what anybody may see; role_public_api reads this and nothing else';

-- A login department_<code> (member of role_department) sees its own rows; the policies name roles and are made with them
-- (creditflow/warehouse/rights.py). Without a policy of its role nobody but the owner sees a row.
alter table quality.return_file enable row level security;
alter table quality.issue enable row level security;
alter table quality.row_verdict enable row level security;
