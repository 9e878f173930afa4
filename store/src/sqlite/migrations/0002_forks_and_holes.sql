-- A fork's own messages begin at `base`; what is before it lies under `origin`, which counts its `forks` and, once deleted, stays
-- `retired` until the last of them is gone.
ALTER TABLE stream ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN origin TEXT;
ALTER TABLE stream ADD COLUMN forks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;

-- Compaction leaves holes between messages. Who was here before goes on at `resume` or later; `compactions` counts its moves.
ALTER TABLE stream ADD COLUMN resume INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN compactions INTEGER NOT NULL DEFAULT 0;
