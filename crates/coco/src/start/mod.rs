//! The conditions of a start: files are read, sockets bound, names resolved, loops refused. All that keeps
//! it from starting is found at once.

mod error;

pub use error::{StartError, StartErrors};

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use coco_core::config::{CocoConfig, idle_interface, lack_of_interface, misfit_of_lanes};
use coco_core::types_db::TypesDb;
use coco_daemon::files::{self, Accept};
use coco_daemon::handed_over::HandedOver;
use coco_daemon::resolve::{resolve, resolve_all};
use coco_udp::ListenOptions;
use tracing::info;

use crate::intake::Admission;
use crate::outlets::{Engines, leads_back};
use crate::plan::Routing;
use crate::secrets::Seals;

/// The time that a start gives names to resolve before it goes on without them.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// Everything that `--check` looks at beside the text of the configuration. No port is bound.
pub async fn check(config: &CocoConfig, warnings: &mut Vec<String>) -> Result<(), StartErrors> {
    let mut errors = StartErrors::default();
    errors.unless(Files::read(config, Accept::Pipes, warnings).await);
    let listen = errors.unless(listen_addresses(config).await).unwrap_or_default();
    if let Some(&address) = listen.first() {
        errors.unless(fits(config, address, warnings));
    }
    let targets: Vec<_> = config
        .tiers
        .iter()
        .flat_map(|tier| tier.targets().iter().map(move |target| (tier, target)))
        .collect();
    let addresses = targets.iter().map(|(_, target)| target.address.clone());
    for ((tier, target), resolved) in targets.iter().zip(resolve_all(addresses, RESOLVE_PATIENCE).await) {
        let found = resolved.unwrap_or_else(|problem| {
            warnings.push(format!("tiers.{}.targets: {}: {problem}", tier.name(), target.name));
            Vec::new()
        });
        // An engine is reached by TCP, where Coco does not receive.
        let is_engine = tier.remote_write().is_some();
        let back =
            |address: &&SocketAddr| !is_engine && listen.iter().any(|listen| leads_back(*listen, **address));
        if let Some(&address) = found.iter().find(back) {
            let (tier, target) = (tier.name().into(), target.name.as_str().into());
            errors.push(StartError::Loop { tier, target, address });
        }
    }
    errors.or(())
}

/// The contents of the files that the configuration names.
pub(crate) struct Files {
    pub(crate) admission: Admission,
    pub(crate) seals: Seals,
    pub(crate) engines: Engines,
}

impl Files {
    /// Reads all of them, types.db too. `warnings` gets what an operator should know of them.
    pub(crate) async fn read(
        config: &CocoConfig,
        accept: Accept,
        warnings: &mut Vec<String>,
    ) -> Result<Self, StartErrors> {
        let config = config.clone();
        let read = move || {
            let mut warnings = Vec::new();
            (Self::read_in_place(&config, accept, &mut warnings), warnings)
        };
        let (read, found) = files::apart(read).await?;
        warnings.extend(found);
        read
    }

    fn read_in_place(
        config: &CocoConfig,
        accept: Accept,
        warnings: &mut Vec<String>,
    ) -> Result<Self, StartErrors> {
        let mut errors = StartErrors::default();
        let types = errors.unless(read_types_db(config, accept, warnings)).unwrap_or_default();
        let engines = Engines::read(config, &Arc::new(types), accept)
            .map_err(|errors| errors.into_iter().map(StartError::from).collect::<StartErrors>());
        let engines = errors.unless(engines);
        let admission = Admission::read(&config.listen, accept, warnings).map_err(StartError::from);
        let admission = errors.unless(admission);
        let seals = Seals::read(&config.tiers, accept, warnings)
            .map_err(|errors| errors.into_iter().map(StartError::from).collect::<StartErrors>());
        match (admission, errors.unless(seals), engines) {
            (Some(admission), Some(seals), Some(engines)) => errors.or(Self { admission, seals, engines }),
            _ => Err(errors),
        }
    }
}

/// Reads each configured types.db, and tells the operator what is wrong with it, in a warning a line. Forwarding does not
/// need them; engines get samples by them.
fn read_types_db(
    config: &CocoConfig,
    accept: Accept,
    warnings: &mut Vec<String>,
) -> Result<TypesDb, StartError> {
    let mut all = TypesDb::default();
    for path in &config.listen.typesdb {
        let read = files::read(path, accept);
        let read = read.map_err(|source| StartError::TypesDb { path: path.clone(), source })?;
        let (types, problems) = TypesDb::parse(&read.bytes);
        info!(path = %path.display(), types = types.len(), "read types.db");
        warnings.extend(problems.iter().map(|problem| format!("{}: {problem}", path.display())));
        all.extend(types);
    }
    Ok(all)
}

