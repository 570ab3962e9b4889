"""Every setting, with its unit in its type and its reason in its docstring.

``gateway.toml`` in the gateway's home holds them; ``GATEWAY_…`` variables win over the file
(``GATEWAY_SMTP__PORT=2525``). A ``*_file`` setting names a file that holds a secret; the secret
itself never stands in the file. Relative paths are relative to the home.
Defaults of limits: reference, security.md, "Limits to put in one config file".
One module, although longer than most: it is the one list of what an operator may set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator
from stdnum.dk import cvr

_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(|s|min|h|days?)", re.ASCII)
_UNIT_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}


@dataclass(frozen=True, slots=True)
class Means:
    """What a value of a type is, for faults and docs, where the type alone does not say it."""

    words: str


def _read_time(value: object) -> object:
    """*value* as a timedelta: ``"30 s"``, ``"5 min"``, ``"2 h"``, ``"1 day"``, or a number of seconds.

    Raises:
        ValueError: for anything else (ISO 8601 texts too: two ways to write a time are one too many).
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return timedelta(seconds=value)
    if isinstance(value, str) and (match := _TIME.fullmatch(value.strip())):
        return timedelta(seconds=float(match[1]) * _UNIT_SECONDS[match[2]])
    raise ValueError("not a time")


Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[ByteSize, Field(ge=0), Means('a size such as "10 MB"')]
Seconds = Annotated[
    timedelta,
    BeforeValidator(_read_time),
    Means('a time such as "30 s", "5 min", "2 h", "1 day" or a number of seconds'),
]
DatabaseUrl = Annotated[
    str,
    Field(pattern=r"^(sqlite:///|postgresql://).+"),
    Means("sqlite:///FILE or postgresql://USER@HOST/NAME"),
]
CvrText = Annotated[str, Field(pattern=r"^[1-9][0-9]{7}$"), Means('a CVR number such as "12345674"')]
Name = Annotated[
    str, Field(pattern=r"^[a-z0-9-]+$"), Means("a name of small letters, digits and hyphens")
]
Fingerprint = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{64}$"),
    Means("a SHA-256 fingerprint: 64 hexadecimal digits in small letters, no colons"),
]
# Credentials go over this connection: never without TLS, never inside the address itself.
HttpsUrl = Annotated[
    str,
    Field(pattern=r"^https://[^\s@/?#]+(/[^\s@?#]*)?$"),
    Means("an address such as https://HOST/PATH, without user and password"),
]
NoticeWish = Literal["all", "summary", "errors"]


class Section(BaseModel):
    """A table of the file; unknown keys are faults, values do not change after loading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )


class Organisation(Section):
    name: str = Field(min_length=1, max_length=256)
    """Sender name the recipient sees (MeMo Sender/label)."""
    cvr: CvrText
    contact: str = ""
    """Where a refused sender can ask; shown in SMTP replies, so ASCII and no person's name."""


class Storage(Section):
    database: DatabaseUrl = "sqlite:///ledger.db"
    """SQLAlchemy URL: ``sqlite:///FILE`` (relative to the home) or ``postgresql://…``."""
    database_password_file: Path | None = None
    vault: Path = Path("vault")
    inline_limit: Size = ByteSize(256 * 1024)
    """Arrivals up to this size ride in the ledger's own commit (one flush) until they are read."""
    spare: Size = ByteSize(1024**3)
    """Intake answers 452 when less than this is free on the vault's disk."""


class AddressRule(Section):
    """Who may send to which flows (F21). Without any rule every proved submitter may."""

    flows: tuple[str, ...] = ("*",)
    allow: tuple[str, ...]
    """``user:NAME``, ``relay:NAME``, ``certificate:NAME``, ``user:*``, or a mail address / ``*@domain``
    that the proved sender address must match as well."""


