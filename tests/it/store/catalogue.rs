//! Projects, meters and keys.
use super::{at, bits};
use crate::support::database::on_both;
use reckoner_domain::id::{ApiKeyId, MeterId};
use reckoner_domain::meter::{Aggregation, Meter, MeterKey};
use reckoner_server::store::api_keys::{self, ApiKey, KeyHash};
use reckoner_server::store::meters::{self, Source};
use reckoner_server::store::projects::{self, Kind, LIVE, TEST};
use reckoner_server::store::{Db, Limit, Scope, Scopes, StoreError, project_zones};

on_both!(the_clock_of_a_test_project);
async fn the_clock_of_a_test_project(db: Db) {
    assert!(projects::ensure(&db, at(0)).await.expect("made"));
    assert!(!projects::ensure(&db, at(9)).await.expect("there"));
    let all = projects::list(&db).await.expect("listed");
    assert_eq!(
        all.iter().map(|p| (p.id, p.kind, p.created_at)).collect::<Vec<_>>(),
        [(LIVE, Kind::Live, at(0)), (TEST, Kind::Test, at(0))]
    );

    projects::set_frozen_time(&db, TEST, None, Some(at(10))).await.expect("frozen");
    projects::set_frozen_time(&db, TEST, Some(at(10)), Some(at(20))).await.expect("advanced");
    for (project, from) in [(TEST, None), (TEST, Some(at(10))), (LIVE, None)] {
        let refused = projects::set_frozen_time(&db, project, from, Some(at(30))).await;
        assert!(matches!(refused, Err(StoreError::Stale)), "{project:?} {from:?} {refused:?}");
    }
    let test = projects::get_by_name(&db, "test").await.expect("there");
    assert_eq!(test.frozen_time, Some(at(20)));
    projects::set_frozen_time(&db, TEST, Some(at(20)), None).await.expect("released");
    let mut tx = db.begin().await.expect("begins");
    project_zones::set(&mut tx, TEST, "Asia/Kolkata").await.expect("set");
    tx.commit().await.expect("committed");
    let test = projects::get(&db, TEST).await.expect("there");
    assert_eq!((test.frozen_time, test.time_zone.as_str()), (None, "Asia/Kolkata"));
    let nowhere = projects::get(&db, reckoner_domain::id::ProjectId(3)).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound)));
}

fn meter(key: &str, version: u32, aggregation: Aggregation) -> Meter {
    let key = MeterKey::parse(key).expect("a key");
    Meter { version, ..Meter::plain(MeterId::from_bits(bits()), key, aggregation) }
}

on_both!(meters_have_versions);
async fn meters_have_versions(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let first = meter("tokens", 1, Aggregation::Sum);
    let mut second = meter("tokens", 2, Aggregation::Max);
    let other = meter("api.calls", 1, Aggregation::Count);
    for meter in [&first, &second, &other] {
        meters::insert(&db, LIVE, meter, Source::Api, at(1)).await.expect("stored");
    }
    let taken = meters::insert(&db, LIVE, &meter("tokens", 2, Aggregation::Min), Source::File, at(1)).await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
    meters::insert(&db, TEST, &meter("tokens", 2, Aggregation::Min), Source::File, at(1))
        .await
        .expect("another project's");

    second.unit = Some("tokens".into());
    meters::rewrite(&db, LIVE, &second).await.expect("rewritten");
    assert!(matches!(meters::rewrite(&db, TEST, &second).await, Err(StoreError::NotFound)));
    let current = meters::list_current(&db, LIVE).await.expect("listed");
    assert_eq!(current.iter().map(|stored| &stored.meter).collect::<Vec<_>>(), [&other, &second]);
    let versions = meters::list_versions(&db, LIVE, "tokens").await.expect("listed");
    assert_eq!(versions.iter().map(|stored| &stored.meter).collect::<Vec<_>>(), [&second, &first]);
    assert_eq!((versions[0].source, versions[0].created_at), (Source::Api, at(1)));

    meters::archive(&db, LIVE, "tokens", at(2)).await.expect("archived");
    meters::archive(&db, LIVE, "tokens", at(3)).await.expect("no change");
    assert!(matches!(meters::archive(&db, LIVE, "none", at(2)).await, Err(StoreError::NotFound)));
    let current = meters::list_current(&db, LIVE).await.expect("listed");
    assert_eq!(current.iter().map(|stored| &stored.meter).collect::<Vec<_>>(), [&other]);
    let versions = meters::list_versions(&db, LIVE, "tokens").await.expect("listed");
    assert!(versions.iter().all(|stored| stored.archived_at == Some(at(2))));

    let third = meter("tokens", 3, Aggregation::Sum);
    meters::insert(&db, LIVE, &third, Source::Api, at(4)).await.expect("revived");
    let current = meters::list_current(&db, LIVE).await.expect("listed");
    assert_eq!(current.iter().map(|stored| &stored.meter).collect::<Vec<_>>(), [&other, &third]);
}

