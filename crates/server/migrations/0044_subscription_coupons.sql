-- Coupons of subscriptions. One takes off the closings of its subscription from the one that was next when it was given,
-- as many as its version says, and none from the one that was next when it was taken away.
create table subscription_coupons (
    subscription_id bytewise_text not null references subscriptions (id),
    number bigint not null check (number >= 1),
    project_id bigint not null references projects (id),
    coupon_key bytewise_text not null,
    coupon_version bigint not null check (coupon_version >= 1),
    from_closing bigint not null check (from_closing >= 0),
    until_closing bigint check (until_closing >= from_closing),
    given_at bigint not null,
    ended_at bigint,
    primary key (subscription_id, number)
);
create index subscription_coupons_in_force on subscription_coupons (project_id, given_at);
