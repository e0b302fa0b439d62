-- Invoices of system B: a month of a workspace or an organisation (empty where it is the other), each once.
create table workspace_invoices (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    workspace bytewise_text not null,
    organization bytewise_text not null,
    period bytewise_text not null,
    created_at bigint not null,
    paid_at bigint,
    unique (project_id, workspace, organization, period)
);

-- What they say once they are final. Rows never change: triggers refuse it.
create table final_workspace_invoices (
    invoice_id bytewise_text primary key references workspace_invoices (id),
    project_id bigint not null references projects (id),
    number bigint not null check (number >= 1),
    period_start bigint not null,
    period_end bigint not null,
    finalized_at bigint not null,
    content text not null,
    hash text not null,
    unique (project_id, number)
);
create index final_workspace_invoices_by_end on final_workspace_invoices (project_id, period_end);

-- What is locked is found by its end.
create index closed_periods_by_end on closed_periods (project_id, period_end);

-- Their numbers are a series of their own; which series there are is the program's to say.
create table document_series (
    project_id bigint not null references projects (id),
    series text not null,
    last_number bigint not null check (last_number >= 1),
    primary key (project_id, series)
);
insert into document_series (project_id, series, last_number)
    select project_id, series, last_number from document_numbers;
drop table document_numbers;
alter table document_series rename to document_numbers;
