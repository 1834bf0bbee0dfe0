-- How many decisions a department says it produced in a month, as its control file told. Forward only.

alter table ops.batch add column produced jsonb;  -- {"2026-10": 12}: decisions of the feed's kind by month; null: not told
