-- What was given back of final invoices. Rows never change: triggers refuse it.
create table credit_notes (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    invoice_id bytewise_text not null references invoices (id),
    number bigint not null check (number >= 1),
    currency text not null,
    total text not null,
    issued_at bigint not null,
    content text not null,
    hash text not null,
    dedupe_key bytewise_text not null,
    unique (project_id, number),
    unique (project_id, dedupe_key)
);
create index credit_notes_of_invoice on credit_notes (invoice_id, number);
create index credit_notes_of_customer on credit_notes (project_id, customer_id, number);

-- What credit notes took off what is left to pay of an invoice; nothing where null.
alter table invoice_states add column credited text;
