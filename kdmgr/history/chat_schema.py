"""The tables of saved chats."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE chats (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, title TEXT NOT NULL, model TEXT NOT NULL,
        ref TEXT NOT NULL, engine TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, n_ctx INTEGER,
        cache_type TEXT, system TEXT, parameters TEXT NOT NULL, think INTEGER, parent TEXT
    ) STRICT;
    CREATE INDEX chats_by_time ON chats (updated_at);
    CREATE TABLE turns (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, chat INTEGER NOT NULL, at TEXT NOT NULL,
        question TEXT NOT NULL, images TEXT NOT NULL, answer TEXT NOT NULL, thinking TEXT NOT NULL,
        state TEXT NOT NULL, error TEXT, model TEXT NOT NULL, engine TEXT NOT NULL, system TEXT,
        parameters TEXT NOT NULL, figures TEXT, tok_s REAL, replaced INTEGER NOT NULL, indexed INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX turns_by_chat ON turns (chat, id);
    CREATE INDEX turns_to_index ON turns (id) WHERE NOT indexed;
    """,
)
