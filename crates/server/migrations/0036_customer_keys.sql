-- Keys that customers hold: they see and use what is that customer's, and nothing else.
alter table api_keys add column customer_id bytewise_text references customers (id);
