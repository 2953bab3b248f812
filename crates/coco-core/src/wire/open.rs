//! A packet that is still open, set aside, so that its builder can be used for others meanwhile.

use super::encode::{EMPTY, PacketBuilder, Range32, State};

/// See the module. What is pushed once its builder goes on with it finds it as it was.
#[derive(Debug, Clone)]
pub struct OpenPacket {
    bytes: Vec<u8>,
    value_lists: u32,
    state: State,
    appended: usize,
}

impl Default for OpenPacket {
    fn default() -> Self {
        Self { bytes: Vec::new(), value_lists: 0, state: EMPTY, appended: 0 }
    }
}

impl OpenPacket {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Its bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of its value lists.
    pub fn value_lists(&self) -> u32 {
        self.value_lists
    }

    /// Forgets it and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.value_lists = 0;
        self.state = EMPTY;
    }
}

impl PacketBuilder {
    /// Whether nothing more is to be expected to have room in the open packet: not another of what came last, be that a
    /// datagram or a value list as they are there.
    pub fn is_full(&self) -> bool {
        let next = match self.state.whole.is_some() {
            true => self.appended,
            false => self.open_length() / (self.value_lists as usize).max(1),
        };
        self.open_length() + next > self.limit
    }

    /// Moves the open packet out, in the place of what was set aside there before; the closed ones stay. What is set
    /// aside takes no more memory than the largest packet.
    pub fn set_aside(&mut self, open: &mut OpenPacket) {
        open.clear();
        if open.bytes.capacity() < self.open_length() {
            open.bytes.reserve_exact(self.open_length().max(self.limit));
        }
        open.bytes.extend_from_slice(self.bytes.get(self.start..).unwrap_or_default());
        open.value_lists = self.value_lists;
        open.appended = self.appended;
        open.state = self.state.moved(|place| place.saturating_sub(self.start as u32));
        self.bytes.truncate(self.start);
        self.value_lists = 0;
        self.state = EMPTY;
    }

    /// Goes on with a copy of a packet that was set aside; none may be open.
    pub fn go_on_with(&mut self, open: &OpenPacket) {
        debug_assert_eq!(self.open_length(), 0);
        self.bytes.extend_from_slice(&open.bytes);
        self.value_lists = open.value_lists;
        self.appended = open.appended;
        self.state = open.state.moved(|place| place + self.start as u32);
    }
}

impl State {
    /// The same in a buffer where bytes have other places. A name that was not stated yet is nowhere.
    fn moved(mut self, place: impl Fn(u32) -> u32) -> Self {
        for name in &mut self.names {
            *name = match name.length {
                0 => Range32::default(),
                length => Range32 { start: place(name.start), length },
            };
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::value_list::{Identifier, Interval, Time, Value, ValueList};
    use crate::wire::{Decoder, Event};

    /// Names come again, some are empty.
    fn value_list() -> impl Strategy<Value = ValueList> {
        (vec("[ab]{0,9}", 5), 1_u64..3, 0_u64..3).prop_map(|(names, time, interval)| {
            let [host, plugin, plugin_instance, type_name, type_instance] =
                <[String; 5]>::try_from(names).unwrap().map(String::into_bytes);
            let identifier = Identifier {
                host: [b"h", &host[..]].concat(),
                plugin: [b"p", &plugin[..]].concat(),
                plugin_instance,
                type_name: [b"t", &type_name[..]].concat(),
                type_instance,
            };
            ValueList::new(identifier, Time::Seconds(time), Interval::Seconds(interval), &[Value::Derive(1)])
        })
    }

    /// What is to be done next.
    #[derive(Debug, Clone)]
    enum Step {
        Push(ValueList),
        /// A datagram as it came.
        Append(ValueList),
        /// Something else uses the builder meanwhile.
        SetAside,
        Close,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => value_list().prop_map(Step::Push),
            2 => value_list().prop_map(Step::Append),
            4 => Just(Step::SetAside),
            1 => Just(Step::Close),
        ]
    }

    fn append(builder: &mut PacketBuilder, list: &ValueList) {
        let mut alone = PacketBuilder::new(1 << 16);
        alone.push(&list.as_ref());
        alone.close();
        for (_, datagram) in alone.packets() {
            let mut decoder = Decoder::new(datagram);
            let Some(Ok(Event::ValueList(spans))) = decoder.next() else { unreachable!("it was written") };
            assert!(decoder.next().is_none());
            let whole = decoder.whole(datagram).expect("of one host");
            builder.append(datagram, whole, &[], spans.carried(datagram), 1);
        }
    }

    proptest! {
        #[test]
        fn a_packet_that_was_set_aside_goes_on_as_if_nothing_was(
            steps in vec(step(), 1..40),
            limit in 60_usize..300,
        ) {
            let (mut at_once, mut builder) = (PacketBuilder::new(limit), PacketBuilder::new(limit));
            let mut open = OpenPacket::default();
            for step in steps {
                match step {
                    Step::Push(list) => [&mut at_once, &mut builder].into_iter().for_each(|it| it.push(&list.as_ref())),
                    Step::Append(list) => [&mut at_once, &mut builder].into_iter().for_each(|it| append(it, &list)),
                    Step::Close => [&mut at_once, &mut builder].into_iter().for_each(PacketBuilder::close),
                    Step::SetAside => {
                        builder.set_aside(&mut open);
                        prop_assert_eq!(builder.open_length(), 0);
                        // Where it goes on it has another place, as something else has left since.
                        append(&mut builder, &ValueList::new(
                            Identifier { host: b"other".into(), plugin: b"p".into(), type_name: b"t".into(), ..Identifier::default() },
                            Time::Seconds(9),
                            Interval::Seconds(9),
                            &[Value::Derive(9)],
                        ));
                        builder.close();
                        builder.go_on_with(&open);
                    }
                }
                prop_assert_eq!(builder.is_full(), at_once.is_full());
            }
            at_once.close();
            builder.close();
            let left = |builder: &PacketBuilder| -> Vec<_> {
                let packets = builder.packets().map(|(packet, bytes)| (packet.value_lists, bytes.to_vec()));
                packets.filter(|(_, bytes)| !bytes.starts_with(b"\0\0\0\x0aother\0")).collect()
            };
            prop_assert_eq!(left(&builder), left(&at_once));
        }
    }
}
