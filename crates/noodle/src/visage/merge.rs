//! One answer out of many. It does not depend on the order in which they came.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ::visage::answer::{Answer, Form};
use ::visage::consolidation::MOST_SHOWN;
use coco_core::tier::TierId;

use crate::ask::rows::HostRows;
use crate::ask::{Content, Reply, lists};
use crate::fleet::Fleet;
use crate::fleet::gather::Gathered;

/// Bytes that joining takes for a member or a name, beside those of the text: what stands in a map or a list about it.
const EACH: usize = 128;

/// Bytes of text for a number, about: most have some twenty digits at the most, and none more than 25.
const NUMBER: usize = 24;

/// Bytes that joining takes at most, those of the text among them; what escapes add to names is not.
pub fn bytes(gathered: &Gathered) -> usize {
    gathered.pieces.iter().map(|piece| reply_bytes(&piece.found.reply)).sum()
}

/// Bytes that one reply comes to as a text, and what it takes to join it.
pub fn reply_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Text(answer) => answer.body.bytes.len() + (answer.object.len() + answer.names.len()) * EACH,
        // With the text of this one host, and what fewer values are made of.
        Reply::Series(rows) => {
            2 * (rows.bytes() / size_of::<f64>() * NUMBER + (1 + rows.metrics.len()) * EACH)
        }
        Reply::Names(names) => names.names.iter().map(|name| name.len() + EACH).sum(),
    }
}

/// Bytes that rows come to as a text, about: of many not all are shown.
fn written_bytes(rows: &HostRows) -> usize {
    let sources = rows.metrics.iter().flat_map(|metric| &metric.sources);
    let numbers: usize = sources.map(|source| source.rows.grid().rows().min(MOST_SHOWN)).sum();
    numbers * NUMBER + (1 + rows.metrics.len()) * EACH
}

/// The text of the joined answer: an object without `_meta`, its members or names sorted.
pub fn join(fleet: &Fleet, content: Content, form: Form, gathered: &Gathered) -> Vec<u8> {
    if content == Content::Series {
        return series(fleet, form, gathered);
    }
    let names = gathered.pieces.iter().flat_map(|piece| {
        let is_wanted = move |name: &Cow<'_, str>| {
            content == Content::Metrics || gathered.wants(fleet, piece, name.as_bytes())
        };
        names(&piece.found.reply).filter(is_wanted)
    });
    lists::write(content, names)
}

/// The names in a reply, as JSON shows them.
pub fn names(reply: &Reply) -> impl Iterator<Item = Cow<'_, str>> {
    let (text, names) = match reply {
        Reply::Text(answer) => (&*answer.names, &[][..]),
        Reply::Names(names) => (&[][..], &*names.names),
        Reply::Series(_) => (&[][..], &[][..]),
    };
    text.iter().map(Cow::from).chain(names.iter().map(|name| String::from_utf8_lossy(name)))
}

/// Rows of a host as an object with that host, as Visage would write it: the last row is not in it. There is room for so
/// many bytes behind it.
pub fn written(host: &[u8], rows: &HostRows, form: Form, room: usize) -> Vec<u8> {
    let mut answer = Answer::with_capacity(form, written_bytes(rows) + room);
    let mut sources = Vec::new();
    for metric in &rows.metrics {
        sources.clear();
        sources.extend(metric.sources.iter().map(|source| {
            let values = source.rows.nan_values();
            (&*source.name, &values[..values.len().saturating_sub(1)])
        }));
        answer.add(host, &metric.plugin, &metric.instance, &sources);
    }
    answer.finish()
}

/// How much a piece is worth where several have the same host, by [`Fleet::rank`].
type Rank = (bool, TierId, usize);

fn series(fleet: &Fleet, form: Form, gathered: &Gathered) -> Vec<u8> {
    let mut hosts: BTreeMap<Cow<'_, str>, (Rank, Cow<'_, [u8]>)> = BTreeMap::new();
    for piece in &gathered.pieces {
        let rank = |host: &[u8]| fleet.rank(host, piece.node());
        match &piece.found.reply {
            Reply::Text(answer) => {
                let members = answer.object.last_members().into_iter();
                for member in members.filter(|member| gathered.wants(fleet, piece, member.key.as_bytes())) {
                    let text = Cow::from(&answer.body.bytes[member.whole.clone()]);
                    let candidate = (rank(member.key.as_bytes()), text);
                    keep_first(&mut hosts, Cow::from(&*member.key), candidate);
                }
            }
            Reply::Series(rows) => {
                let Some(host) = piece.name.as_deref() else { continue };
                let mut text = written(host, rows, form, 0);
                // Less the braces around it.
                text.pop();
                text.remove(0);
                keep_first(&mut hosts, String::from_utf8_lossy(host), (rank(host), Cow::from(text)));
            }
            Reply::Names(_) => {}
        }
    }
    let length: usize = hosts.values().map(|(_, member)| member.len() + 1).sum();
    let mut text = Vec::with_capacity(length + 2);
    text.push(b'{');
    for (index, (_, member)) in hosts.values().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(member);
    }
    text.push(b'}');
    text
}

