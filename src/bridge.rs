//! The composition root: opens the journal, builds the clients, starts and stops everything in order.
