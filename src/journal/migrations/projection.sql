-- The projection, in its present shape. It follows from the events: when this table is missing at the start, it is
-- made and filled by replay. A migration that wants another shape drops it and changes this file.
-- Ids sort by time, so the newest come last, and rows are added at the end of every index that ends in `id`.
CREATE TABLE IF NOT EXISTS requests (
  id           TEXT    NOT NULL PRIMARY KEY,
  phase        TEXT    NOT NULL,
  hold         TEXT,
  source       TEXT    NOT NULL,
  ticket       TEXT,
  vm_name      TEXT,
  environment  TEXT,
  controller   TEXT,
  workflow_job INTEGER,
  attempt_no   INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  is_active    INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  place_key    TEXT,
  head_seq     INTEGER NOT NULL,
  head_hash    BLOB    NOT NULL CHECK (length(head_hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS requests_active ON requests (id) WHERE is_active = 1;
CREATE INDEX IF NOT EXISTS requests_phase ON requests (phase, id);
CREATE INDEX IF NOT EXISTS requests_vm_name ON requests (vm_name, id) WHERE vm_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_ticket ON requests (ticket, id) WHERE ticket IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_run ON requests (workflow_job, controller) WHERE workflow_job IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS requests_place ON requests (place_key) WHERE place_key IS NOT NULL;

-- One line about each VM under watch, by the request that made or adopted it. Follows from the events as well.
CREATE TABLE IF NOT EXISTS vms (
  request_id  TEXT NOT NULL PRIMARY KEY,
  vm_name     TEXT NOT NULL,
  vcenter     TEXT NOT NULL,
  environment TEXT,
  verdict     TEXT,          -- the gravest of the open findings; null: in sync
  body        TEXT NOT NULL  -- JSON
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS vms_drifted ON vms (request_id) WHERE verdict IS NOT NULL;

-- What was last seen of each VM and each host: no fact, replaced in place by the next look.
CREATE TABLE IF NOT EXISTS vm_sightings (
  id          TEXT    NOT NULL PRIMARY KEY,
  vcenter     TEXT    NOT NULL,
  moid        TEXT    NOT NULL,
  request_id  TEXT,             -- null: nobody asked for it
  name        TEXT    NOT NULL,
  power       TEXT,
  is_template INTEGER NOT NULL CHECK (is_template IN (0, 1)),
  seen_at     INTEGER NOT NULL, -- microseconds
  gone_at     INTEGER,          -- microseconds; null: vCenter has it
  body        TEXT    NOT NULL  -- JSON
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS vm_sightings_request ON vm_sightings (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS host_sightings (
  controller  TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  host_id     INTEGER NOT NULL,
  request_id  TEXT,             -- null: of no VM under watch
  seen_at     INTEGER NOT NULL, -- microseconds
  body        TEXT    NOT NULL, -- its variables, JSON
  PRIMARY KEY (controller, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS host_sightings_request ON host_sightings (request_id) WHERE request_id IS NOT NULL;