/// Keeps what is worth more of what there is of a host.
fn keep_first<'a>(
    hosts: &mut BTreeMap<Cow<'a, str>, (Rank, Cow<'a, [u8]>)>,
    host: Cow<'a, str>,
    candidate: (Rank, Cow<'a, [u8]>),
) {
    match hosts.entry(host) {
        Entry::Vacant(entry) => _ = entry.insert(candidate),
        Entry::Occupied(mut entry) if candidate < *entry.get() => _ = entry.insert(candidate),
        Entry::Occupied(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use coco_core::config::NoodleConfig;
    use coco_core::tier::TargetId;
    use proptest::prelude::*;

    use super::*;
    use crate::ask::text::Text;
    use crate::budget::Held;
    use crate::fleet::Node;
    use crate::fleet::owner::{Found, Piece};
    use crate::json::object::Object;

    const CONFIG: &str = r#"
        tiers.one.targets = ["a:1", "b:1", "c:1"]
        tiers.two.targets = ["d:1", "e:1"]
        fetch.bind = "127.0.0.1:0"
    "#;

    const FORM: Form = Form { start: 0, finish: 60, percentiles: false, fill_gaps: false };

    fn fleet() -> Fleet {
        let config = NoodleConfig::parse(CONFIG).unwrap();
        Fleet::new(Arc::new(config.tiers.clone()), &config.fetch)
    }

    fn piece(fleet: &Fleet, node: Node, content: Content, text: &str) -> Piece {
        let object = Object::parse(text.as_bytes()).unwrap();
        let names = match content {
            Content::Series => Vec::new(),
            _ => lists::read(content, &object, text.as_bytes(), |_| Ok(())).unwrap(),
        };
        let body = Held { bytes: text.into(), reservation: fleet.budget.reserve(text.len()).unwrap() };
        let reply = Reply::Text(Text { body, object, names });
        Piece { found: Found { nodes: vec![node], reply, failed: Vec::new() }, name: None }
    }

    fn node(number: usize) -> Node {
        let (tier, target) = if number < 3 { (0, number) } else { (1, number - 3) };
        Node { tier: TierId::new(tier), target: TargetId::new(target) }
    }

    fn joined(content: Content, answers: &[(usize, String)]) -> String {
        let fleet = fleet();
        let pieces =
            answers.iter().map(|(number, text)| piece(&fleet, node(*number), content, text)).collect();
        let mut gathered = Gathered::default();
        gathered.pieces = pieces;
        String::from_utf8(join(&fleet, content, FORM, &gathered)).unwrap()
    }

    #[test]
    fn members_keep_their_bytes() {
        let answers =
            [(0, r#"{"b" : [1.0, 1e400]}"#.to_owned()), (3, r#"{"\u0061":{"x":-0.0} }"#.to_owned())];
        assert_eq!(joined(Content::Series, &answers), r#"{"\u0061":{"x":-0.0},"b" : [1.0, 1e400]}"#);
        assert_eq!(joined(Content::Series, &[]), "{}");
    }

    #[test]
    fn of_a_member_that_is_there_twice_the_last_counts_whatever_it_holds() {
        for doubled in [r#"{"a":1,"b":3,"a":2}"#, r#"{"\u0061":3,"b":3,"a":2}"#, r#"{"a":{},"b":3,"a":2}"#] {
            let answers = [(0, doubled.to_owned())];
            assert_eq!(joined(Content::Series, &answers), r#"{"a":2,"b":3}"#, "{doubled}");
        }
    }

    #[test]
    fn an_owner_counts_and_then_the_first_tier() {
        let fleet = fleet();
        let owner = fleet.owner(TierId::FIRST, b"web1").target.number();
        let other = (owner + 1) % 3;
        let says = |number: usize| (number, format!(r#"{{"web1":{number}}}"#));
        let expected = format!(r#"{{"web1":{owner}}}"#);
        assert_eq!(joined(Content::Series, &[says(other), says(3), says(owner)]), expected);
        // A former owner in the first tier has old values.
        let next = 3 + fleet.owner(TierId::new(1), b"web1").target.number();
        let expected = format!(r#"{{"web1":{next}}}"#);
        assert_eq!(joined(Content::Series, &[says(other), says(next)]), expected);
        let expected = format!(r#"{{"web1":{other}}}"#);
        assert_eq!(joined(Content::Series, &[says(7 - next), says(other)]), expected);
    }

    fn answer(content: Content) -> impl Strategy<Value = (usize, String)> {
        let hosts = proptest::collection::vec(("[ab][0-9]", 0..1000), 0..6);
        (0..5_usize, hosts).prop_map(move |(node, hosts)| {
            let text = match content {
                Content::Series => {
                    let members: Vec<_> =
                        hosts.into_iter().map(|(host, value)| format!("\"{host}\":{value}")).collect();
                    format!("{{{}}}", members.join(","))
                }
                list => {
                    let names: Vec<_> = hosts.into_iter().map(|(host, _)| host).collect();
                    format!("{{\"{}\":{}}}", lists::key(list), serde_json::json!(names))
                }
            };
            (node, text)
        })
    }

    fn answers(content: Content) -> impl Strategy<Value = [Vec<(usize, String)>; 2]> {
        let answers = proptest::collection::vec(answer(content), 0..8);
        answers.prop_flat_map(|answers| {
            (Just(answers.clone()), Just(answers).prop_shuffle()).prop_map(|(one, other)| [one, other])
        })
    }

    proptest! {
        #[test]
        fn joining_does_not_depend_on_the_order_of_arrival(
            series in answers(Content::Series),
            hosts in answers(Content::Hosts),
            metrics in answers(Content::Metrics),
        ) {
            for (content, [one, other]) in
                [(Content::Series, series), (Content::Hosts, hosts), (Content::Metrics, metrics)]
            {
                let joined_once = joined(content, &one);
                prop_assert_eq!(&joined_once, &joined(content, &other));
                prop_assert!(Object::parse(joined_once.as_bytes()).is_ok());
            }
        }
    }
}
