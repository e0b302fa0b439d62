//! Every route, once: what is served here is what the OpenAPI document describes.
use super::compat::{
    READ_BY_D, analytics as c, auth_billing as d, in_form_of as refuse, metering as a, workspace as b,
};
use super::error::ApiError;
use super::middleware::{authenticate, front};
use super::state::App;
use super::{docs, health, metrics, openapi, v1};
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes and their description.
pub fn routes() -> (Router<App>, OpenApi) {
    let (router, described) = OpenApiRouter::with_openapi(openapi::base())
        .merge(native())
        .merge(billing())
        .merge(alerts())
        .merge(system_a())
        .merge(system_b())
        .merge(system_c())
        .merge(system_d())
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(docs::page))
        .routes(routes!(docs::document))
        .split_for_parts();
    (router, described)
}

/// The whole service, ready to be served.
pub fn service(app: App) -> Router {
    let (router, _) = routes();
    router
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), authenticate::layer))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), front::layer))
        .with_state(app)
}

fn native() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(v1::events::ingest::ingest, v1::events::list::list))
        .routes(routes!(v1::events::list::get, v1::events::correct::void, v1::events::correct::amend))
        .routes(routes!(v1::events::correct::history))
        .routes(routes!(v1::events::correct::void_many))
        .routes(routes!(v1::rejected_events::list))
        .routes(routes!(v1::meters::list, v1::meters::create))
        .routes(routes!(v1::meters::get, v1::meters::archive))
        .routes(routes!(v1::meters::versions))
        .routes(routes!(v1::usage::get, v1::usage::post))
        .routes(routes!(v1::customers::list, v1::customers::create))
        .routes(routes!(v1::customers::get, v1::customers::update))
        .routes(routes!(v1::levels::list))
        .routes(routes!(v1::levels::snapshots))
        .routes(routes!(v1::subjects::list, v1::subjects::create))
        .routes(routes!(v1::subjects::get, v1::subjects::update))
        .routes(routes!(v1::assignments::list, v1::assignments::add))
        .routes(routes!(v1::erasures::erase))
        .routes(routes!(v1::erasures::list))
        .routes(routes!(v1::erasures::get))
        .routes(routes!(v1::aggregations::list))
        .routes(routes!(v1::aggregations::get))
        .routes(routes!(v1::aggregation_import::import))
        .routes(routes!(v1::jobs::list))
        .routes(routes!(v1::webhook_endpoints::list, v1::webhook_endpoints::create))
        .routes(routes!(
            v1::webhook_endpoints::get,
            v1::webhook_endpoints::update,
            v1::webhook_endpoints::delete
        ))
        .routes(routes!(v1::webhook_endpoints::rotate))
        .routes(routes!(v1::webhook_endpoints::ping))
        .routes(routes!(v1::webhook_endpoints::replay))
        .routes(routes!(v1::webhook_deliveries::list))
        .routes(routes!(v1::webhook_deliveries::get))
        .routes(routes!(v1::webhook_deliveries::attempts))
        .routes(routes!(v1::webhook_deliveries::resend))
        .routes(routes!(v1::api_keys::list, v1::api_keys::create))
        .routes(routes!(v1::api_keys::revoke))
        .routes(routes!(v1::api_keys::rotate))
        .routes(routes!(v1::members::list))
        .routes(routes!(v1::members::get, v1::members::update, v1::members::remove))
        .routes(routes!(v1::invitations::list, v1::invitations::create))
        .routes(routes!(v1::invitations::resend))
        .routes(routes!(v1::invitations::revoke))
        .routes(routes!(v1::audit::list))
        .routes(routes!(v1::test_clock::get, v1::test_clock::put, v1::test_clock::release))
        .routes(routes!(v1::test_clock::advance))
        .routes(routes!(v1::clear::clear))
}

/// Plans, what customers have of them, and what they are billed.
fn billing() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(v1::plans::list, v1::plans::create))
        .routes(routes!(v1::plans::get, v1::plans::archive))
        .routes(routes!(v1::plans::versions))
        .routes(routes!(v1::plans::list_coupons, v1::plans::create_coupon))
        .routes(routes!(v1::plans::get_coupon, v1::plans::archive_coupon))
        .routes(routes!(v1::catalog::apply))
        .routes(routes!(v1::subscriptions::list, v1::subscriptions::create))
        .routes(routes!(v1::subscriptions::get))
        .routes(routes!(v1::subscriptions::phases))
        .routes(routes!(v1::subscriptions::change_plan))
        .routes(routes!(v1::subscription_moves::run))
        .routes(routes!(v1::subscriptions::cancel))
        .routes(routes!(v1::subscriptions::pause))
        .routes(routes!(v1::subscriptions::resume))
        .routes(routes!(v1::subscriptions::keep))
        .routes(routes!(v1::entitlements::check))
        .routes(routes!(v1::entitlements::consume))
        .routes(routes!(v1::entitlements::lease))
        .routes(routes!(v1::entitlements::report))
        .routes(routes!(v1::entitlements::give_back))
        .routes(routes!(v1::entitlements::held::list))
        .routes(routes!(v1::entitlements::held::get))
        .routes(routes!(v1::entitlements::held::list_own))
        .routes(routes!(v1::entitlements::held::get_own))
        .routes(routes!(v1::billing_details::get, v1::billing_details::put))
        .routes(routes!(v1::subscription_coupons::list, v1::subscription_coupons::give))
        .routes(routes!(v1::subscription_coupons::take))
        .routes(routes!(v1::credit_notes::issue))
        .routes(routes!(v1::credit_notes::list))
        .routes(routes!(v1::credit_notes::get))
        .routes(routes!(v1::billing_statuses::get))
        .routes(routes!(v1::billing_statuses::list))
        .routes(routes!(v1::wallets::get))
        .routes(routes!(v1::wallets::entries))
        .routes(routes!(v1::wallets::top_up))
        .routes(routes!(v1::wallets::refund))
        .routes(routes!(v1::wallets::deduct))
        .routes(routes!(v1::wallets::hold))
        .routes(routes!(v1::wallets::release))
        .routes(routes!(v1::wallets::deduct_held))
        .routes(routes!(v1::revenue::get))
        .routes(routes!(v1::revenue::by_meter))
        .routes(routes!(v1::stripe::reconcile))
        .routes(routes!(v1::stripe::list_differences))
        .routes(routes!(v1::invoices::upcoming))
        .routes(routes!(v1::invoices::documents::upcoming_html))
        .routes(routes!(v1::invoices::documents::upcoming_pdf))
        .routes(routes!(v1::invoices::list))
        .routes(routes!(v1::invoices::lines::list))
        .routes(routes!(v1::invoices::get))
        .routes(routes!(v1::invoices::documents::html))
        .routes(routes!(v1::invoices::documents::pdf))
        .routes(routes!(v1::invoices::pay))
        .routes(routes!(v1::invoices::void))
        .routes(routes!(v1::invoices::write_off))
}

