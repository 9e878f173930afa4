-- One row per path ever used: a deleted stream keeps its epoch (alive = 0).
CREATE TABLE stream (
    id              INTEGER PRIMARY KEY,
    path            TEXT    NOT NULL UNIQUE,
    epoch           INTEGER NOT NULL,
    alive           INTEGER NOT NULL,
    content_type    TEXT    NOT NULL,
    config          BLOB    NOT NULL,
    first           INTEGER NOT NULL,
    tail            INTEGER NOT NULL,
    closed          INTEGER NOT NULL,
    closed_by_id    TEXT,
    closed_by_epoch INTEGER,
    closed_by_seq   INTEGER,
    last_seq        TEXT,
    created_at_ms   INTEGER NOT NULL
) STRICT;

-- A message ends where it starts plus the length of its body. Bodies stay out of the index: the table grows at its end whatever
-- the stream, and only the small index is written in many places.
CREATE TABLE message (
    stream INTEGER NOT NULL,
    start  INTEGER NOT NULL,
    body   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_by_start ON message (stream, start);

CREATE TABLE producer (
    stream INTEGER NOT NULL,
    id     TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (stream, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    key     TEXT    PRIMARY KEY NOT NULL,
    value   BLOB    NOT NULL,
    version INTEGER NOT NULL
) STRICT;

-- Versions of removed entries go on; kept apart so that scans meet only what is there.
CREATE TABLE removed (
    key     TEXT    PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE migration (
    number        INTEGER PRIMARY KEY,
    applied_at_ms INTEGER NOT NULL
) STRICT;
