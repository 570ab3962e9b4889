"""The one place that knows every concrete part, in explicit tables; everything else knows ports.

Three rooms: where the state lies (``state``), what settings mean to the core (``meaning``), and the
whole (``whole``). One more way out, directory or way in is a module of its own and one line there.
"""
