//! What goes to Stripe and what comes from it: against a stand-in with state, through a front that can fail.
mod charging;
mod crashing;
mod events;
mod failing;
mod front;
mod hearing;
mod reconciling;
mod spec;
mod standin;
mod users;

use crate::support::server::Setup;
use front::Front;

/// The key of the account of project `test`.
pub const KEY: &str = "sk_test_51Hb9QkLz0vYw3nTgRcXePq8mUaKfJ2d";
/// What its events are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_8Kq2mWvN4xTzR7yLbC9dFgHjPs5eAu3i";
/// What they were signed with before.
pub const PREVIOUS_SECRET: &str = "whsec_3pZsQe6uVnB1tYwA5rXkMcDoGh7jLf9v";

/// A server whose project `test` uses the Stripe that is behind a front.
pub fn with_stripe(setup: Setup, front: &Front) -> Setup {
    setup
        .env("RECKONER_STRIPE_BASE_URL", &front.url)
        .env("RECKONER_STRIPE_TEST_SECRET_KEY", KEY)
        .env("RECKONER_STRIPE_TEST_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("RECKONER_STRIPE_TEST_WEBHOOK_PREVIOUS_SECRET", PREVIOUS_SECRET)
        .env("RECKONER_STRIPE_TEST_PRICES", "basic=price_basic,pro=price_pro")
        .env("FRONTEND_URL", "https://app.example.com")
}
