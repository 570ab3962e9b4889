"""Pages behind the links in mails to departments: post that was not attached, after a code mailed to the department.

A small app on a port of its own, until the portal takes it over. It knows the ports, and no other way in or out.
"""