fn alerts() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(v1::alerts::list, v1::alerts::create))
        .routes(routes!(v1::alerts::get, v1::alerts::update, v1::alerts::delete))
        .routes(routes!(v1::alerts::notices))
        .routes(routes!(v1::alerts::mark_read))
}

fn system_a() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(a::index::index))
        .routes(routes!(a::index::ping))
        .routes(routes!(a::index::config))
        .routes(routes!(a::single::capture))
        .routes(routes!(a::batch::capture))
        .routes(routes!(a::read::events))
        .routes(routes!(a::read::aggregations))
        .routes(routes!(a::trigger::trigger))
        .merge(captures())
}

/// Event types that are named as what system D reads: posted there, they are events all the same.
fn captures() -> OpenApiRouter<App> {
    READ_BY_D.iter().fold(OpenApiRouter::new(), |router, name| {
        router.route(&format!("/usage/{name}"), axum::routing::post(a::single::capture))
    })
}

fn system_b() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(b::events::list, b::record::record))
        .routes(routes!(b::export::export))
        .routes(routes!(b::summary::summary))
        .routes(routes!(b::aggregations::list))
        .routes(routes!(b::aggregations::calculate))
        .routes(routes!(b::invoices::list))
        .routes(routes!(b::invoices::generate))
        .routes(routes!(b::invoices::finalize))
        .routes(routes!(b::invoices::pay))
        .routes(routes!(b::dashboard::dashboard))
        .routes(routes!(b::alerts::list, b::alerts::create))
        .routes(routes!(b::alerts::update, b::alerts::delete))
}

fn system_c() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(c::usage::get_current))
        .routes(routes!(c::usage::history))
        .routes(routes!(c::usage::endpoints))
        .routes(routes!(c::overage::overage))
        .routes(routes!(c::ping::ping))
        .routes(routes!(c::admin::get))
        .routes(routes!(c::users::list))
        .routes(routes!(c::cron::process))
}

fn system_d() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(d::account::register))
        .routes(routes!(d::account::login))
        .routes(routes!(d::account::refresh))
        .routes(routes!(d::services::token))
        .routes(routes!(d::services::refresh))
        .routes(routes!(d::services::verify))
        .routes(routes!(d::account::me))
        .routes(routes!(d::browser::begin, d::browser::get))
        .routes(routes!(d::factor::get, d::factor::enrol))
        .routes(routes!(d::factor::confirm))
        .routes(routes!(d::factor::disable))
        .routes(routes!(d::factor::recovery_codes))
        .routes(routes!(d::sessions::logout))
        .routes(routes!(d::sessions::list))
        .routes(routes!(d::sessions::revoke))
        .routes(routes!(d::recovery::verify_email))
        .routes(routes!(d::recovery::resend))
        .routes(routes!(d::recovery::request_reset))
        .routes(routes!(d::recovery::reset))
        .routes(routes!(d::recovery::change_password))
        .routes(routes!(d::membership::list))
        .routes(routes!(d::membership::accept))
        .routes(routes!(d::trials::stats))
        .routes(routes!(d::trials::check))
        .routes(routes!(d::usage::record::record))
        .routes(routes!(d::usage::quota::check))
        .routes(routes!(d::usage::quota::tokens))
        .routes(routes!(d::usage::quota::storage))
        .routes(routes!(d::usage::quota::tier_of))
        .routes(routes!(d::usage::quota::quota))
        .routes(routes!(d::usage::history::stats))
        .routes(routes!(d::usage::history::timeseries))
        .routes(routes!(d::usage::history::history))
        .routes(routes!(d::billing::create_checkout))
        .routes(routes!(d::billing::portal))
        .routes(routes!(d::billing::usage))
        .routes(routes!(d::billing::webhooks))
}

/// 404, in the form of the path.
pub async fn not_found(request: Request) -> Response {
    refuse(request.method().as_str(), request.uri().path(), ApiError::not_found("path"))
}

async fn method_not_allowed(request: Request) -> Response {
    refuse(request.method().as_str(), request.uri().path(), ApiError::method_not_allowed())
}
