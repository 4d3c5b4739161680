//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parkgate_gate::Gate;
use parkgate_intake::BodyBudget;

use crate::client_address::TrustedProxies;
use crate::descriptors::connections_within;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::refusal_log::RefusalLog;
use crate::tls::Tls;

/// The gate, and what its HTTP faces know beside it.
pub struct Server {
    pub(crate) gate: Arc<Gate>,
    pub(crate) trusted_proxies: TrustedProxies,
    /// None: both addresses speak plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) refusal_log: Arc<RefusalLog>,
    /// What bodies keep in memory while they are read and answered.
    pub(crate) bodies: Arc<BodyBudget>,
    pub(crate) draining: AtomicBool,
    /// As many as were set, or as the system allows open files for.
    pub(crate) connections_max: usize,
}

impl Server {
    /// Raises the limit of open files as far as the system allows: call it before connections may come.
    #[must_use]
    pub fn new(gate: Arc<Gate>, trusted_proxies: TrustedProxies, tls: Option<Arc<Tls>>) -> Arc<Server> {
        let connections_max = connections_within(gate.settings.limits.connections_max);
        Arc::new(Server {
            metrics: Metrics::new(&gate.figures, tls.as_deref()),
            bodies: BodyBudget::new(gate.settings.limits.bodies_bytes_max),
            gate,
            trusted_proxies,
            tls,
            readiness: Arc::default(),
            refusal_log: Arc::default(),
            draining: AtomicBool::new(false),
            connections_max,
        })
    }
}
