//! Coco and Noodle in one process.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use coco_core::config::{CocoConfig, Configuration, NoodleConfig};
use coco_daemon::command_line::{LoadError, Source, load};
use coco_daemon::files::Accept;
use coco_daemon::logging;
use coco_daemon::signals::{Signal, Signals};
use tokio::sync::watch;

use crate::failure::{Failure, Outcome};

/// Both daemons as they would run by themselves, until a signal stops both.
pub(super) async fn daemons(path: &Path) -> Result<Outcome, Failure> {
    let (coco, noodle): (CocoConfig, NoodleConfig) = (load(path, Accept::Pipes)?, load(path, Accept::Pipes)?);
    logging::init(&coco.log)?;
    let (_, at_once) = watch::channel(true);
    Daemons::prepare(coco, noodle).await?.run(Some(path), at_once).await?;
    Ok(Outcome::Fine)
}

/// Both daemons, ready to run.
pub(super) struct Daemons {
    pub(super) coco: coco::service::Service,
    pub(super) noodle: noodle::service::Service,
    configs: (CocoConfig, NoodleConfig),
    signals: [Signals; 2],
}

impl Daemons {
    pub(super) async fn prepare(coco: CocoConfig, noodle: NoodleConfig) -> Result<Self, Failure> {
        // Each gets every signal.
        let signals = || Signals::new().map_err(Failure::System);
        let signals = [signals()?, signals()?];
        let configs = (coco.clone(), noodle.clone());
        let coco = coco::service::Service::prepare(coco).await.map_err(|reason| daemon("coco", &reason))?;
        let noodle = noodle::service::Service::prepare(noodle).map_err(|reason| daemon("noodle", &reason))?;
        Ok(Self { coco, noodle, configs, signals })
    }

    /// Until both have stopped, or one has failed. They read the file again when a signal says so, if there is one. Coco
    /// stops when `may_stop` says so, too.
    pub(super) async fn run(
        self,
        file: Option<&Path>,
        may_stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let Self { coco, noodle, configs: (for_coco, for_noodle), signals: [mut of_coco, of_noodle] } = self;
        // Each has its own terms, and nobody is killed.
        let deadlines = [Arc::default(), Arc::default()];
        let mut may_stop = may_stop;
        let mut is_told = false;
        let signal = async || {
            while !is_told {
                match of_coco.next().await {
                    Signal::Stop => is_told = true,
                    other => return other,
                }
            }
            // Nobody who could say so is as good as one who does.
            let _ = may_stop.wait_for(|may| *may).await;
            Signal::Stop
        };
        let coco = coco.run(signal, &deadlines[0], async || read_again(file, &for_coco).await);
        let coco = async { coco.await.map_err(|reason| daemon("coco", &reason)) };
        let noodle = noodle.run(of_noodle, &deadlines[1], async || read_again(file, &for_noodle).await);
        let noodle = async { noodle.await.map_err(|reason| daemon("noodle", &reason)) };
        tokio::try_join!(coco, noodle).map(|_| ())
    }
}

/// The configuration as it is in the file now, if there is one.
async fn read_again<C: Configuration>(file: Option<&Path>, config: &C) -> Result<C, LoadError> {
    match file {
        Some(path) => Source { path: path.to_owned() }.load_again().await,
        None => Ok(config.clone()),
    }
}

pub(super) fn daemon(program: &'static str, reason: &impl Display) -> Failure {
    Failure::Daemon { program, reason: reason.to_string() }
}
