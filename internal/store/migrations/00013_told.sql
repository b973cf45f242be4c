-- +goose Up

-- What a contact was told, the newest last.
CREATE INDEX delivery_contact ON delivery (contact_id, id) WHERE contact_id <> '';