class Relay(Section):
    """A mail server trusted by its address, such as the organisation's own Exchange connector."""

    name: Name
    networks: tuple[IPv4Network | IPv6Network, ...]
    domains: tuple[str, ...]
    """Sender addresses it may speak for; MAIL FROM and From must both be among them."""
    notices: NoticeWish = "summary"
    plaintext: bool = False
    """May hand over without TLS; only for a mail server on this machine."""

    @model_validator(mode="after")
    def _plain_only_on_this_machine(self) -> Relay:
        if self.plaintext and not all(network.is_loopback for network in self.networks):
            raise ValueError("plaintext is only for networks of this machine, such as 127.0.0.1/32")
        return self


class ClientCertificate(Section):
    """A mail server or system trusted by its TLS client certificate."""

    name: Name
    sha256: Fingerprint
    """Fingerprint of the certificate (DER), lower-case hex."""
    domains: tuple[str, ...]
    notices: NoticeWish = "summary"
    system: bool = False


class SmtpLimits(Section):
    message: Size = ByteSize(105_000_000)
    """Largest mail; announced as SIZE. 74 MB of files become about 100 MB of mail."""
    in_flight: Size = ByteSize(32 * 1024**2)
    """Bytes of mail held in memory over all sessions; beyond it DATA is answered 452."""
    recipients: Count = 100
    commands: Count = 1000
    """Of one session; then 421."""
    errors: Count = 10
    """Refused commands of one session; then 421."""
    logins: Count = 5
    """Wrong passwords from one address; then it is shut out, for 15 minutes at first."""
    login_delay: Seconds = timedelta(seconds=1)
    """Before the first wrong password is answered; the next ones wait two, three … times as long."""
    connections: Count = 500
    connections_per_address: Count = 20
    line: Count = 262_144
    """Longest line of a message, bytes. RFC 5321 asks for 998; real clients write longer ones."""
    command_timeout: Seconds = timedelta(seconds=60)
    data_timeout: Seconds = timedelta(seconds=60)
    """Longest silence inside DATA."""
    session: Seconds = timedelta(minutes=30)
    slowest: Size = ByteSize(500)
    """Bytes a second inside DATA, after 30 s."""


class Smtp(Section):
    host: str = "127.0.0.1"
    port: Port = 2525
    """STARTTLS; 0 lets the system choose."""
    tls_port: Port | None = None
    """Implicit TLS (RFC 8314)."""
    hostname: str = "localhost"
    domains: tuple[str, ...] = Field(min_length=1)
    """Domains whose addresses are letters: ``0101011234@<domain>``."""
    certificate: Path = Path("tls/smtp.crt")
    key: Path = Path("tls/smtp.key")
    client_ca: Path | None = None
    """Asks clients for a certificate; needed with ``client_certificates``."""
    users: Path = Path("users.toml")
    relays: tuple[Relay, ...] = ()
    client_certificates: tuple[ClientCertificate, ...] = ()
    addresses: tuple[AddressRule, ...] = ()
    limits: SmtpLimits = SmtpLimits()

    @model_validator(mode="after")
    def _certificates_need_a_ca(self) -> Smtp:
        if self.client_certificates and self.client_ca is None:
            raise ValueError("client_certificates needs client_ca, else no certificate is asked for")
        return self


class ReadLimits(Section):
    """Limits of parsing hostile mail (security.md, S8)."""

    header_bytes: Size = ByteSize(100 * 1024)
    headers: Count = 1000
    one_header: Size = ByteSize(16 * 1024)
    nesting: Count = 50
    parts: Count = 1000
    received: Count = 50
    time: Seconds = timedelta(seconds=30)
    batch_time: Seconds = timedelta(minutes=10)
    """For one merged PDF."""
    memory: Size = ByteSize(1536 * 1024**2)
    processes: int = Field(default=1, ge=1, le=16)


class ChannelLimits(Section):
    """Limits of Digital Post (reference, digital-post.md, section 3); checked before anything is promised."""

    title: int = Field(default=256, ge=1, le=256)
    title_hint: Count = 50
    """Longer titles are sent, with a hint to the submitter (the limit of the product users know)."""
    files: Count = 10
    total: Size = ByteSize(99_500_000)
    """Of the message as sent, base64 included; 10^6 bytes a MB, the stricter reading."""
    main_types: tuple[str, ...] = ("pdf",)
    attachment_types: tuple[str, ...] = ("pdf", "txt", "docx", "xlsx", "jpg", "jpeg", "png")


