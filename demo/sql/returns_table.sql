CREATE TABLE returns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_line_id bigint NOT NULL REFERENCES order_lines,
    reason text NOT NULL,
    returned_on date NOT NULL DEFAULT current_date
);
CREATE INDEX returns_order_line ON returns (order_line_id);
