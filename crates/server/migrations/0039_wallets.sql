-- Prepaid credit of customers. The state is what the entries add up to; whoever changes it holds its row.
create table wallets (
    customer_id bytewise_text primary key references customers (id),
    project_id bigint not null references projects (id),
    currency text not null,
    state text not null,
    entries bigint not null check (entries >= 1)
);

-- What happened to a wallet, each entry once under its key; rows are only added.
create table wallet_entries (
    customer_id bytewise_text not null references wallets (customer_id),
    number bigint not null check (number >= 1),
    kind text not null check (kind in ('top_up', 'credit', 'deduct', 'hold', 'release', 'deduct_held', 'expire')),
    amount text not null,
    hold bytewise_text,
    expires_at bigint,
    invoice_id bytewise_text references invoices (id),
    description text,
    dedupe_key bytewise_text not null,
    made_at bigint not null,
    primary key (customer_id, number),
    unique (customer_id, dedupe_key)
);

-- What each entry moved between accounts; the amounts of an entry add up to zero.
create table wallet_postings (
    customer_id bytewise_text not null,
    number bigint not null,
    position bigint not null,
    account text not null check (account in ('available', 'held', 'payments', 'invoices', 'expired')),
    amount text not null,
    primary key (customer_id, number, position),
    foreign key (customer_id, number) references wallet_entries (customer_id, number)
);
