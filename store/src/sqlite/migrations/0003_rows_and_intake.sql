-- A row may hold several messages that follow one another: `lengths` says where each ends (LEB128, one number per message); NULL is one
-- message.
ALTER TABLE message ADD COLUMN lengths BLOB;

-- Records of the file in front of the tables belong to this generation; those of an older one are in the tables.
CREATE TABLE intake (generation INTEGER NOT NULL) STRICT;
INSERT INTO intake (generation) VALUES (1);
