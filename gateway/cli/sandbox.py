"""``gateway sandbox``: a Digital Post to try against, what its citizens got, its dials, a mail sink."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from gateway import log

DEFAULT_PORT = 8443
DEFAULT_SINK_PORT = 2526


def _folder() -> Path:
    """The sandbox's folder in the gateway's home."""
    home: Path = click.get_current_context().obj.home
    return home / "sandbox"


@click.group(invoke_without_command=True)
@click.pass_context
def sandbox(ctx: click.Context) -> None:
    """A Digital Post to try against; nothing in it reaches a real person.

    Without a command it is `sandbox serve`.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(serve)


@sandbox.command()
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="0 lets the system choose.")
@click.option(
    "--delay", type=click.FloatRange(min=0), help="Seconds to the business receipt; default 2."
)
@click.option(
    "--xsd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with the official MeMo_core.xsd: messages are checked against it as well.",
)
def serve(port: int, delay: float | None, xsd: Path | None) -> None:
    """Run the sandbox on loopback until Ctrl-C."""
    from gateway.sandbox.official_schema import official_schema
    from gateway.sandbox.running import start_in_thread

    check = official_schema(xsd) if xsd else None
    running = start_in_thread(_folder(), port=port, delay=delay, extra_check=check)
    click.echo("SANDBOX - not Digital Post. Nothing here reaches a real person.")
    click.echo(f"base_url     {running.base_url}")
    click.echo(f"system_id    {running.system}")
    click.echo(f"token_file   {running.folder / 'token'}")
    click.echo(f"certificate  {running.cert}")
    click.echo(f"key          {running.key}")
    click.echo(f"ca           {running.ca}")
    click.echo(f"All of it for programs: {running.folder / 'endpoints.json'}")
    _until_stopped("sandbox", running.port, running.stop)


