UPDATE customers AS c
   SET loyalty_points = bought.points
  FROM (SELECT o.customer_id, sum(l.quantity * l.unit_price)::integer / 10 AS points
          FROM orders AS o JOIN order_lines AS l ON l.order_id = o.id
         GROUP BY o.customer_id) AS bought
 WHERE bought.customer_id = c.id;