class DigitalPost(Section):
    base_url: HttpsUrl
    """``https://…/apis/v1``; the official hosts are production and test."""
    system_id: str
    token_file: Path = Path("secrets/digital-post.token")
    certificate: Path = Path("tls/digital-post.crt")
    key: Path = Path("tls/digital-post.key")
    ca: Path | None = None
    """Trust only this CA; None trusts the system's."""
    memo_version: Literal["1.1", "1.2"] = "1.1"
    in_flight: int = Field(default=4, ge=1, le=64)
    mass_from: Count = 50
    """Letters of one submission from which they are sent together, in containers of Digital Post's mass interface."""
    mass_messages: int = Field(default=200, ge=1, le=500)
    """Most messages of a container; making and sending one must fit into a lease."""
    mass_bytes: Size = ByteSize(90_000_000)
    """Most bytes of a container."""
    connect_timeout: Seconds = timedelta(seconds=10)
    timeout: Seconds = timedelta(seconds=30)
    """Of one whole request; a lease outlives it."""
    lookups: Literal["digital-post", "listed", "none"] = "digital-post"
    listed: Path | None = None
    """A file of reachable numbers, for ``lookups = "listed"``."""
    on_lookup_failure: Literal["wait", "send"] = "wait"
    receipts_every: Seconds = timedelta(seconds=10)
    receipt_overdue: Seconds = timedelta(hours=24)

    @model_validator(mode="after")
    def _lists_need_a_file(self) -> DigitalPost:
        if self.lookups == "listed" and self.listed is None:
            raise ValueError("lookups = \"listed\" needs listed, the file of reachable numbers")
        return self


class DropSettings(Section):
    """How dropped files become letters: of SFTP accounts and watched folders alike."""

    pair_timeout: Seconds = timedelta(minutes=10)
    """How long half of a pair (document, sidecar) waits for the other; then it is refused, and told so."""
    quiet: Seconds = timedelta(seconds=10)
    """How long a file must have been left alone where neither size, digest, rename nor marker says it is whole."""
    resume: Seconds = timedelta(hours=1)
    """How long the beginning of a cut upload is kept, so that it can be gone on with."""
    visible: Seconds = timedelta(minutes=10)
    """How long a taken file is still shown in ind/, for clients that look whether it arrived."""
    file: Size = ByteSize(100_000_000)
    """Largest file by SFTP; in a folder the channel's own limit decides."""
    waiting_files: Count = 100_000
    """Files of one account that wait to be taken; one more is refused."""
    waiting_bytes: Size = ByteSize(4 * 1024**3)


class SftpLimits(Section):
    connections: Count = 200
    unproved: Count = 100
    """Connections that have not logged in; beyond it the oldest is closed."""
    unproved_per_address: Count = 20
    connections_per_account: Count = 20
    handles: Count = 64
    """Open files of one connection."""
    logins: Count = 5
    """Wrong passwords from one address; then it may only log in by key, for 15 minutes at first."""
    login_delay: Seconds = timedelta(seconds=1)
    """Before the first wrong password is answered; the next ones wait two, three … times as long."""
    login_grace: Seconds = timedelta(seconds=30)
    """From the connection to the login."""
    keepalive: Seconds = timedelta(seconds=30)
    """Silence after which the client is asked whether it is still there; three times, then it is closed."""


class Sftp(Section):
    enabled: bool = False
    """Whether the gateway listens for SFTP."""
    host: str = "127.0.0.1"
    port: Port = 2222
    """0 lets the system choose."""
    host_keys: Path = Path("ssh")
    """Folder with the server's own keys; made at the first start. `gateway account keys` shows fingerprints."""
    accounts: Path = Path("accounts.toml")
    limits: SftpLimits = SftpLimits()


