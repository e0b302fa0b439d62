-- What Stripe has and what is written down here, where they differ. Rows tell when that was seen first and last,
-- in real time, and since when it is not so any more.
create table stripe_differences (
    project_id bigint not null references projects (id),
    kind bytewise_text not null check (kind in ('missing_there', 'missing_here', 'other_amount')),
    item bytewise_text not null,
    charge_id bytewise_text,
    currency text not null,
    here_minor bigint,
    there_minor bigint,
    first_seen_at bigint not null,
    last_seen_at bigint not null,
    resolved_at bigint,
    primary key (project_id, kind, item)
);
create index stripe_differences_by_time on stripe_differences (project_id, first_seen_at, kind, item);
