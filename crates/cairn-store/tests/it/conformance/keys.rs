//! Tenants, API keys and repeated requests.

use cairn_types::ports::{CatalogError, IdempotentBegin, IdempotentReply, NewKey};
use cairn_types::{KeyId, TenantId, Timestamp};

use crate::fixtures::{Bench, words};

const DAY_MS: i64 = 86_400_000;

fn new_key(id: u64, expires_at: Option<i64>) -> NewKey {
    NewKey {
        id: KeyId(id),
        secret_hash: [7; 32],
        user: "anna".to_owned(),
        groups: words(&["hr", "it"]),
        can_write: true,
        expires_at: expires_at.map(Timestamp),
    }
}

pub(crate) async fn a_tenant_is_made_once(bench: Bench<'_>) {
    assert_ne!(bench.one, bench.two);
    assert_eq!(bench.catalog.ensure_tenant("one").await.unwrap(), bench.one);
    assert_eq!(bench.catalog.ensure_tenant("two").await.unwrap(), bench.two);
    for name in ["", "a\0b", &"x".repeat(300)] {
        let refused = bench.catalog.ensure_tenant(name).await;
        assert!(matches!(refused.unwrap_err(), CatalogError::Invalid(_)));
    }
}

pub(crate) async fn a_key_is_stored_used_and_revoked(bench: Bench<'_>) {
    let new = new_key(u64::MAX, Some(99));
    let stored = bench
        .catalog
        .create_key(bench.one, new.clone())
        .await
        .unwrap();
    assert_eq!((&stored.key, stored.tenant), (&new, bench.one));
    assert_eq!(
        bench.catalog.key(new.id).await.unwrap().as_ref(),
        Some(&stored)
    );
    let again = bench.catalog.create_key(bench.two, new.clone()).await;
    assert!(matches!(again.unwrap_err(), CatalogError::Conflict(_)));
    bench.clock.advance_ms(61_000);
    bench.catalog.touch_key(new.id).await.unwrap();
    let used = bench
        .catalog
        .key(new.id)
        .await
        .unwrap()
        .unwrap()
        .last_used_at
        .unwrap();
    assert_eq!(used.0, stored.created_at.0 + 60_000, "to the minute");
    bench.clock.advance_ms(58_000);
    bench.catalog.touch_key(new.id).await.unwrap();
    let same = bench
        .catalog
        .key(new.id)
        .await
        .unwrap()
        .unwrap()
        .last_used_at
        .unwrap();
    assert_eq!(same, used);
    let foreign = bench.catalog.revoke_key(bench.two, new.id).await;
    assert!(matches!(
        foreign.unwrap_err(),
        CatalogError::NotFound { what: "key", .. }
    ));
    bench.catalog.revoke_key(bench.one, new.id).await.unwrap();
    let revoked = bench.catalog.key(new.id).await.unwrap().unwrap().revoked_at;
    assert!(revoked.is_some());
    bench.clock.advance_ms(1);
    bench.catalog.revoke_key(bench.one, new.id).await.unwrap();
    assert_eq!(
        bench.catalog.key(new.id).await.unwrap().unwrap().revoked_at,
        revoked
    );
    assert_eq!(bench.catalog.key(KeyId(5)).await.unwrap(), None);
    let unknown = bench.catalog.touch_key(KeyId(5)).await;
    assert!(matches!(
        unknown.unwrap_err(),
        CatalogError::NotFound { what: "key", .. }
    ));
}