@sandbox.command()
@click.argument("number", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def inbox(number: str | None, *, as_json: bool) -> None:
    """Show what a citizen or company got.

    NUMBER is a CPR or CVR number; `-` reads it from stdin, and without it you are asked.
    """
    from gateway.sandbox.inbox import read_inbox

    messages = read_inbox(_folder(), _number(number))
    if as_json:
        click.echo(json.dumps({"messages": messages}, ensure_ascii=False, indent=2))
        return
    click.echo("SANDBOX - not Digital Post.")
    if not messages:
        click.echo("Nothing has arrived.")
    for message in messages:
        click.echo(f"\n{message['received_at']}  {message['title']}")
        click.echo(f"  from {message['sender']}, {message['uuid']}")
        for file in message["files"]:
            click.echo(f"  {file['name']} ({file['size']} bytes): {file['path']}")


@sandbox.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to-cvr", required=True, help="The company it is for.")
@click.option("--from", "sender", default="Skatteforvaltningen", show_default=True, help="Name of the authority.")
@click.option("--from-cvr", default="19552101", show_default=True, help="Its CVR number.")
@click.option("--title", default="Brev", show_default=True, help="What the message is about.")
@click.option("--p-number", help="P-number (production unit).")
@click.option("--attention", help="A person it is for the attention of.")
@click.option("--attention-email", help="A mail address it is for the attention of.")
@click.option("--code", help="The sender's own code of this kind of message.")
@click.option("--case", help="The sender's case number.")
@click.option("--answers", help="UUID of the message it answers.")
@click.option("--reply", is_flag=True, help="The sender allows a reply.")
@click.option("--push", "push_to", metavar="URL", help="Hand it to a server of the recipient's, instead of waiting to be asked.")
@click.option("--realistic", is_flag=True, help="Post 40 messages as authorities write them, and nothing else.")
def post(
    files: tuple[Path, ...], *, realistic: bool, to_cvr: str, sender: str, title: str, push_to: str | None, **tags: Any
) -> None:
    """Post a message to a company, as an authority would. FILES: the main document first; none: a made-up page.

    Prints the UUID of each message.
    """
    from gateway.sandbox.posting import Letter
    from gateway.sandbox.posting import post as lay_out
    from gateway.sandbox.realistic import as_files, page, realistic_letters

    if realistic:
        for letter in realistic_letters(to_cvr):
            click.echo(lay_out(_folder(), letter))
        return
    letter = Letter(
        to_cvr=to_cvr, from_cvr=tags["from_cvr"], from_name=sender, title=title,
        files=as_files(files) if files else (page(sender, title),), p_number=tags["p_number"],
        attention_person=tags["attention"], attention_email=tags["attention_email"], message_code=tags["code"],
        case=tags["case"], answers=tags["answers"], reply=tags["reply"],
    )  # fmt: skip
    uuid = lay_out(_folder(), letter, listed=push_to is None)
    click.echo(uuid)
    if push_to is not None:
        _push(uuid, push_to)


def _push(uuid: str, url: str) -> None:
    """Exits with 1 if it was not taken."""
    import httpx2

    from gateway.sandbox.authority import Authority
    from gateway.sandbox.pushing import push

    try:
        status = push(_folder(), uuid, url, Authority.open(_folder() / "ca"))
    except httpx2.HTTPError as error:
        raise click.ClickException(f"not answered: {type(error).__name__}") from None
    if status != HTTPStatus.OK:
        raise click.ClickException(f"not taken: {status}")


@sandbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def posted(*, as_json: bool) -> None:
    """Show what was posted to companies, and what their recipient system answered."""
    from gateway.sandbox.posting import read_posted

    found = read_posted(_folder())
    if as_json:
        click.echo(json.dumps({"messages": found}, ensure_ascii=False, indent=2))
        return
    for one in found:
        listed = ", still listed" if one["listed"] else ""
        click.echo(f"{one['posted_at'][:19]}  {one['uuid']}  {one['state']}{listed}  {one.get('title', '')}")


@sandbox.command()
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--reset", is_flag=True, help="Turn everything off first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def dial(settings: tuple[str, ...], *, reset: bool, as_json: bool) -> None:
    """Turn dials of the sandbox, running or not; without any, show where they stand.

    A fault's VALUE is HOW_OFTEN[,ARGUMENT]: off, always, a count (3) or a probability (20%), such as
    unavailable=3, throttled=20%,30 or contacts.unavailable=always. NAME=- reads VALUE from stdin:
    use it for lists that hold CPR numbers, such as exempt=-.
    """
    from gateway.model.identity import mask_numbers
    from gateway.sandbox.dials import Dials, every_dial

    dials = Dials(_folder())
    changes = dict(map(_change, settings))
    if reset:
        dials.reset()
    if changes:
        dials.update(changes)
    values = dials.values()
    if as_json:
        click.echo(json.dumps({"dials": values}, ensure_ascii=False, indent=2))
        return
    for name, does in every_dial().items():
        click.echo(f"{name:24} {mask_numbers(values.get(name, 'off')):12} {does}")


@sandbox.command()
@click.option(
    "--port", default=DEFAULT_SINK_PORT, show_default=True, help="0 lets the system choose."
)
def sink(port: int) -> None:
    """Run the mail sink on loopback until Ctrl-C: every mail is kept in a Maildir, none sent on."""
    from gateway.sandbox.authority import Authority
    from gateway.sandbox.sink import start_sink

    folder = _folder()
    running = start_sink(folder.parent / "sink", Authority.open(folder / "ca"), port=port)
    click.echo("SANDBOX mail sink: every mail is kept, none is sent on.")
    click.echo(f"smtp     {running.host}:{running.port} (STARTTLS)")
    click.echo(f"ca       {running.ca}")
    click.echo(f"maildir  {running.maildir}")
    _until_stopped("sink", running.port, running.stop)


def _number(number: str | None) -> str:
    if number == "-":
        return sys.stdin.readline()
    return number or str(click.prompt("CPR or CVR number", hide_input=True))


def _change(setting: str) -> tuple[str, str]:
    name, equals, value = setting.partition("=")
    if not equals:
        # Not quoted: it may be a number somebody forgot the name of.
        raise click.UsageError("expected NAME=VALUE")
    return name, sys.stdin.readline().strip() if value == "-" else value


def _until_stopped(node: str, port: int, stop: Callable[[], None]) -> None:
    """Wait for Ctrl-C or SIGTERM, then end in order."""
    from gateway import __version__

    ended = threading.Event()

    def end(*_: Any) -> None:
        ended.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    sys.stdout.flush()
    log.started(version=__version__, environment="sandbox", node=node, port=port)
    ended.wait()
    stop()
    log.stopped(node=node)
