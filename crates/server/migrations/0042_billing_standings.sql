-- Since when each customer that was billed owes, or will when nothing is paid, by the project's clock; how many
-- notices of it were given, and when the next one is to be.
create table billing_standings (
    customer_id bytewise_text primary key references customers (id),
    project_id bigint not null references projects (id),
    due_since bigint,
    told bigint not null check (told between 0 and 5),
    next_at bigint
);
create index billing_standings_due on billing_standings (project_id, next_at, customer_id) where next_at is not null;
create index billing_standings_owing on billing_standings (project_id, due_since, customer_id) where due_since is not null;
insert into billing_standings (customer_id, project_id, due_since, told, next_at)
    select i.customer_id, i.project_id, min(i.due_at), 0, min(i.due_at)
    from invoices i join invoice_states s on s.invoice_id = i.id
    where s.status = 'finalized' group by i.customer_id, i.project_id;