class WatchedFolder(Section):
    """A folder, local or a share, in which a system drops files."""

    name: Name
    path: Path
    """Holds ind/, kvittering/, fejl/, proeve/, skabelon/ and arkiv/, which are made if missing."""
    readiness: Literal["sidecar", "marker", "manifest", "stable"] = "sidecar"
    """What says that a drop is complete. ``stable``: a document may come alone."""
    sidecar: Literal["required", "optional"] = "required"
    polling: bool = False
    """True for CIFS and NFS, which tell no events."""
    every: Seconds = timedelta(seconds=5)
    """How often the folder is looked through, whatever the events say."""
    age: Seconds = timedelta(seconds=10)
    """How long a file must have been left alone before it is taken."""
    after: Literal["move", "delete"] = "move"
    """What happens to a file once it is taken; moved means to arkiv/YYYY/MM/."""
    by_folder: bool = False
    """A folder within ind/ is one drop."""
    flow: str = "default"
    lenient: bool = False
    """Fields of a sidecar that are not known are noted, not refused."""
    charset: Literal["utf-8", "windows-1252", "iso-8859-1"] | None = None
    """Of its sidecars; None: UTF-8."""
    receipt_addresses: tuple[str, ...] = ()
    """Mail addresses that a sidecar may name in kvittering_email."""


class Mail(Section):
    """Where our own mails (notices, later forwarded post) go out."""

    host: str = "127.0.0.1"
    port: Port = 25
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """``none`` is refused for any host but loopback."""
    ca: Path | None = None
    sender: str
    """From of notices, such as ``digitalpost@dp.example.dk``."""
    user: str | None = None
    password_file: Path | None = None
    per_sender_and_hour: Count = 60
    """Notices to one address in an hour; more wait."""

    @model_validator(mode="after")
    def _never_in_the_clear(self) -> Mail:
        if self.tls == "none" and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("tls = \"none\" is only for a mail server on this machine")
        return self

    @model_validator(mode="after")
    def _user_and_password_go_together(self) -> Mail:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together; one of them is missing")
        return self


class Split(Section):
    """How a merged PDF becomes letters (reference, pdf.md, section 4). Lengths in millimetres."""

    by: Literal["learned", "place", "every-page", "marker", "bookmarks", "count", "list"] = "learned"
    """What says where a letter begins: ``learned``, the place where recipients' numbers stand, found by itself;
    ``place``, the one given below; ``every-page``, as learned, with a number on every page; ``marker``; ``bookmarks`` of
    the first level; ``count`` pages each; ``list``, a CSV file beside it."""
    place: tuple[float, float, float, float] | None = None
    """Left, top, width and height of the place, from the top left corner of the page as it is shown."""
    pages: Count | None = None
    """Pages of each letter, with ``count``."""
    marker: str = "@@DP:"
    """What begins a marker: ``@@DP:cpr=0101011234@@``."""
    own_numbers: tuple[str, ...] = ()
    """CVR numbers that stand in the foot of every letter, besides the organisation's own."""
    remove_numbers: bool = False
    """Take the recipients' CPR numbers out of their letters."""
    partly: bool = False
    """Send the letters that are certain, although others of the file must wait for a person."""
    signed: bool = False
    """Divide files that are signed digitally; their signatures are lost."""
    approve_over: int = Field(default=100, ge=0)
    """So many letters of one file are sent without a second person looking at them first."""

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Split:
        if self.by == "place" and self.place is None:
            raise ValueError('by = "place" needs place, such as place = [120, 20, 60, 10]')
        if self.by == "count" and self.pages is None:
            raise ValueError('by = "count" needs pages, such as pages = 2')
        return self


class Flow(Section):
    """What ``send+NAME@`` means. The flow ``default`` always exists."""

    recipient_from: tuple[Literal["address", "header"], ...] = ("address", "header")
    """Places a recipient may stand; those that disagree reject the mail."""
    case: str | None = None
    plan: str | None = None
    reply_allowed: bool = False
    sender_label: str | None = None
    body_is_letter: bool = False
    """A mail without a document: its text becomes the main document (as text file)."""
    split: Split | None = None
    """Set: its PDF is a merged one, and becomes a letter for each number in it."""


