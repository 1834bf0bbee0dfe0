-- With which rules and program a replay was prepared: one that was stopped goes on only with the same.
alter table ops.replay add column made_with text;
