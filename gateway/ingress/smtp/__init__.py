"""Post that comes as mail: an SMTP server that refuses in the dialogue and keeps what it says yes to.

``server`` starts and stops it · ``presence`` is coming in, time and the end · ``connection`` is lines
and TLS · ``login`` is AUTH · ``session`` is who sends to whom · ``transfer`` is DATA and BDAT · ``incoming`` is one message on its
way in · ``header`` and ``decoder`` are pure · ``gate`` decides who may send what to which address ·
``users`` is the users file · ``guard`` counts connections and failed logins · ``replies`` is all we say.
"""
