//! Integration tests.
#![cfg(test)]

mod access;
mod accounts;
mod alerts;
mod billing;
mod clock;
mod configuration;
mod delivery;
mod documents;
mod gateway;
mod ingest;
mod mail;
mod metering;
mod monitoring;
mod native;
mod openapi;
mod plans;
mod store;
mod stripe;
mod support;
mod tidy;
mod tools;
mod webhooks;
mod workspace;