class RecipientSystem(Section):
    """A recipient system (modtagersystem) of ours at Digital Post: REST pull, or push."""

    name: Name
    """For the log, and for `mailbox` in what is shown."""
    system_id: str
    token_file: Path
    certificate: Path | None = None
    """Not set: that of `[digital_post]`, with its key."""
    key: Path | None = None
    push: bool = False
    """It is not asked: Digital Post hands its messages to ``/NAME/memos`` of `[push]`."""


class ImapMailbox(Section):
    """A mailbox that carries post to us: MeMo as ``.xml`` or ``.tar.lzma``, or documents in plain mails."""

    name: Name
    host: str
    port: Port = 993
    tls: Literal["implicit", "starttls"] = "implicit"
    """Never without."""
    ca: Path | None = None
    user: str
    secret_file: Path
    """Password; with ``oauth`` the access token, read again at each login."""
    oauth: bool = False
    """XOAUTH2 instead of a password."""
    folder: str = "INBOX"
    done: str = "Behandlet"
    """Folder that mails are moved to when they are written down; made if it is missing."""
    failed: str = "Ikke post"
    """Folder for what is no post to us."""


class Inbound(Section):
    """Post to us."""

    systems: tuple[RecipientSystem, ...] = ()
    imap: tuple[ImapMailbox, ...] = ()
    every: Seconds = timedelta(seconds=30)
    """How often each mailbox is looked into; an IMAP server says besides when something came."""
    silent: Seconds = timedelta(hours=24)
    """A mailbox that does not answer for so long is alarmed about; Digital Post switches it off after 7 days."""
    default: str | None = None
    """Department of post whose rule names one that is not there; not set: Indbakke."""
    own_domains: tuple[str, ...] = ()
    """Mail domains of the organisation: an address in them that a sender named is honoured."""
    distributors: tuple[str, ...] = ()
    """Mail addresses of those who distribute; told at 8 o'clock what lies in Indbakke, and when a mail comes back."""
    remind: Seconds = timedelta(hours=8)
    """Time of a department's own hours after which it is reminded of post that nobody opened; 0: never. Only where
    `[links]` are on: without them nobody can be seen to open anything."""
    escalate: Seconds = timedelta(hours=16)
    """Such time after which its substitute gets the post, and the distributors are told; 0: never."""
    attach: Size = ByteSize(20_000_000)
    """Documents of a message that may be attached to a mail."""
    case: str = "POST-{year}"
    """Case for post whose rule names none; ``{year}`` is filled in."""
    templates: Path | None = None
    """A folder whose ``forward.txt`` and ``forward.html`` win over ours."""


class Links(Section):
    """Pages behind the links in mails to departments, for post that is not attached."""

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 8025
    url: str = ""
    """What the department's browser calls it: ``https://…``, without a slash at the end; not set: host and port."""
    certificate: Path | None = None
    """Not set: that of ``[smtp]``, with its key."""
    key: Path | None = None
    lasts: Seconds = timedelta(days=14)
    """How long a link leads anywhere."""


