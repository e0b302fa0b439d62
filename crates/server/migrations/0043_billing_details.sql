-- Whom invoices of customers are made out to, and what they are taxed with.
create table billing_details (
    customer_id bytewise_text primary key references customers (id),
    project_id bigint not null references projects (id),
    details text not null,
    version bigint not null check (version >= 1)
);
