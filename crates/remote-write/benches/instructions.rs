//! Instructions per sample on its way from a packet into the body of a request, by callgrind: `cargo bench -p remote-write
//! --bench instructions`. Whatever else the machine does, they stay what they are. It needs valgrind. `-- time` has the
//! nanoseconds of the processor instead, which do not. *agents* are packets of one host in one order, *mixed* are packets of
//! many hosts in ever another order.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use coco_core::types_db::TypesDb;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::{Decoder, Event, Malformed, PacketBuilder, Visitor};
use remote_write::queue::{Queue, Settings};
use remote_write::request::Compressor;

const HOSTS: usize = 200;
const FAMILIES: usize = 50;

/// Multipliers that are prime to the number of series: each puts them in another order, and the first in none.
const AGENTS: &[usize] = &[1];
const MIXED: &[usize] = &[7_919, 104_729, 3_571, 6_007, 9_973, 2_003, 1_013];

/// Each adds a stage to those before.
const STAGES: [&str; 4] = ["decode", "queue", "body", "snappy"];

/// The difference is that of series which are known.
const PASSES: [usize; 2] = [2, 6];

/// As many passes take long enough for a clock.
const TIMED: usize = 100;

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [_, orders, stages, passes] = &arguments[..]
        && let (Ok(stages), Ok(passes)) = (stages.parse(), passes.parse())
    {
        run(if orders == "mixed" { MIXED } else { AGENTS }, stages, passes);
        return ExitCode::SUCCESS;
    }
    let is_timed = arguments.iter().any(|argument| argument == "time");
    for (name, orders) in [("agents", AGENTS), ("mixed", MIXED)] {
        let mut before = 0.0;
        for (stages, stage) in (1..).zip(STAGES) {
            let sum = if is_timed { nanoseconds(orders, stages) } else { instructions(name, stages) };
            println!("{name} {stage}: {:.1}", sum - before);
            before = sum;
        }
        println!("{name}, all stages: {before:.1}");
    }
    ExitCode::SUCCESS
}

/// Of the processor for each sample: the least of nine runs.
fn nanoseconds(orders: &[usize], stages: usize) -> f64 {
    let one = |_| {
        let start = cpu();
        run(orders, stages, TIMED);
        (cpu() - start) as f64 / (TIMED * HOSTS * FAMILIES) as f64
    };
    (0..9).map(one).fold(f64::MAX, f64::min)
}

/// Nanoseconds of the processor that this thread has had.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("a number")
}

/// Of each sample.
fn instructions(orders: &str, stages: usize) -> f64 {
    let [few, many] = PASSES.map(|passes| count(orders, stages, passes));
    (many - few) as f64 / ((PASSES[1] - PASSES[0]) * HOSTS * FAMILIES) as f64
}

/// Instructions of so many passes over all series.
fn count(orders: &str, stages: usize, passes: usize) -> u64 {
    let this = std::env::current_exe().expect("the path of this bench");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["run", orders, &stages.to_string(), &passes.to_string()])
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&run.stderr);
    // ==1234== Collected : 987654321
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind has not counted: {said}"))
}

/// A value list of each series in packets: of one host where they are in order.
fn packets(order: usize) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(1452);
    for place in 0..HOSTS * FAMILIES {
        let series = place * order % (HOSTS * FAMILIES);
        let (host, family) = (series / FAMILIES, series % FAMILIES);
        if order == 1 && family == 0 {
            builder.close();
        }
        let (type_name, value) = match family % 2 {
            0 => ("gauge", Value::Gauge((host * 7919 + family * 104_729) as f64 / 1e6)),
            _ => ("derive", Value::Derive((host * 15_485_863 + family * 32_452_843) as i64)),
        };
        let identifier = Identifier {
            host: format!("host{host:03}.example.org").into(),
            plugin: format!("plugin{family:02}").into(),
            type_name: type_name.into(),
            ..Identifier::default()
        };
        let interval = Interval::HighResolution(10 << 30);
        builder.push(&ValueList::new(identifier, PLACE, interval, &[value]).as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

/// Stands where the time of a pass is written: no value and no name has these bytes.
const PLACE: Time = Time::HighResolution(0x0123_4567_89ab_cdef);

/// Sees the value lists of a packet, and queues them if there is where.
struct Seen<'q, 'p> {
    packet: &'p [u8],
    now: i64,
    queue: Option<&'q mut Queue>,
}

impl Visitor for Seen<'_, '_> {
    #[inline]
    fn visit(&mut self, event: Result<Event, Malformed>) {
        let Ok(Event::ValueList(spans)) = event else { return };
        let list = std::hint::black_box(spans.of(self.packet));
        if let Some(queue) = &mut self.queue {
            queue.push(&list, self.now);
        }
    }
}

fn run(orders: &[usize], stages: usize, passes: usize) {
    let place = |packet: &Vec<u8>| {
        packet.windows(8).position(|eight| eight == PLACE.cdtime().to_be_bytes()).expect("a time")
    };
    let placed = |packets: Vec<Vec<u8>>| -> Vec<(Vec<u8>, usize)> {
        packets
            .into_iter()
            .map(|packet| (place(&packet), packet))
            .map(|(place, packet)| (packet, place))
            .collect()
    };
    let mut ordered: Vec<_> = orders.iter().map(|order| placed(packets(*order))).collect();
    let types = Arc::new(TypesDb::parse(b"gauge value:GAUGE:U:U\nderive value:DERIVE:U:U\n").0);
    let settings = Settings {
        max_age: 3_300_000,
        max_ahead: 600_000,
        max_memory: 64 << 20,
        batch_samples: 2000,
        batch_delay: 1000,
        labels: Vec::new(),
        relabel: Vec::new(),
    };
    let mut queue = Queue::new(settings, types);
    let (mut body, mut compressor) = (Vec::new(), Compressor::default());
    let start = 1_795_290_000;
    for pass in 0..passes as u64 {
        let second = start + pass * 10;
        let packets = &mut ordered[pass as usize % orders.len()];
        for (packet, place) in &mut *packets {
            packet[*place..*place + 8].copy_from_slice(&(second << 30).to_be_bytes());
        }
        let now = (second * 1000) as i64;
        for (packet, _) in &*packets {
            let mut seen = Seen { packet, now, queue: (stages > 1).then_some(&mut queue) };
            Decoder::new(packet).show(&mut seen);
            while let Some(batch) = queue.take(now, false) {
                let all = 0..batch.len();
                if stages > 2 {
                    body.clear();
                    queue.write_body(&batch, all.clone(), &mut body);
                    std::hint::black_box(&body);
                    if stages > 3 {
                        let _ = std::hint::black_box(compressor.compress(&body));
                    }
                }
                queue.delivered(&batch, all);
                queue.finish(batch);
            }
        }
    }
}
