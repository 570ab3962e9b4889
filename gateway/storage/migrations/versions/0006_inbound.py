"""Post to us: messages, their way to departments, decisions, history, mailboxes and links.

Frozen: what a released migration does never changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.columns import Counter, Json, Utc, Words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('inbound',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('due_at', Utc(), nullable=True),
    sa.Column('lease_until', Utc(), nullable=True),
    sa.Column('fence', sa.Integer(), server_default='0', nullable=False),
    sa.Column('crashes', sa.Integer(), server_default='0', nullable=False),
    sa.Column('spent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('code', Words(), nullable=True),
    sa.Column('refusal', Json(), nullable=True),
    sa.Column('trace', Words(), nullable=True),
    sa.Column('ended_at', Utc(), nullable=True),
    sa.Column('mailbox', sa.String(length=100), nullable=False),
    sa.Column('source_id', sa.String(length=200), nullable=False),
    sa.Column('channel', sa.String(length=16), nullable=False),
    sa.Column('received_at', Utc(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('uuid', sa.String(length=36), nullable=True),
    sa.Column('title', Words(), nullable=False),
    sa.Column('sender_kind', sa.String(length=8), nullable=False),
    sa.Column('sender_number', sa.String(length=16), nullable=False),
    sa.Column('sender_name', Words(), nullable=False),
    sa.Column('documents', Json(), nullable=False),
    sa.Column('post', Json(), nullable=False),
    sa.Column('confirmed_at', Utc(), nullable=True),
    sa.Column('answer', sa.String(length=16), nullable=False),
    sa.Column('department', Words(), nullable=False),
    sa.Column('opened_at', Utc(), nullable=True),
    sa.Column('reminded_at', Utc(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound')),
    sa.UniqueConstraint('mailbox', 'source_id', name=op.f('uq_inbound_mailbox_source_id'))
    )
    op.create_index('ix_inbound_due', 'inbound', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_inbound_inbox', 'inbound', ['received_at'], unique=False, sqlite_where=sa.text("state = 'inbox'"), postgresql_where=sa.text("state = 'inbox'"))
    op.create_index('ix_inbound_received_at', 'inbound', ['received_at', 'id'], unique=False)
    op.create_index('ix_inbound_unconfirmed', 'inbound', ['mailbox', 'received_at'], unique=False, sqlite_where=sa.text('confirmed_at IS NULL'), postgresql_where=sa.text('confirmed_at IS NULL'))
    op.create_table('mailboxes',
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('since', Utc(), nullable=False),
    sa.Column('polled_at', Utc(), nullable=True),
    sa.Column('alarmed_at', Utc(), nullable=True),
    sa.Column('state', Json(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_mailboxes'))
    )
    op.create_table('forwards',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('due_at', Utc(), nullable=True),
    sa.Column('lease_until', Utc(), nullable=True),
    sa.Column('fence', sa.Integer(), server_default='0', nullable=False),
    sa.Column('crashes', sa.Integer(), server_default='0', nullable=False),
    sa.Column('spent', sa.Integer(), server_default='0', nullable=False),
    sa.Column('code', Words(), nullable=True),
    sa.Column('refusal', Json(), nullable=True),
    sa.Column('trace', Words(), nullable=True),
    sa.Column('ended_at', Utc(), nullable=True),
    sa.Column('inbound_id', sa.String(length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('department', Words(), nullable=False),
    sa.Column('address', Words(), nullable=False),
    sa.Column('mode', sa.String(length=16), nullable=False),
    sa.Column('rule', Words(), nullable=False),
    sa.Column('settings', Json(), nullable=False),
    sa.Column('token', sa.String(length=64), nullable=False),
    sa.Column('created_at', Utc(), nullable=False),
    sa.Column('sent_at', Utc(), nullable=True),
    sa.Column('sent_as', sa.String(length=16), nullable=True),
    sa.ForeignKeyConstraint(['inbound_id'], ['inbound.id'], name=op.f('fk_forwards_inbound_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_forwards')),
    sa.UniqueConstraint('inbound_id', 'number', name=op.f('uq_forwards_inbound_id_number')),
    sa.UniqueConstraint('token', name=op.f('uq_forwards_token'))
    )
    op.create_index('ix_forwards_attention', 'forwards', ['inbound_id'], unique=False, sqlite_where=sa.text("state = 'held'"), postgresql_where=sa.text("state = 'held'"))
    op.create_index('ix_forwards_due', 'forwards', ['kind', 'due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index(op.f('ix_forwards_inbound_id'), 'forwards', ['inbound_id'], unique=False)
    op.create_table('inbound_decisions',
    sa.Column('id', Counter, nullable=False),
    sa.Column('inbound_id', sa.String(length=32), nullable=False),
    sa.Column('at', Utc(), nullable=False),
    sa.Column('version', Words(), nullable=False),
    sa.Column('rule', Words(), nullable=False),
    sa.Column('actions', Json(), nullable=False),
    sa.Column('trail', Json(), nullable=False),
    sa.Column('facts', Json(), nullable=False),
    sa.Column('shadow', Json(), nullable=True),
    sa.ForeignKeyConstraint(['inbound_id'], ['inbound.id'], name=op.f('fk_inbound_decisions_inbound_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_decisions'))
    )
    op.create_index('ix_inbound_decisions_at', 'inbound_decisions', ['at', 'id'], unique=False)
    op.create_index(op.f('ix_inbound_decisions_inbound_id'), 'inbound_decisions', ['inbound_id'], unique=False)
    op.create_table('inbound_history',
    sa.Column('id', Counter, nullable=False),
    sa.Column('at', Utc(), nullable=False),
    sa.Column('actor', Words(), nullable=False),
    sa.Column('verb', sa.String(length=32), nullable=False),
    sa.Column('inbound_id', sa.String(length=32), nullable=False),
    sa.Column('item', sa.String(length=40), nullable=False),
    sa.Column('reason', Words(), nullable=False),
    sa.ForeignKeyConstraint(['inbound_id'], ['inbound.id'], name=op.f('fk_inbound_history_inbound_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound_history'))
    )
    op.create_index(op.f('ix_inbound_history_inbound_id'), 'inbound_history', ['inbound_id'], unique=False)
    op.create_table('link_codes',
    sa.Column('forward_id', sa.String(length=40), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('code_until', Utc(), nullable=True),
    sa.Column('tries', sa.Integer(), server_default='0', nullable=False),
    sa.Column('codes', sa.Integer(), server_default='0', nullable=False),
    sa.Column('visit', sa.String(length=64), nullable=True),
    sa.Column('visit_until', Utc(), nullable=True),
    sa.ForeignKeyConstraint(['forward_id'], ['forwards.id'], name=op.f('fk_link_codes_forward_id')),
    sa.PrimaryKeyConstraint('forward_id', name=op.f('pk_link_codes'))
    )
