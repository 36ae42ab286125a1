-- A small shop. Its rows are computed, not drawn, so that every run shows the same numbers.

CREATE TABLE customers (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL,
	email text NOT NULL UNIQUE,
	joined_on date NOT NULL
);

CREATE TABLE orders (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer_id bigint NOT NULL CONSTRAINT orders_customer REFERENCES customers,
	ordered_on date NOT NULL
);
CREATE INDEX ON orders (customer_id);

CREATE TABLE order_lines (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	order_id bigint NOT NULL REFERENCES orders,
	article text NOT NULL,
	quantity integer NOT NULL CHECK (quantity > 0),
	unit_price numeric(8, 2) NOT NULL
);
CREATE INDEX ON order_lines (order_id);

INSERT INTO customers (name, email, joined_on)
SELECT 'Customer ' || n, 'customer' || n || '@shop.example', date '2023-01-01' + n % 730
FROM generate_series(1, 1000) AS n;

INSERT INTO orders (customer_id, ordered_on)
SELECT 1 + n * 7919 % 1000, date '2025-01-01' + n % 365
FROM generate_series(1, 3000) AS n;

INSERT INTO order_lines (order_id, article, quantity, unit_price)
SELECT 1 + n % 3000, (ARRAY['lamp', 'chair', 'table', 'shelf', 'mirror'])[1 + n % 5], 1 + n % 4,
	5 + n * 31 % 200 + 0.95
FROM generate_series(1, 8000) AS n;

ANALYZE;
