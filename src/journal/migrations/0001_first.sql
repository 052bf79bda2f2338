-- The truth: insert-only. `position` is the order in which events became durable, over all requests.
CREATE TABLE events (
  position   INTEGER PRIMARY KEY,
  request_id TEXT    NOT NULL,
  seq        INTEGER NOT NULL CHECK (seq >= 1),
  at         INTEGER NOT NULL, -- microseconds since 1970-01-01T00:00:00Z
  kind       TEXT    NOT NULL,
  body       TEXT    NOT NULL, -- JSON
  hash       BLOB    NOT NULL CHECK (length(hash) = 32),
  UNIQUE (request_id, seq)
) STRICT;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

-- The chain over all requests, in order of position.
CREATE TABLE checkpoints (
  position INTEGER PRIMARY KEY REFERENCES events (position),
  at       INTEGER NOT NULL,
  hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER checkpoints_are_never_changed BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;

CREATE TRIGGER checkpoints_are_never_deleted BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;

-- What was seen before: deliveries, bodies, request keys, idempotency keys. Not a projection: events do not hold it.
CREATE TABLE keys (
  kind        TEXT NOT NULL,
  key         TEXT NOT NULL,
  request_id  TEXT NOT NULL,
  body_sha256 TEXT,             -- idempotency keys only: what the first caller sent
  expires_at  INTEGER,          -- microseconds; null: never
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