pub(crate) async fn keys_of_a_tenant_are_its_own(bench: Bench<'_>) {
    for (tenant, id) in [(bench.one, 1), (bench.two, 2), (bench.one, 3)] {
        bench
            .catalog
            .create_key(tenant, new_key(id, None))
            .await
            .unwrap();
    }
    let ids = |keys: Vec<cairn_types::ports::KeyRecord>| {
        keys.into_iter()
            .map(|record| record.key.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(bench.catalog.keys(bench.one).await.unwrap()), [1, 3]);
    assert_eq!(ids(bench.catalog.keys(bench.two).await.unwrap()), [2]);
    let nowhere = bench
        .catalog
        .create_key(TenantId(99), new_key(4, None))
        .await;
    assert!(matches!(
        nowhere.unwrap_err(),
        CatalogError::NotFound { what: "tenant", .. }
    ));
}

pub(crate) async fn usable_keys_are_told_from_the_others(bench: Bench<'_>) {
    assert!(!bench.catalog.has_keys().await.unwrap());
    bench
        .catalog
        .create_key(bench.one, new_key(1, Some(5)))
        .await
        .unwrap();
    assert!(!bench.catalog.has_keys().await.unwrap(), "it has expired");
    bench
        .catalog
        .create_key(bench.two, new_key(2, None))
        .await
        .unwrap();
    assert!(bench.catalog.has_keys().await.unwrap());
    bench.catalog.revoke_key(bench.two, KeyId(2)).await.unwrap();
    assert!(!bench.catalog.has_keys().await.unwrap());
}

fn reply() -> IdempotentReply {
    IdempotentReply {
        status: 202,
        body: b"{\"job\":1}".to_vec(),
    }
}

pub(crate) async fn a_request_is_answered_once(bench: Bench<'_>) {
    let anna = bench.anna();
    let begin = |request| bench.catalog.begin_idempotent(&anna, "k", [request; 32]);
    assert_eq!(begin(1).await.unwrap(), IdempotentBegin::Fresh);
    assert_eq!(begin(1).await.unwrap(), IdempotentBegin::InProgress);
    assert_eq!(begin(2).await.unwrap(), IdempotentBegin::Mismatch);
    bench
        .catalog
        .finish_idempotent(&anna, "k", None)
        .await
        .unwrap();
    assert_eq!(begin(2).await.unwrap(), IdempotentBegin::Fresh);
    bench
        .catalog
        .finish_idempotent(&anna, "k", Some(reply()))
        .await
        .unwrap();
    assert_eq!(begin(2).await.unwrap(), IdempotentBegin::Replay(reply()));
    assert_eq!(begin(1).await.unwrap(), IdempotentBegin::Mismatch);
    // The reply that was kept stays, whatever comes later.
    bench
        .catalog
        .finish_idempotent(&anna, "k", None)
        .await
        .unwrap();
    assert_eq!(begin(2).await.unwrap(), IdempotentBegin::Replay(reply()));
    bench
        .catalog
        .finish_idempotent(&anna, "never begun", Some(reply()))
        .await
        .unwrap();
}

pub(crate) async fn a_reply_is_kept_for_a_day(bench: Bench<'_>) {
    let anna = bench.anna();
    let begin = |key| bench.catalog.begin_idempotent(&anna, key, [1; 32]);
    begin("answered").await.unwrap();
    bench
        .catalog
        .finish_idempotent(&anna, "answered", Some(reply()))
        .await
        .unwrap();
    begin("abandoned").await.unwrap();
    bench.clock.advance_ms(DAY_MS - 1);
    assert_eq!(
        begin("answered").await.unwrap(),
        IdempotentBegin::Replay(reply())
    );
    assert_eq!(
        begin("abandoned").await.unwrap(),
        IdempotentBegin::InProgress
    );
    // The process that reserved it has died.
    bench.catalog.recover_jobs(bench.system()).await.unwrap();
    assert_eq!(begin("abandoned").await.unwrap(), IdempotentBegin::Fresh);
    bench.clock.advance_ms(1);
    assert_eq!(begin("answered").await.unwrap(), IdempotentBegin::Fresh);
}

pub(crate) async fn requests_of_two_scopes_do_not_meet(bench: Bench<'_>) {
    for scope in [bench.anna(), bench.owner(), bench.outsider()] {
        let begun = bench
            .catalog
            .begin_idempotent(&scope, "k", [1; 32])
            .await
            .unwrap();
        assert_eq!(begun, IdempotentBegin::Fresh);
    }
}
