CREATE INDEX orders_ordered_on ON orders (ordered_on);
CREATE VIEW sales_per_month AS
SELECT date_trunc('month', o.ordered_on)::date AS month,
       sum(l.quantity * l.unit_price) AS sales
  FROM orders AS o JOIN order_lines AS l ON l.order_id = o.id
 GROUP BY 1;
