"""What reading gives: letters, or the one reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.documents.batch.manner import SplitManner
from gateway.errors import GatewayError
from gateway.model.batch import Batch
from gateway.model.letter import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The letters in one arrival.

    The bytes of every document lie in the scratch folder as files named by their digest.
    """

    title: str = field(repr=False)
    """Subject without tags; may be empty when refused."""
    letters: tuple[Letter, ...] = ()
    notes: tuple[str, ...] = field(default=(), repr=False)
    """Danish sentences for the submitter's notice: what was left out, what is close to a limit."""
    refusal: GatewayError | None = None
    """The first reason why nothing is sent; then *letters* is empty. A SubmitterError, or ReaderLimit."""
    batch: Batch | None = None
    """A merged file was read; *letters* are the certain ones of it."""
    hold: GatewayError | None = None
    """Why a person must look at the batch; then *letters* need not wait for that."""
    silent: bool = False
    """Automatic post: no notice, whatever else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFlow:
    """What a reader must know of a flow."""

    recipient_from: tuple[str, ...] = ("address", "header")
    case: str | None = None
    plan: str | None = None
    reply_allowed: bool = False
    body_is_letter: bool = False
    split: SplitManner | None = None
    """Set: its main document is a merged file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRules:
    """Limits and conventions of reading; plain values, so that they cross into the parsing process.

    Sizes in bytes. Where a limit comes from stands at the setting of the same name.
    """

    domains: tuple[str, ...]
    flows: dict[str, ReadFlow]
    allow_test_numbers: bool
    loop_id: str
    """Our X-Loop value: mail that carries it is our own."""
    own_addresses: tuple[str, ...] = ()
    header_bytes: int = 100 * 1024
    headers: int = 1000
    one_header: int = 16 * 1024
    nesting: int = 50
    parts: int = 1000
    received: int = 50
    title: int = 256
    title_hint: int = 50
    files: int = 10
    total: int = 99_500_000
    main_types: tuple[str, ...] = ("pdf",)
    attachment_types: tuple[str, ...] = ("pdf", "txt", "docx", "xlsx", "jpg", "jpeg", "png")
