//! The state through its whole life, on a clock that the test moves.

use std::collections::BTreeMap;

use super::*;
use crate::tls::{CA_LIFETIME, LEAF_LIFETIME, RENEW_BEFORE, accepts};

const NAME: &str = "hookbudget-webhook.hooks.svc";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn start() -> Timestamp {
    at("2026-11-21T10:00:00Z")
}

fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

fn created() -> Kept {
    Kept::create("hookbudget", &names(), &[], start()).unwrap()
}

/// What a process finds that reads what another one wrote.
fn stored(kept: &Kept) -> Found {
    let entries = kept.entries().into_iter();
    let data: BTreeMap<_, _> = entries
        .map(|(key, text)| (key.to_owned(), text.into_bytes()))
        .collect();
    Found::read(&data)
}

fn data_of(kept: &Kept) -> BTreeMap<String, Vec<u8>> {
    let entries = kept.entries().into_iter();
    entries
        .map(|(key, text)| (key.to_owned(), text.into_bytes()))
        .collect()
}

fn due_for(kept: &Kept, next_is_trusted: bool, now: Timestamp) -> Option<Step> {
    due(&stored(kept), true, &names(), next_is_trusted, now)
}

#[test]
fn a_state_survives_being_stored() {
    let kept = created().introduce("hookbudget", start()).unwrap();
    let kept = Kept {
        previous: CertificateFacts::read(created().authority.cert_pem()).unwrap(),
        ..kept
    };
    let read = stored(&kept);
    assert_eq!(read.faults, []);
    assert_eq!(read.whole().unwrap().entries(), kept.entries());
    assert_eq!(
        read.whole()
            .unwrap()
            .trusted()
            .matches("BEGIN CERTIFICATE")
            .count(),
        3
    );
    assert!(kept.entries().keys().all(|key| KEYS.contains(key)));
}

#[test]
fn an_empty_secret_is_filled_and_a_wiped_one_restored() {
    for data in [
        BTreeMap::new(),
        KEYS.iter()
            .map(|key| ((*key).to_owned(), b" \n".to_vec()))
            .collect(),
    ] {
        let found = Found::read(&data);
        assert!(found.whole().is_none());
        assert_eq!(found.faults, [], "what is empty is no fault");
        assert_eq!(due(&found, false, &names(), false, start()), Some(Step::Create));
        assert_eq!(due(&found, true, &names(), false, start()), Some(Step::Restore));
    }
    assert_eq!(due_for(&created(), false, start()), None);
}

#[test]
fn each_part_that_is_lost_is_made_good_and_said() {
    let kept = created();
    let other = created();
    let (renew, create) = (|why| Some(Step::Renew(why)), Some(Step::Create));
    for (key, value, step, fault) in [
        ("tls.crt", None, renew(Why::Missing), ""),
        ("tls.key", Some("x"), renew(Why::Missing), "no private key"),
        (
            "tls.key",
            Some(other.leaf.key_pem.expose()),
            renew(Why::Missing),
            "does not belong",
        ),
        ("ca.key", None, create, ""),
        (
            "ca.crt",
            Some("-----BEGIN CERTIFICATE-----\n!"),
            create,
            "damaged PEM",
        ),
        ("ca.crt", Some(&kept.leaf.cert_pem), create, "does not belong"),
    ] {
        let mut data = data_of(&kept);
        data.remove(key);
        if let Some(value) = value {
            data.insert(key.to_owned(), value.as_bytes().to_vec());
        }
        let found = Found::read(&data);
        assert_eq!(
            due(&found, false, &names(), false, start()),
            step,
            "{key} {value:?}"
        );
        let told = format!("{:?}", found.faults);
        assert!(
            told.contains(fault) && (fault.is_empty() == found.faults.is_empty()),
            "{key}: {told}"
        );
    }
    // A leaf of another authority: each part is fine, together they are not.
    let mut data = data_of(&kept);
    for key in ["tls.crt", "tls.key"] {
        data.insert(key.to_owned(), data_of(&other)[key].clone());
    }
    assert_eq!(
        due(&Found::read(&data), true, &names(), false, start()),
        renew(Why::Issuer)
    );
    let more = [NAME.to_owned(), "127.0.0.1".to_owned()];
    assert_eq!(
        due(&stored(&kept), true, &more, false, start()),
        renew(Why::Names)
    );
    let renewed = kept.renew(&more, start()).unwrap();
    assert_eq!(
        due(&stored(&renewed), true, &names(), false, start()),
        None,
        "a name too many is none too few"
    );
}

#[test]
fn the_leaf_is_renewed_ninety_days_ahead_by_the_same_authority() {
    let kept = created();
    let end = start().checked_add(LEAF_LIFETIME).unwrap();
    let second = SignedDuration::from_secs(1);
    let early = end.checked_sub(RENEW_BEFORE + second).unwrap();
    assert_eq!(due_for(&kept, false, early), None);
    let late = end.checked_sub(RENEW_BEFORE).unwrap();
    assert_eq!(due_for(&kept, false, late), Some(Step::Renew(Why::Expiry)));
    let renewed = kept.renew(&names(), late).unwrap();
    assert_eq!(renewed.trusted(), kept.trusted(), "clients need not be told");
    assert_ne!(renewed.leaf.cert_pem, kept.leaf.cert_pem);
    assert_eq!(due_for(&renewed, false, late), None);
}

