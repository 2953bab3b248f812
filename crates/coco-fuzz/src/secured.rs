//! A datagram from anyone, at a listener that knows users.

use coco_core::notification::Severity;
use coco_core::value_list::{Time, ValueList};
use coco_core::wire::{
    Event, Guard, InitializationVectors, ListRefusal, Malformed, NotificationRefusal, Seal, SecurityLevel,
    Trust, Users,
};

/// What the fixtures were made with.
const USERS: [(&[u8], &[u8]); 2] = [(b"alice", b"s3cret"), (b"bob", b"hunter2")];

/// Seals within each other.
const MOST_LAYERS: usize = 4;

/// What a datagram was found to hold, with copies of what its spans point to.
#[derive(Debug, PartialEq)]
enum Found {
    ValueList(ValueList),
    Notification(Vec<u8>, Time, Severity, Vec<u8>),
    RefusedList(ListRefusal),
    RefusedNotification(NotificationRefusal),
    Unknown,
    Signature,
    Error(Malformed),
}

/// Whatever comes, no level takes what it must not, and what a span points to stays as it was when it was found.
/// Sealing changes nothing of what is inside.
///
/// The first byte says how the others are sealed, two bits a layer; so a law of bytes gets behind the seals.
pub fn holds(bytes: &[u8]) {
    users(bytes);
    let Some((&recipe, packet)) = bytes.split_first() else { return };
    let packet = &packet[..packet.len().min(60_000)];
    let layers: Vec<Seal> = (0..MOST_LAYERS).filter_map(|layer| seal(recipe >> (2 * layer))).collect();
    let mut datagram = packet.to_vec();
    for seal in &layers {
        let mut sealed = Vec::new();
        seal.seal(&datagram, &mut InitializationVectors::new(&[7; 32]), &mut sealed).expect("it is small");
        datagram = sealed;
    }
    for level in SecurityLevel::ALL {
        let found = open(level, &datagram);
        // Nobody can be asked to nest for ever; and what is empty can't be encrypted.
        let is_refused = found.contains(&Found::Error(Malformed::Nesting)) || packet.is_empty();
        if level == SecurityLevel::None && !is_refused {
            assert_eq!(found, open(level, packet), "what is sealed is what was there");
        }
    }
    let strangers = Guard::new(SecurityLevel::None, None);
    strangers.decode(&mut datagram, |_, trust, _| assert!(trust <= Trust::Unverified));
}

fn seal(recipe: u8) -> Option<Seal> {
    let [(alice, secret), (bob, hunter)] = USERS;
    match recipe & 3 {
        1 => Some(Seal::signing(alice, secret)),
        2 => Some(Seal::encrypting(alice, secret)),
        3 => Some(Seal::encrypting(bob, hunter)),
        _ => None,
    }
}

fn open(level: SecurityLevel, datagram: &[u8]) -> Vec<Found> {
    let mut users = Users::default();
    USERS.iter().for_each(|(user, password)| users.add(user, password));
    let guard = Guard::new(level, Some(users));
    let mut bytes = datagram.to_vec();
    let (mut found, mut events) = (Vec::new(), Vec::new());
    let opened = guard.decode(&mut bytes, |bytes, trust, event| {
        if event.is_ok() {
            let least = match level {
                SecurityLevel::None => Trust::Plain,
                SecurityLevel::Sign => Trust::Signed,
                SecurityLevel::Encrypt => Trust::Encrypted,
            };
            assert!(trust >= least && trust != Trust::Unverified, "{level} took {trust:?}");
        }
        let event = event.map_err(|refused| {
            assert!(refused.user.of(bytes).len() <= bytes.len());
            refused.reason
        });
        found.push(copied(bytes, event));
        events.push(event);
    });
    let again: Vec<_> = events.into_iter().map(|event| copied(&bytes, event)).collect();
    assert_eq!(found, again, "what was decrypted moved what had been found");
    if let Some(whole) = opened.whole {
        assert!(!opened.ignored);
        let mut rest = bytes[whole.start()..].to_vec();
        let mut held = Vec::new();
        Guard::default().decode(&mut rest, |bytes, _, event| {
            held.push(copied(bytes, event.map_err(|refused| refused.reason)));
        });
        assert_eq!(held, found, "what may leave as it came holds what was found");
    }
    found
}

fn copied(bytes: &[u8], event: Result<Event, Malformed>) -> Found {
    match event {
        Ok(Event::ValueList(spans)) => Found::ValueList(spans.of(bytes).to_owned()),
        Ok(Event::Notification(spans)) => {
            let it = spans.of(bytes);
            Found::Notification(it.identifier.host.to_vec(), it.time, it.severity, it.message.to_vec())
        }
        Ok(Event::RefusedValueList(refusal, values)) => {
            assert!(values.of(bytes).len() <= bytes.len());
            Found::RefusedList(refusal)
        }
        Ok(Event::RefusedNotification(refusal)) => Found::RefusedNotification(refusal),
        Ok(Event::Unknown(_)) => Found::Unknown,
        Ok(Event::Signature) => Found::Signature,
        Err(error) => Found::Error(error),
    }
}

/// Any file of users is read, and tells no more than line numbers of what it ignores.
fn users(text: &[u8]) {
    let (users, ignored) = Users::parse(text);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(users.len() + ignored.len() <= lines);
    assert!(ignored.is_sorted() && ignored.iter().all(|line| (1..=lines).contains(line)));
}
