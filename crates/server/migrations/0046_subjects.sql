-- What uses things: workspaces, projects, users, keys; with the name shown.
create table subjects (
    project_id bigint not null references projects (id),
    subject bytewise_text not null,
    display_name text,
    created_at bigint not null,
    primary key (project_id, subject)
);
-- Whose usage a subject's is, from when on.
create table subject_assignments (
    project_id bigint not null,
    subject bytewise_text not null,
    effective_from bigint not null,
    customer_id bytewise_text not null references customers (id),
    created_at bigint not null,
    primary key (project_id, subject, effective_from),
    foreign key (project_id, subject) references subjects (project_id, subject)
);
create index subject_assignments_by_customer on subject_assignments (customer_id);
