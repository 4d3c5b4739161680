-- A vehicle's visits, the newest first, wherever it was.
CREATE INDEX records_by_plate ON records (plate, id) WHERE plate IS NOT NULL;