/// At every moment of a rotation, a client that was told the trust of the step before accepts what is served.
#[test]
fn an_authority_is_replaced_with_an_overlap() {
    let kept = created();
    let due_at = start().checked_add(CA_LIFETIME - LEAF_LIFETIME).unwrap();
    let before = due_at.checked_sub(SignedDuration::from_secs(1)).unwrap();
    let kept = kept.renew(&names(), before).unwrap();
    assert_eq!(due_for(&kept, false, before), None);
    assert_eq!(due_for(&kept, false, due_at), Some(Step::Introduce));

    let introduced = kept.introduce("hookbudget", due_at).unwrap();
    assert_eq!(
        introduced.leaf, kept.leaf,
        "what is served stays while clients learn"
    );
    assert_eq!(
        due_for(&introduced, false, due_at),
        None,
        "clients do not know it yet"
    );
    assert_eq!(due_for(&introduced, true, due_at), Some(Step::Promote));
    let again = introduced.introduce("hookbudget", due_at).unwrap();
    assert_eq!(again.entries(), introduced.entries(), "asked twice is asked once");

    let promoted = introduced.promote(&names(), due_at).unwrap();
    accepts(&introduced.trusted(), &promoted.leaf.cert_pem, NAME, due_at).unwrap();
    accepts(&promoted.trusted(), &introduced.leaf.cert_pem, NAME, due_at).unwrap();
    assert!(accepts(&kept.trusted(), &promoted.leaf.cert_pem, NAME, due_at).is_err());
    assert_eq!(due_for(&promoted, false, due_at), None);

    let over = due_at.checked_add(OVERLAP).unwrap();
    assert_eq!(
        due_for(
            &promoted,
            false,
            over.checked_sub(SignedDuration::from_secs(1)).unwrap()
        ),
        None
    );
    assert_eq!(due_for(&promoted, false, over), Some(Step::Forget));
    let forgotten = promoted.forget(over);
    assert_eq!(forgotten.trusted(), promoted.authority.cert_pem());
    assert_eq!(due_for(&forgotten, false, over), None);
}

#[test]
fn a_state_made_anew_inherits_what_clients_trusted() {
    let old = created();
    let mut inherited = CertificateFacts::read(&old.trusted()).unwrap();
    inherited.extend(CertificateFacts::read(&old.leaf.cert_pem).unwrap());
    inherited.extend(CertificateFacts::read(&old.trusted()).unwrap());
    let late = start().checked_add(CA_LIFETIME).unwrap();
    for (now, previous) in [(start(), 1), (late, 0)] {
        let made = Kept::create("hookbudget", &names(), &inherited, now).unwrap();
        assert_eq!(
            made.previous.len(),
            previous,
            "once, authorities alone, none that has ended"
        );
    }
    let many: Vec<_> = (0..9)
        .flat_map(|_| CertificateFacts::read(&created().trusted()).unwrap())
        .collect();
    let made = Kept::create("hookbudget", &names(), &many, start()).unwrap();
    assert_eq!(made.previous.len(), MOST_INHERITED);
}

#[test]
fn an_ended_previous_authority_is_dropped_before_the_overlap_is_over() {
    let kept = created()
        .introduce("hookbudget", start())
        .unwrap()
        .promote(&names(), start())
        .unwrap();
    let mut ended = kept.clone();
    ended.previous[0].not_after = start();
    let found = Found {
        previous: ended.previous.clone(),
        ..stored(&kept)
    };
    assert_eq!(due(&found, true, &names(), false, start()), Some(Step::Forget));
    assert!(ended.forget(start()).previous.is_empty());
    assert_eq!(kept.forget(start()).previous.len(), 1);
}

/// Whatever state a process meets, following the steps ends, and ends in a state that can be served.
#[test]
fn the_steps_end() {
    let kept = created();
    let lifetimes = [0, 300, 365, 3_300, 3_650, 5_000];
    for days in lifetimes {
        let now = start()
            .checked_add(SignedDuration::from_hours(days * 24))
            .unwrap();
        let mut kept = kept.clone();
        let mut steps = Vec::new();
        while let Some(step) = due_for(&kept, true, now) {
            kept = match step {
                Step::Renew(_) => kept.renew(&names(), now).unwrap(),
                Step::Introduce => kept.introduce("hookbudget", now).unwrap(),
                Step::Promote => kept.promote(&names(), now).unwrap(),
                Step::Forget => kept.forget(now),
                Step::Restore | Step::Create => panic!("nothing is missing"),
            };
            steps.push(step);
            assert!(steps.len() < 6, "{days} days: {steps:?}");
        }
        accepts(&kept.trusted(), &kept.leaf.cert_pem, NAME, now).unwrap();
    }
}

#[test]
fn debug_output_holds_no_key() {
    let kept = created().introduce("hookbudget", start()).unwrap();
    assert!(!format!("{kept:?} {:?}", stored(&kept)).contains("PRIVATE"));
}
