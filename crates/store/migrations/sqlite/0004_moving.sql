-- While everything moves to or from another store (`parkgate move`): what is still to be done, and where it goes or comes from.
CREATE TABLE moving (
    what TEXT PRIMARY KEY,
    told TEXT NOT NULL
) STRICT, WITHOUT ROWID;
