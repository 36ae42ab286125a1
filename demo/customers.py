"""The shop stays open: while agents work and merge, customers place orders on development."""
import threading

from stage import Stopped, Trouble

_PLACE = """
    WITH placed AS (INSERT INTO orders (customer_id, ordered_on)
                    VALUES (1 + {number} % 1000, current_date) RETURNING id)
    INSERT INTO order_lines (order_id, article, quantity, unit_price)
    SELECT id, 'lamp', 1, 24.95 FROM placed RETURNING order_id"""


class Customers(threading.Thread):
    """Places one order after the other, and remembers each that the server has acknowledged."""

    def __init__(self, stage, uri):
        super().__init__(name="customers", daemon=True)
        self.acknowledged = []
        self._stage = stage
        self._uri = uri
        self._closed = threading.Event()
        self._refused = []

    def run(self):
        number = 0
        while not self._closed.is_set():
            number += 1
            try:
                self.acknowledged.append(int(self._stage.value(_PLACE.format(number=number),
                                                               uri=self._uri)))
            except Stopped:
                return
            except Trouble as why:
                self._refused.append(str(why))

    def close(self):
        """The last order has been placed, or refused, when this returns."""
        self._closed.set()
        self.join(30)
        if not self.acknowledged:
            raise Trouble("no order could be placed: " + "\n".join(self._refused[:1]))

    def lost(self):
        """The orders that were acknowledged and are not in development."""
        there = {int(row[0]) for row in self._stage.rows("SELECT id FROM orders", uri=self._uri)}
        return sorted(set(self.acknowledged) - there)
