//! The product: one connection to SAP AI Core, and the proxy in front of it.

use std::net::SocketAddr;
use std::sync::Arc;

use coretap_aicore::{AiCore, Connection, Deployment, SelectableModel, Timeouts};
use coretap_proxy::{Configuration, Limits, LocalKey, Proxy, RunState};
use tokio::sync::watch;

use crate::demo::Demo;
use crate::error::Error;
use crate::local_key;
use crate::settings::{Settings, Source};

/// Coretap with its settings. Nothing runs before [`Coretap::start`], but the demo's simulator.
pub struct Coretap {
    proxy: Proxy,
    aicore: AiCore,
    local_key: LocalKey,
    _demo: Option<Demo>,
}

impl Coretap {
    /// Puts everything together. Nothing is sent to SAP AI Core yet.
    ///
    /// # Errors
    /// When the connection can't be made from the settings, or the demo's simulator can't listen.
    pub async fn new(settings: Settings) -> Result<Self, Error> {
        let (service_key, demo) = match settings.source {
            Source::AiCore(service_key) => (service_key, None),
            Source::Demo => {
                let demo = Demo::start().await?;
                (demo.service_key.clone(), Some(demo))
            }
        };
        let connection = Connection {
            service_key,
            resource_group: settings.resource_group,
            orchestration: settings.orchestration,
            selected_model: settings.selected_model,
        };
        let aicore = AiCore::new(connection, Timeouts::default())?;
        let local_key = match settings.local_key {
            Some(key) => key,
            None => local_key::random()?,
        };
        let (_, configuration) = watch::channel(Arc::new(Configuration {
            port: settings.port,
            local_key: local_key.clone(),
            allowed_hosts: Vec::new(),
            aicore: aicore.clone(),
            limits: Limits::default(),
        }));
        Ok(Coretap {
            proxy: Proxy::new(configuration, None),
            aicore,
            local_key,
            _demo: demo,
        })
    }

    /// The key that agents must show.
    pub fn local_key(&self) -> &LocalKey {
        &self.local_key
    }

    /// Starts the proxy and gives its address. Does nothing when it already runs.
    ///
    /// # Errors
    /// When the port is taken or can't be listened on.
    pub async fn start(&self) -> Result<SocketAddr, Error> {
        Ok(self.proxy.start().await?)
    }

    /// Stops the proxy; running streams get a moment to end. Does nothing when it doesn't run.
    pub async fn stop(&self) {
        self.proxy.stop().await;
    }

    /// The run state, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<RunState> {
        self.proxy.state()
    }

    /// The models that agents can ask for.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn models(&self) -> Result<Vec<SelectableModel>, Error> {
        Ok(self.aicore.selectable_models().await?)
    }

    /// All deployments of the resource group, whatever their status.
    ///
    /// # Errors
    /// When SAP AI Core can't be reached or says no.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, Error> {
        Ok(self.aicore.deployments().await?.rows.clone())
    }
}
