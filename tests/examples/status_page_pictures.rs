//! Makes the pictures of the status page in `docs/` anew: `cargo run -p coco-tests --example status_page_pictures`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use coco_harness::chromium;
use coco_harness::coco::{Coco, Config};
use coco_harness::nobody::Nobody;
use coco_harness::repository;
use coco_harness::sink::Sink;
use coco_harness::traffic::{self, value_list};

/// How long hosts send, so that there are curves.
const TRAFFIC: Duration = Duration::from_secs(60);

fn main() {
    let (sinks, nobody) = ([(); 2].map(|()| Sink::start()), Nobody::udp());
    let [a, b] = sinks.each_ref().map(|sink| sink.address);
    let tiers = [("shortterm", &[a, b][..]), ("archive", &[nobody.address])];
    let coco = Coco::start(&Config::new(&tiers).text());
    let sender = traffic::sender(coco.listen);
    let end = Instant::now() + TRAFFIC;
    for place in 0.. {
        let lists: Vec<_> =
            (0..40 + place % 17).map(|host| value_list(&format!("web{host}.example.org"), place)).collect();
        traffic::send(&sender, &lists);
        sleep(Duration::from_millis(50));
        if Instant::now() > end {
            break;
        }
    }
    let docs = repository().join("docs");
    let url = format!("http://{}/?name=web1", coco.api);
    chromium::screenshot(&url, (1000, 1040), &[], &docs.join("status-page.png"));
    let dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"];
    chromium::screenshot(&url, (390, 844), &dark, &docs.join("status-page-phone.png"));
}