class Push(Section):
    """A server that Digital Post hands messages to (REST push), for systems that are not asked. It asks every client for
    a certificate.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 8026
    certificate: Path | None = None
    """Not set: that of ``[smtp]``, with its key."""
    key: Path | None = None
    client_ca: Path | None = None
    """Authorities that signed the certificate which Digital Post shows."""
    clients: tuple[Fingerprint, ...] = ()
    """SHA-256 of that certificate (DER), lower-case hex; the next one beside it before it changes. Anybody in Denmark can
    have a certificate of the same authorities."""

    @model_validator(mode="after")
    def _never_from_just_anybody(self) -> Push:
        if self.enabled and (self.client_ca is None or not self.clients):
            raise ValueError("enabled needs client_ca and clients, else anybody could hand over post")
        return self


class Retry(Section):
    first: tuple[Seconds, ...] = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60))
    """Waits after the first tries (F13); then hourly with jitter."""
    give_up: Seconds = timedelta(hours=24)


class Archive(Section):
    default_case: str = "DP-{year}"
    """Case for letters that name none; ``{year}`` and ``{flow}`` are filled in."""


class RulesGuard(Section):
    """Stops a rule that suddenly matches many times more than it used to."""

    pause: bool = True
    """Whether rules that send or forward are watched; false: they never pause themselves."""
    factor: Count = 10
    """So many times the median of the last 30 days is too much."""
    minimum: Count = 50
    """Matches of a day that are never too many."""
    history: Count = 5
    """Days with matches before a rule is judged at all."""


class Rules(Section):
    path: Path | None = None
    """A rules file, or a folder of them. Not set: send and archive what Digital Post reaches, hold the
    rest. Decides from the first start; later changes decide after `gateway rules activate`."""
    second_approver: bool = False
    """Whether a second person must approve before new rules decide."""
    closed_days: tuple[date, ...] = ()
    """Days that are no bank days here, besides weekends and Danish bank holidays."""
    tell: tuple[str, ...] = ()
    """Mail addresses that are told when a rule is paused."""
    guard: RulesGuard = RulesGuard()


class Settings(Section):
    """The whole file."""

    home: Path
    environment: Literal["demo", "test", "production"] = "demo"
    """``production`` is the only value under which real hosts are used, or test numbers refused."""
    organisation: Organisation
    storage: Storage = Storage()
    smtp: Smtp
    read: ReadLimits = ReadLimits()
    channel: ChannelLimits = ChannelLimits()
    digital_post: DigitalPost
    mail: Mail
    drops: DropSettings = DropSettings()
    sftp: Sftp = Sftp()
    folders: tuple[WatchedFolder, ...] = ()
    archive: Archive = Archive()
    inbound: Inbound = Inbound()
    links: Links = Links()
    push: Push = Push()
    rules: Rules = Rules()
    flows: dict[str, Flow] = Field(default_factory=dict)
    retry: Retry = Retry()
    lease: Seconds = timedelta(seconds=60)
    """How long a piece of work belongs to one worker; longer than any one network call."""
    poll: Seconds = timedelta(seconds=1)
    """How often the ledger is asked for due work when nothing else wakes the workers."""

    @property
    def allow_test_numbers(self) -> bool:
        return self.environment != "production"

    def all_flows(self) -> dict[str, Flow]:
        """Every flow by name, ``default`` included."""
        return {"default": Flow(), **self.flows}

    def path(self, path: Path) -> Path:
        """*path* seen from the home."""
        return path if path.is_absolute() else self.home / path

    @model_validator(mode="after")
    def _lease_outlives_the_call(self) -> Settings:
        longest = self.digital_post.connect_timeout + self.digital_post.timeout
        if self.lease <= longest:
            raise ValueError(
                "lease must be longer than [digital_post] connect_timeout + timeout, "
                f"which are {longest.total_seconds():g} s together"
            )
        return self

    @model_validator(mode="after")
    def _folders_are_distinct(self) -> Settings:
        names = [folder.name for folder in self.folders]
        places = [self.path(folder.path).absolute() for folder in self.folders]
        if len(set(names)) != len(names) or len(set(places)) != len(places):
            raise ValueError("two [[folders]] have the same name or the same path")
        return self

    @model_validator(mode="after")
    def _production_is_said_aloud(self) -> Settings:
        real = "api.digitalpost.dk" in self.digital_post.base_url
        if real and self.environment != "production":
            raise ValueError(
                '[digital_post] base_url is the production system; set environment = "production" to mean it'
            )
        return self

    @model_validator(mode="after")
    def _sender_number_is_real(self) -> Settings:
        if not self.allow_test_numbers and not cvr.is_valid(self.organisation.cvr):
            raise ValueError("[organisation] cvr is no real CVR number: its check digit does not fit")
        return self