fn key(text: &str) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_bits(bits()),
        project: LIVE,
        name: "test".into(),
        prefix: api_keys::prefix_of(text),
        hash: KeyHash::of(text),
        scopes: Scopes::from_iter([Scope::Read, Scope::Ingest]),
        customer: None,
        created_at: at(1),
        expires_at: Some(at(100)),
        revoked_at: None,
        last_used_at: None,
    }
}

on_both!(keys_are_found_by_their_hash);
async fn keys_are_found_by_their_hash(db: Db) {
    projects::ensure(&db, at(0)).await.expect("made");
    let first = key("rk_live_0123456789abcdef");
    assert_eq!(first.prefix, "rk_live_0123");
    assert_eq!(api_keys::insert(&db, &first).await.expect("stored"), first);
    let again = key("rk_live_0123456789abcdef");
    assert_eq!(api_keys::insert(&db, &again).await.expect("no change"), first);
    let elsewhere = ApiKey { project: TEST, ..again };
    assert!(matches!(api_keys::insert(&db, &elsewhere).await, Err(StoreError::Conflict)));
    assert_eq!(api_keys::find_by_hash(&db, first.hash).await.expect("read"), Some(first.clone()));
    assert_eq!(api_keys::find_by_hash(&db, KeyHash::of("x")).await.expect("read"), None);

    let second = key("another");
    api_keys::insert(&db, &second).await.expect("stored");
    let ids = [second.id.clone(), first.id.clone()];
    api_keys::touch(&db, LIVE, &ids, at(5)).await.expect("touched");
    api_keys::touch(&db, LIVE, &ids, at(4)).await.expect("touched");
    api_keys::touch(&db, TEST, &ids, at(9)).await.expect("nothing to touch");
    let revoked = api_keys::revoke(&db, LIVE, &first.id, at(6)).await.expect("revoked");
    assert_eq!((revoked.revoked_at, revoked.last_used_at), (Some(at(6)), Some(at(5))));
    assert_eq!(api_keys::revoke(&db, LIVE, &first.id, at(7)).await.expect("no change"), revoked);
    let other_project = api_keys::revoke(&db, TEST, &first.id, at(7)).await;
    assert!(matches!(other_project, Err(StoreError::NotFound)));
    assert!(!revoked.is_valid_at(at(7)) && second.is_valid_at(at(99)) && !second.is_valid_at(at(100)));

    let limit = Limit::new(1).expect("in range");
    let page = api_keys::list(&db, LIVE, None, limit).await.expect("listed");
    let next = page.next.expect("there is more");
    let rest = api_keys::list(&db, LIVE, Some(&next), limit).await.expect("listed");
    assert_eq!((page.items[0].id.clone(), rest.items[0].id.clone(), rest.next), (first.id, second.id, None));
    assert_eq!(api_keys::list(&db, TEST, None, limit).await.expect("listed").items, []);
}
