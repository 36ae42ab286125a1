ALTER TABLE orders ADD COLUMN total numeric(10, 2);
UPDATE orders AS o
   SET total = (SELECT sum(l.quantity * l.unit_prise)
                  FROM order_lines AS l WHERE l.order_id = o.id);
