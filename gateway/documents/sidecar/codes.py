"""What faults are called in answers to systems: words that programs can tell apart (sidecar.md, D4)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import errors
from gateway.documents.sidecar.tree import of_files
from gateway.errors import Fault, GatewayError
from gateway.model.drop import DropFault

_CODES: dict[type[GatewayError], str] = {
    errors.UploadCut: "UPLOAD_AFBRUDT",
    errors.EmptyFile: "FIL_TOM",
    errors.LockedPdf: "FIL_ULAESELIG",
    errors.DamagedPdf: "FIL_ULAESELIG",
    errors.ReaderLimit: "FIL_ULAESELIG",
    errors.FileTypeNotAllowed: "TYPE_AFVIST",
    errors.ContentMismatch: "TYPE_AFVIST",
    errors.TooLarge: "FOR_STOR",
    errors.TooManyFiles: "FOR_STOR",
    errors.SidecarMissing: "SIDECAR_MANGLER",
    errors.SidecarUnreadable: "SIDECAR_ULAESELIG",
    errors.SidecarAmbiguous: "SIDECAR_TVETYDIG",
    errors.UnknownField: "FELT_UKENDT",
    errors.FieldTwice: "FELT_UKENDT",
    errors.BadField: "FELT_UKENDT",
    errors.FieldMissing: "FELT_MANGLER",
    errors.NoTitle: "FELT_MANGLER",
    errors.TitleTooLong: "EMNE_FOR_LANGT",
    errors.CprLostZero: "CPR_9_CIFRE",
    errors.InvalidCpr: "CPR_UGYLDIG",
    errors.ReplacementCpr: "CPR_UGYLDIG",
    errors.InvalidCvr: "CVR_UGYLDIG",
    errors.InvalidPNumber: "CVR_UGYLDIG",
    errors.RecipientUnclear: "MODTAGER_UKLAR",
    errors.DocumentMissing: "BILAG_MANGLER",
    errors.NoDocument: "BILAG_MANGLER",
    errors.DocumentUnexpected: "BILAG_UVENTET",
    errors.DocumentDiffers: "SHA_FORKERT",
    errors.UnsafePath: "IKKE_TILLADT",
    errors.CprInTitle: "IKKE_TILLADT",
    errors.CprInFileName: "IKKE_TILLADT",
    errors.ReceiptAddressNotAllowed: "IKKE_TILLADT",
    errors.CountDiffers: "BATCH_STOPPET",
    errors.ReferenceConflict: "KONFLIKT",
    errors.NoRuleMatched: "INGEN_REGEL",
    errors.Expired: "UDLOEBET",
}


def code_of(error: GatewayError) -> str:
    """The word for *error*; ``KANAL_AFVIST`` for what only the channel can say."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "KANAL_AFVIST")


def word_of(code: str) -> str:
    """The word for the error with *code*, such as ``GW-303``."""
    return next((word for kind, word in _CODES.items() if kind.code == code), "KANAL_AFVIST")


def told(faults: Sequence[Fault]) -> tuple[DropFault, ...]:
    """*faults* as they are told to the system."""
    return tuple(_told(fault) for fault in faults)


def _told(fault: Fault) -> DropFault:
    error = fault.error
    text = of_files(error.text())
    named = error.private and error.private not in (fault.file, "")
    return DropFault(
        kode=code_of(error),
        gw=error.code,
        fil=fault.file,
        felt=fault.field,
        linje=fault.line,
        tekst=f"{text} (»{error.private}«)" if named else text,
        goer_saadan=of_files(error.action()),
        proeves_igen=error.temporary,
    )