/// One socket a lane. `warnings` gets what an operator should know of where they listen. Several share one address,
/// which no other process must hold already.
///
/// Sockets handed over for that address are taken in place of our own: one for each lane, or none.
pub(crate) async fn bind(
    config: &CocoConfig,
    handed_over: &mut HandedOver,
    warnings: &mut Vec<String>,
) -> Result<Vec<UdpSocket>, StartErrors> {
    let addresses = listen_addresses(config).await?;
    let mut address = addresses[0];
    fits(config, address, warnings)?;
    if let Some(name) = &config.listen.interface {
        let error = |source| StartError::Interface { name: name.clone(), source };
        coco_udp::interface_index(name).map_err(error)?;
    }
    let taken = handed_over.udp_at(&addresses);
    let lanes = config.pipeline.lanes.get();
    if taken.len() == lanes {
        let options = listen_options(config);
        let taken: io::Result<_> =
            taken.into_iter().map(|socket| coco_udp::take_over(socket, options)).collect();
        return Ok(taken.map_err(|source| listen_error(config, source))?);
    }
    if !taken.is_empty() {
        return Err(StartError::Lanes { lanes, sockets: taken.len() }.into());
    }
    Ok(bind_to(&mut address, config).map_err(|source| listen_error(config, source))?)
}

/// The options by which a lane that is alone listens.
pub(crate) fn listen_options(config: &CocoConfig) -> ListenOptions<'_> {
    ListenOptions {
        receive_buffer: config.listen.receive_buffer,
        shared: false,
        interface: config.listen.interface.as_deref(),
        freebind: config.listen.freebind,
    }
}

fn bind_to(address: &mut SocketAddr, config: &CocoConfig) -> io::Result<Vec<UdpSocket>> {
    let lanes = config.pipeline.lanes.get();
    let mut options = listen_options(config);
    let alone = coco_udp::listen(*address, options)?;
    if lanes == 1 {
        return Ok(vec![alone]);
    }
    address.set_port(alone.local_addr()?.port());
    drop(alone);
    options.shared = true;
    (0..lanes).map(|_| coco_udp::listen(*address, options)).collect()
}

/// Where packets arrive, at least one; a start takes the first.
async fn listen_addresses(config: &CocoConfig) -> Result<Vec<SocketAddr>, StartError> {
    let bind = &config.listen.bind;
    match bind.is_all() {
        true => Ok(vec![coco_udp::all_addresses(bind.port())]),
        false => resolve(bind, RESOLVE_PATIENCE).await.map_err(|source| listen_error(config, source)),
    }
}

/// The configuration has been held against what is no name already.
fn fits(config: &CocoConfig, address: SocketAddr, warnings: &mut Vec<String>) -> Result<(), StartErrors> {
    let idle = idle_interface(address, config.listen.interface.as_deref());
    warnings.extend(idle.map(|idle| format!("listen.interface: {idle}")));
    let misfits = [
        ("listen.interface", lack_of_interface(address, config.listen.interface.as_deref())),
        ("pipeline.lanes", misfit_of_lanes(address, config.pipeline.lanes.get())),
    ];
    let error = |(key, problem): (_, Option<_>)| Some(StartError::Misfit { key, problem: problem?, address });
    misfits.into_iter().filter_map(error).collect::<StartErrors>().or(())
}

fn listen_error(config: &CocoConfig, source: io::Error) -> StartError {
    StartError::Listen { address: config.listen.bind.clone(), source }
}

/// Whether the address to send from is this machine's.
pub(crate) fn check_source(config: &CocoConfig) -> Result<(), StartError> {
    let Some(address) = config.send.bind else { return Ok(()) };
    UdpSocket::bind((address, 0)).map(drop).map_err(|source| StartError::Source { address, source })
}

/// Connects what is not connected, as far as that works at once. Nothing may lead back to where coco listens.
pub(crate) async fn dial(routing: &Routing, listen: SocketAddr) -> Result<(), StartErrors> {
    let outlets = &routing.outlets;
    let back = outlets.dial(listen, RESOLVE_PATIENCE).await;
    let loops = outlets.iter().zip(back).filter_map(|(outlet, address)| {
        let (tier, target) = (Arc::clone(&outlet.tier), Arc::clone(&outlet.target));
        Some(StartError::Loop { tier, target, address: address? })
    });
    loops.collect::<StartErrors>().or(())
}
