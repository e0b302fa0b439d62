-- Thresholds of quotas that were told of: each once in a window, whatever is voided afterwards.
create table quota_notices (
    project_id bigint not null references projects (id),
    customer bytewise_text not null,
    meter_key bytewise_text not null,
    window_start bigint not null,
    threshold bigint not null,
    made_at bigint not null,
    primary key (project_id, customer, meter_key, window_start, threshold)
);
