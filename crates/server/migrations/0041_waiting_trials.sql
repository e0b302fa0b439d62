-- Trials that wait for their plan, in the order of beginning.
create index trials_by_start on trials (project_id, started_at, customer_id);
