//! What a watcher has made in vCenter, and how it is taken away again.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::session::{Channel, Live};
use super::super::soap::MoRef;

/// Each is noted as soon as it is made, so that a call which fails or is dropped half way leaves nothing behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Holdings {
    held: Arc<Mutex<Vec<Held>>>,
}

#[derive(Debug, Clone)]
struct Held {
    live: Arc<Live>,
    object: MoRef,
    destroy: &'static str,
}

impl Holdings {
    pub fn add(&self, channel: &Channel, object: &MoRef, destroy: &'static str) {
        let held = Held { live: Arc::clone(&channel.live), object: object.clone(), destroy };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    pub fn is_empty(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn first(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn remove(&self, object: &MoRef) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| held.object != *object);
    }

    /// Destroys what was made in this session; what was made in another ended with it.
    pub async fn release(&self, channel: &Channel) {
        while let Some(Held { live, object, destroy }) = self.first() {
            if Arc::ptr_eq(&live, &channel.live) {
                let gone = channel.call(destroy, &object, "").await.and_then(|reply| reply.open(|_| Ok(())));
                if let Err(error) = gone {
                    tracing::debug!(vcenter = %channel.vcenter(), %error, "left behind until the session ends");
                }
            }
            self.remove(&object);
        }
    }
}
