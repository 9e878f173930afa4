-- What is gone already and still lies in the tables: the messages of this number that begin before a byte, and, when that is past every
-- byte, its producers. No stream that can be read has such a number, or its first byte is not before that one.
CREATE TABLE leftover (
    stream INTEGER PRIMARY KEY,
    before INTEGER NOT NULL
) STRICT;
