//! Who may speak and what they said: signatures, mapping, schema, draft.
