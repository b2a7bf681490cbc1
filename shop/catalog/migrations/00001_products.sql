-- +goose Up
CREATE TABLE products (
    id          TEXT   PRIMARY KEY,
    name        TEXT   NOT NULL,
    category    TEXT   NOT NULL,
    price       BIGINT NOT NULL CHECK (price > 0), -- of one piece, in cents
    description TEXT   NOT NULL
);
CREATE INDEX products_by_category ON products (category, id);
CREATE INDEX products_by_price ON products (price, id);
CREATE INDEX products_by_name ON products (name, id);

-- What was put into the database once, whichever replica came first.
CREATE TABLE seeds (name TEXT PRIMARY KEY);

-- +goose Down
DROP TABLE seeds;
DROP TABLE products;
