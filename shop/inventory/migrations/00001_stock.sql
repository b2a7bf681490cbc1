-- +goose Up
CREATE TABLE stock (
    product  TEXT   PRIMARY KEY,
    initial  BIGINT NOT NULL,
    free     BIGINT NOT NULL CHECK (free >= 0),
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    sold     BIGINT NOT NULL CHECK (sold >= 0),
    CHECK (initial = free + reserved + sold)
);

-- A key stays after its reservation has ended, so that a late request cannot use it again.
CREATE TABLE reservations (
    key        TEXT   PRIMARY KEY,
    state      TEXT   NOT NULL CHECK (state IN ('held', 'confirmed', 'released')),
    expires_at BIGINT NOT NULL -- Unix milliseconds by the database's clock
);
CREATE INDEX reservations_held ON reservations (expires_at) WHERE state = 'held';

CREATE TABLE reservation_lines (
    key      TEXT   NOT NULL REFERENCES reservations (key),
    product  TEXT   NOT NULL REFERENCES stock (product),
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (key, product)
);

-- +goose Down
DROP TABLE reservation_lines;
DROP TABLE reservations;
DROP TABLE stock;
