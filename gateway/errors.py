"""The tree of errors: what went wrong, whether it will pass, and what its reader should do.

    GatewayError
    ├── SubmitterError    the person or system that handed us post can mend it (permanent)
    ├── RemoteError       somebody we depend on said no, or said nothing
    ├── OurError          our disk, our ledger, our bug (always temporary to the outside)
    └── OperatorError     settings and commands

One module, although longer than most: the codes must be seen beside each other to stay unique.
Texts a submitter reads are Danish, the rest English. A text may hold counts, limits, codes and
masked numbers; never a CPR number, a title, a name or a file name. What a notice may show to its
own sender and nobody else goes in *private* and never into ``str()`` or ``repr()``.
Unknown means temporary (STYLE.md, section 6). ``docs/reference/errors.md`` lists every code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


class GatewayError(Exception):
    """Something a reader of a notice, a receipt, a log or a terminal must know about.

    Args:
        private: values only the submitter may see (a file name); kept out of str() and repr().
        facts: values for the sentence and the remedy; safe for everybody (counts, limits, codes).
    """

    code: ClassVar[str] = "GW-500"
    title: ClassVar[str] = "Fejl hos os"
    sentence: ClassVar[str] = "Something went wrong in the gateway."
    remedy: ClassVar[str] = "Nothing to do yet: it is tried again."
    temporary: ClassVar[bool] = True

    def __init__(self, *, private: str = "", **facts: object) -> None:
        self.private = private
        self.facts = facts
        super().__init__(f"{self.code}: {self.text()} {self.action()}".rstrip())

    def text(self) -> str:
        """The one sentence that says what happened."""
        return self.sentence.format(**self.facts)

    def action(self) -> str:
        """What the reader should do next."""
        return self.remedy.format(**self.facts)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross from the parsing process to ours; keyword arguments need help to.
        return (_rebuild, (type(self), self.private, self.facts))


def _rebuild(kind: type[GatewayError], private: str, facts: dict[str, object]) -> GatewayError:
    return kind(private=private, **facts)


# ── the submitter can mend it ───────────────────────────────────────────────


class SubmitterError(GatewayError):
    """Permanent, and the submitter is told in Danish what to do."""

    temporary = False


class NoDocument(SubmitterError):
    code = "GW-201"
    title = "Intet dokument"
    sentence = "Mailen indeholder intet dokument, der kan sendes."
    remedy = "Vedhæft brevet som PDF, og send mailen igen."


class LockedPdf(SubmitterError):
    code = "GW-202"
    title = "PDF er låst"
    sentence = "Et dokument er låst med en adgangskode, så modtageren kan ikke åbne det."
    remedy = "Gem dokumentet uden adgangskode, og send mailen igen."


class FileTypeNotAllowed(SubmitterError):
    code = "GW-203"
    title = "Filtype ikke tilladt"
    sentence = "En vedhæftet fil har en type, som Digital Post ikke tager imod."
    remedy = "Gem filen som PDF, og send mailen igen. Tilladte typer: {allowed}."


class TooManyFiles(SubmitterError):
    code = "GW-204"
    title = "For mange filer"
    sentence = "Brevet har {count} filer; grænsen er {limit}."
    remedy = "Saml bilagene i færre filer, og send mailen igen."


class TooLarge(SubmitterError):
    code = "GW-205"
    title = "For stor"
    sentence = "Brevet fylder {size_mb} MB, som det sendes; grænsen er {limit_mb} MB."
    remedy = "Gør filerne mindre, eller del dem på flere breve."


class EmptyFile(SubmitterError):
    code = "GW-206"
    title = "Tom fil"
    sentence = "En vedhæftet fil er tom (0 byte)."
    remedy = "Vedhæft filen igen, og kontrollér, at den kan åbnes."


class ContentMismatch(SubmitterError):
    code = "GW-207"
    title = "Fil og filtype passer ikke sammen"
    sentence = "Indholdet af en vedhæftet fil er ikke det, som filnavnet siger."
    remedy = "Åbn filen i det program, den hører til, gem den som PDF, og send mailen igen."


class OutlookContainer(SubmitterError):
    code = "GW-208"
    title = "Vedhæftet som winmail.dat"
    sentence = "Mailen er sendt i Outlooks eget format (winmail.dat), så filerne ikke kan læses."
    remedy = "Vælg formatet HTML eller almindelig tekst i Outlook, og send mailen igen."


class EncryptedMail(SubmitterError):
    code = "GW-209"
    title = "Krypteret mail"
    sentence = "Mailen er krypteret, og vi kan ikke læse den."
    remedy = "Send mailen uden kryptering (S/MIME); forbindelsen hertil er allerede krypteret."


class CalendarInvitation(SubmitterError):
    code = "GW-210"
    title = "Mødeindkaldelse"
    sentence = "En mødeindkaldelse kan ikke sendes som Digital Post."
    remedy = "Skriv indkaldelsen som brev, vedhæft det som PDF, og send det i en ny mail."


class ForwardedMail(SubmitterError):
    code = "GW-211"
    title = "Mail vedhæftet som fil"
    sentence = "Der er vedhæftet en hel mail; den kan ikke sendes som et brev."
    remedy = "Gem de filer, som modtageren skal have, vedhæft dem direkte, og send mailen igen."


class DamagedMail(SubmitterError):
    code = "GW-212"
    title = "Mailen er beskadiget"
    sentence = "Mailen er lavet eller ændret på en måde, så vi ikke kan læse den sikkert."
    remedy = "Lav en ny mail, vedhæft filerne igen, og send den."


class TooComplex(SubmitterError):
    code = "GW-213"
    title = "Mailen kan ikke læses"
    sentence = "Mailen er sat sammen på en måde, så vi ikke kan læse den sikkert."
    remedy = "Lav en helt ny mail i stedet for at videresende, vedhæft brevet som PDF, og send den."


class DamagedPdf(SubmitterError):
    code = "GW-214"
    title = "PDF er beskadiget"
    sentence = "Et PDF-dokument kan ikke åbnes."
    remedy = "Lav PDF-filen igen, kontrollér, at den kan åbnes, og send mailen igen."


class SplitMail(SubmitterError):
    code = "GW-215"
    title = "Delt mail"
    sentence = "Mailen er delt i stykker eller peger på filer, der ligger et andet sted."
    remedy = "Vedhæft selve filerne, og send mailen igen."


class NotALetter(SubmitterError):
    """Bounces, automatic replies, lists: kept and logged, never answered (F35, F64)."""

    code = "GW-216"
    title = "Ikke et brev"
    sentence = "Automatisk post bliver aldrig til breve ({what})."
    remedy = "Der er intet at gøre."


class SenderUnclear(SubmitterError):
    code = "GW-217"
    title = "Afsender uklar"
    sentence = "Mailen har ikke præcis én afsenderadresse i feltet Fra."
    remedy = "Send mailen igen fra din egen postkasse."


class SignedContainer(SubmitterError):
    """S/MIME that is signed only, with the mail inside the signature."""

    code = "GW-218"
    title = "Signeret mail"
    sentence = "Mailen er signeret på en måde, så vi ikke kan læse filerne."
    remedy = "Send mailen uden digital signatur, eller vælg »klartekst-signeret« i Outlook."


class NoTitle(SubmitterError):
    code = "GW-220"
    title = "Emne mangler"
    sentence = "Mailen har intet emne; emnet bliver brevets titel."
    remedy = "Skriv et emne, og send mailen igen."


class TitleTooLong(SubmitterError):
    code = "GW-221"
    title = "Emnet er for langt"
    sentence = "Emnet er {count} tegn; grænsen er {limit}."
    remedy = "Gør emnet kortere, og send mailen igen."


class CprInTitle(SubmitterError):
    code = "GW-222"
    title = "CPR-nummer i emnet"
    sentence = (
        "Emnet indeholder et CPR-nummer. Emnet kan ses uden for den sikre postkasse, "
        "så det må ikke indeholde CPR-numre."
    )
    remedy = "Ret emnet, og send mailen igen."


class UnknownTag(SubmitterError):
    code = "GW-223"
    title = "Ukendt mærke i emnet"
    sentence = "Emnet har et mærke i kantede parenteser, som vi ikke kender."
    remedy = "{hint} Ret eller fjern mærket, og send mailen igen."


class BadTagValue(SubmitterError):
    code = "GW-224"
    title = "Fejl i et mærke i emnet"
    sentence = "Det, der står efter kolon i mærket [{tag}:…] i emnet, kan ikke bruges."
    remedy = "Skriv {expected}, og send mailen igen."


class CprInFileName(SubmitterError):
    code = "GW-225"
    title = "CPR-nummer i filnavn"
    sentence = "Et filnavn indeholder et CPR-nummer. Filnavne kan ses uden for den sikre postkasse."
    remedy = "Giv filen et andet navn, og send mailen igen."


class MemoRulesBroken(SubmitterError):
    """Reading checks every limit before; this is the last net, just before a message is written."""

    code = "GW-226"
    title = "Brevet følger ikke reglerne"
    sentence = "Brevet følger ikke reglerne for Digital Post ({element}: {rule})."
    remedy = "Ret det, der er nævnt, og send brevet igen."


# ── sidecars: files that say what is to be done with other files ────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault in what a system handed over, and where it stands."""

    error: GatewayError
    file: str = field(default="", repr=False)
    """Name of the file, as the system wrote it: for its own eyes."""
    field: str = ""
    """Ours, dotted, such as ``modtager.id``; never a name that the file made up."""
    line: int | None = None
    """From 1."""


class SidecarRefused(SubmitterError):
    """All faults of what was handed over together, in *faults*; *private* has them as lines."""

    code = "GW-230"
    title = "Følgefilen kan ikke bruges"
    sentence = "Der er {count} fejl i følgefilen eller i de filer, den hører til. Intet er sendt."
    remedy = "Ret det, der står ved hver fejl, og læg filerne op igen."

    @property
    def faults(self) -> tuple[Fault, ...]:
        found = self.facts["faults"]
        assert isinstance(found, tuple)
        return found


class SidecarUnreadable(SubmitterError):
    code = "GW-231"
    title = "Følgefilen kan ikke læses"
    sentence = "Følgefilen kan ikke læses som {format}: {what}."
    remedy = "{mend} Læg så filen op igen."


class SidecarAmbiguous(SubmitterError):
    code = "GW-232"
    title = "Uklart, hvad der hører sammen"
    sentence = "Det er ikke entydigt, hvilke filer der hører sammen: {what}."
    remedy = "Lad præcis én følgefil nævne dokumentet, og læg filerne op igen."


class SidecarMissing(SubmitterError):
    code = "GW-233"
    title = "Følgefil mangler"
    sentence = "Der kom et dokument uden den følgefil, som siger, hvem det er til."
    remedy = "Læg dokumentet op igen sammen med en følgefil, dokumentet først; skabelon/ har eksempler."


class UnknownField(SubmitterError):
    code = "GW-234"
    title = "Ukendt felt"
    sentence = "Følgefilen har et felt, som vi ikke kender."
    remedy = "{hint} Ret eller fjern feltet, og læg filerne op igen."


class FieldMissing(SubmitterError):
    code = "GW-235"
    title = "Felt mangler"
    sentence = "Feltet {field} mangler i følgefilen."
    remedy = "Skriv det i følgefilen, og læg filerne op igen."


class FieldTwice(SubmitterError):
    code = "GW-236"
    title = "Felt står flere gange"
    sentence = "Feltet {field} står mere end én gang i følgefilen."
    remedy = "Lad det stå én gang, og læg filerne op igen."


class BadField(SubmitterError):
    code = "GW-237"
    title = "Fejl i et felt"
    sentence = "Det, der står i feltet {field}, kan ikke bruges."
    remedy = "Skriv {expected}, og læg filerne op igen."


class CprLostZero(SubmitterError):
    """Excel, YAML and programs that read numbers drop the zero; it is never put back silently."""

    code = "GW-238"
    title = "CPR-nummer med 9 cifre"
    sentence = "Et CPR-nummer har 9 cifre; det foranstillede nul mangler."
    remedy = "Gem nummeret som tekst med alle 10 cifre, og læg filerne op igen."


class RecipientUnclear(SubmitterError):
    code = "GW-239"
    title = "Uklart, hvem brevet er til"
    sentence = "Følgefilen siger ikke entydigt, hvem brevet er til."
    remedy = "Skriv {expected}, og læg filerne op igen."


class DocumentMissing(SubmitterError):
    code = "GW-240"
    title = "Fil mangler"
    sentence = "En fil, som følgefilen nævner, er ikke kommet."
    remedy = "Læg alle de filer op, som følgefilen nævner, og følgefilen til sidst."


class DocumentUnexpected(SubmitterError):
    code = "GW-241"
    title = "Uventet fil"
    sentence = "Der ligger en fil, som følgefilen ikke nævner."
    remedy = "Nævn filen i følgefilen, eller læg den et andet sted, og læg filerne op igen."


class DocumentDiffers(SubmitterError):
    code = "GW-242"
    title = "Filen er ikke den, der er beskrevet"
    sentence = "En fil passer ikke med følgefilen ({what})."
    remedy = "Filen er måske afbrudt undervejs eller lavet om. Læg den op igen, og følgefilen til sidst."


class UnsafePath(SubmitterError):
    code = "GW-243"
    title = "Filnavn kan ikke bruges"
    sentence = "Følgefilen nævner en fil ved en sti eller et navn, som vi ikke tager imod."
    remedy = "Skriv kun filens navn, uden mappe, drev eller skråstreg, og læg filerne op igen."


class CountDiffers(SubmitterError):
    code = "GW-244"
    title = "Antallet passer ikke"
    sentence = "Følgefilen har {count} forsendelser, men siger selv {told}."
    remedy = "Lav listen igen, så alle linjer er med, og læg den op igen."


class Expired(SubmitterError):
    code = "GW-245"
    title = "Udløbet"
    sentence = "Den tid, som brevet skulle være sendt inden (udloeber), er forbi."
    remedy = "Skriv en senere tid, eller fjern feltet, og læg filerne op igen."


class ReceiptAddressNotAllowed(SubmitterError):
    code = "GW-246"
    title = "Kvitteringsadressen er ikke tilladt"
    sentence = "Adressen i feltet kvittering_email er ikke en, som denne konto må få kvitteringer sendt til."
    remedy = "Fjern feltet, eller bed den, der driver systemet, om at tilføje adressen."


class UploadCut(SubmitterError):
    code = "GW-247"
    title = "Afbrudt upload"
    sentence = "Forbindelsen blev afbrudt, før filen var hel. Intet er taget ind."
    remedy = "Læg filen op igen, og kontrollér, at den får sit endelige navn til sidst."


class ReferenceConflict(SubmitterError):
    """Never sent and never called a repeat: somebody must look (F9)."""

    code = "GW-248"
    title = "Samme nummer, andet indhold"
    sentence = "Nummeret i forsendelses_id er brugt før til en forsendelse med andet indhold."
    remedy = "Giv forsendelsen et nyt nummer, hvis den er ny. Er det den samme, så send den uændret."


class TooManyPages(SubmitterError):
    code = "GW-250"
    title = "For mange sider"
    sentence = "Samlefilen har {count} sider; grænsen er {limit}."
    remedy = "Del filen i flere, og send dem hver for sig."


class SignedPdf(SubmitterError):
    """No digital signature survives a cut: it covers the bytes of the whole file."""

    code = "GW-251"
    title = "Samlefilen er underskrevet"
    sentence = "Samlefilen er underskrevet digitalt, og underskriften kan ikke bevares, når filen deles i breve."
    remedy = "Send filen som ét brev, eller send en udgave uden underskrift."


class NothingToSplit(SubmitterError):
    code = "GW-252"
    title = "Ingen samlefil"
    sentence = "Forløbet deler en samlefil i breve, men forsendelsen har ingen PDF, der kan deles."
    remedy = "Vedhæft samlefilen som PDF, og send den igen."


class BadRecipientList(SubmitterError):
    code = "GW-253"
    title = "Modtagerlisten passer ikke"
    sentence = "Modtagerlisten kan ikke bruges: {what}."
    remedy = "Ret listen, og send den igen sammen med brevet eller samlefilen."


class NoRecipientList(SubmitterError):
    code = "GW-254"
    title = "Modtagerliste mangler"
    sentence = "Forløbet deler samlefiler efter en liste, men mailen har ikke netop én CSV-fil."
    remedy = "Vedhæft samlefilen som PDF og listen som CSV, og send dem igen."


class ManyWithoutList(SubmitterError):
    code = "GW-255"
    title = "Modtagerliste mangler"
    sentence = "Mailen går til masseforsendelse, men har ikke netop én liste med navnet masseforsendelse.txt eller masseforsendelse.csv."
    remedy = "Vedhæft listen med ét CPR- eller CVR-nummer på hver linje, og send mailen igen."


class ManyCountDiffers(SubmitterError):
    code = "GW-256"
    title = "Antallet passer ikke"
    sentence = "Adressen siger {told} modtagere, men der er {count}."
    remedy = "Kontrollér, at det er den rigtige liste eller samlefil, ret antallet i adressen, og send mailen igen."


class ReplyNotAllowed(SubmitterError):
    code = "GW-257"
    title = "Posten kan ikke besvares"
    sentence = "Svaret er ikke sendt: {why}."
    remedy = "Svar i Digital Post på virk.dk, eller skriv til afsenderen på en anden måde."


class ReplyNotAlone(SubmitterError):
    code = "GW-258"
    title = "Svaret har flere modtagere"
    sentence = "Et svar kan kun sendes til svaradressen alene."
    remedy = "Slet de andre modtagere hos os, og send mailen igen. Kollegaer kan få den som Cc."


class ReplyQuotesUs(SubmitterError):
    """The forwarded mail names addresses that only the department may know."""

    code = "GW-259"
    title = "Svaret gengiver den videresendte mail"
    sentence = "Svaret indeholder den interne tekst fra den mail, det svarer på, og er derfor ikke sendt."
    remedy = "Slet alt under dit eget svar, og send mailen igen."


class NoRecipient(SubmitterError):
    code = "GW-301"
    title = "Modtager mangler"
    sentence = "Der er ingen modtager."
    remedy = "Skriv modtagerens CPR- eller CVR-nummer som adresse, fx ddmmååxxxx@{domain}."


class RecipientsDisagree(SubmitterError):
    code = "GW-302"
    title = "Flere mulige modtagere"
    sentence = "Modtageren er angivet forskelligt flere steder: {candidates}."
    remedy = "Angiv kun modtageren i adressen, og send mailen igen."


class InvalidCpr(SubmitterError):
    code = "GW-303"
    title = "Ugyldigt CPR-nummer"
    sentence = "Et CPR-nummer er ikke gyldigt."
    remedy = "Kontrollér nummeret: 10 cifre, der begynder med en fødselsdato."


class ReplacementCpr(SubmitterError):
    code = "GW-304"
    title = "Erstatnings-CPR"
    sentence = "Erstatningspersonnumre kan ikke modtage Digital Post."
    remedy = "Send brevet på papir (fjernprint)."


class InvalidCvr(SubmitterError):
    code = "GW-305"
    title = "Ugyldigt CVR-nummer"
    sentence = "Et CVR-nummer er ikke gyldigt."
    remedy = "Kontrollér nummeret: 8 cifre."


class InvalidPNumber(SubmitterError):
    code = "GW-306"
    title = "Ugyldigt P-nummer"
    sentence = "Et P-nummer er ikke gyldigt."
    remedy = "Kontrollér nummeret: 10 cifre efter bogstavet p, fx 12345674-p1023456789."


class UnknownAddress(SubmitterError):
    """No recipient of ours; the SMTP dialogue answers it 550 5.1.1."""

    code = "GW-307"
    title = "Ukendt adresse"
    sentence = "Adressen findes ikke her."
    remedy = "Skriv modtagerens CPR- eller CVR-nummer foran @, fx ddmmååxxxx@, og send mailen igen."


class UnknownFlow(SubmitterError):
    code = "GW-308"
    title = "Ukendt forløb"
    sentence = "Adressen nævner et forløb efter +, som ikke findes."
    remedy = "Kontrollér adressen, eller spørg den, der driver systemet."


# Read by the one who sent the letter, who does not run the gateway and sees no list of held letters.
_A_COLLEAGUE_LOOKS = (
    "En kollega, der driver systemet, ser på brevet; "
    "du kan også selv sende det på papir, men sig det så til kollegaen."
)


class RecipientExempt(SubmitterError):
    code = "GW-311"
    title = "Modtageren er fritaget"
    sentence = "Modtageren er fritaget for Digital Post."
    remedy = _A_COLLEAGUE_LOOKS


class RecipientNotRegistered(SubmitterError):
    code = "GW-312"
    title = "Modtageren er ikke tilmeldt"
    sentence = "Modtageren er ikke tilmeldt Digital Post, eller nummeret findes ikke."
    remedy = _A_COLLEAGUE_LOOKS


class RecipientClosed(SubmitterError):
    code = "GW-313"
    title = "Modtagerens postkasse er lukket"
    sentence = "Modtagerens postkasse er lukket; personen eller virksomheden er ophørt."
    remedy = _A_COLLEAGUE_LOOKS


class RefusedByRule(SubmitterError):
    code = "GW-320"
    title = "Afvist af en regel"
    sentence = "Brevet er afvist efter reglen »{rule}«: {reason}"
    remedy = "Spørg den, der driver systemet, hvis reglen er forkert."


class HeldByRule(SubmitterError):
    code = "GW-321"
    title = "Afventer"
    sentence = "Brevet venter efter reglen »{rule}«: {reason}"
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


class NoWayOut(SubmitterError):
    """A rule names a destination that is not configured, or none; mending that mends the letter."""

    code = "GW-323"
    title = "Afventer"
    sentence = "Brevet venter: reglen »{rule}« nævner ingen vej ud, der findes."
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


class BatchUncertain(SubmitterError):
    """Some letters of a merged file are not certain enough to send; a person settles them (pdf.md, section 4)."""

    code = "GW-330"
    title = "Samlefilen skal ses efter"
    sentence = "{count} af {letters} breve i samlefilen er usikre: side {pages}."
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


class BatchAwaitsApproval(SubmitterError):
    code = "GW-331"
    title = "Afventer godkendelse"
    sentence = "Samlefilen giver {letters} breve, og så mange skal en medarbejder godkende, før de sendes."
    remedy = "Du skal ikke gøre noget. Du får besked, når brevene er sendt."


class BatchSeenBefore(SubmitterError):
    """The very same merged file was sent before; a second person says whether it is meant."""

    code = "GW-333"
    title = "Samlefilen er sendt før"
    sentence = "Den samme samlefil er modtaget før som forsendelse {before}. Brevene er ikke sendt igen."
    remedy = "En medarbejder ser på det. Er filen sendt igen ved en fejl, skal du ikke gøre noget."


class BatchTurnedDown(SubmitterError):
    code = "GW-332"
    title = "Samlefilen er afvist"
    sentence = "En medarbejder har set på samlefilen og afvist den. Intet er sendt."
    remedy = "Spørg den, der driver systemet, hvad der skal rettes, og send filen igen."


class HeldByPerson(SubmitterError):
    code = "GW-322"
    title = "Afventer"
    sentence = "Brevet er sat på hold af en medarbejder."
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


class AwaitsApproval(SubmitterError):
    code = "GW-324"
    title = "Afventer godkendelse"
    sentence = "Brevet venter på godkendelse efter reglen »{rule}«: {reason}"
    remedy = "En medarbejder skal godkende det under Ubehandlet. Du skal ikke gøre noget."


class RulePaused(SubmitterError):
    """For operators: `gateway rules resume RULE`, or release the letter."""

    code = "GW-326"
    title = "Afventer"
    sentence = "Brevet venter, fordi reglen »{rule}« passer på langt flere breve end normalt og er sat på pause."
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


class NobodysPost(SubmitterError):
    """Post to us: read by those who distribute, never by its sender."""

    code = "GW-341"
    title = "Mangler fordeling"
    sentence = "Ingen regel siger, hvem posten er til."
    remedy = "Fordel den under Indbakke, og overvej en regel til næste gang."


class PostNotReadable(SubmitterError):
    """Post to us whose mail breaks the reader: kept, and shown."""

    code = "GW-345"
    title = "Mailen kan ikke læses"
    sentence = "En mail i postkassen kræver mere tid eller hukommelse, end en mail må bruge."
    remedy = "Se på mailen i postkassens mappe for fejl."


class UnknownDepartment(SubmitterError):
    code = "GW-342"
    title = "Afdelingen findes ikke"
    sentence = "Reglen »{rule}« sender posten til en afdeling, som ikke findes."
    remedy = "Fordel posten under Indbakke, og ret reglen."


class ForwardTooLarge(SubmitterError):
    code = "GW-343"
    title = "For stor til en mail"
    sentence = "Dokumenterne fylder mere end {limit_mb} MB og kan ikke vedhæftes en mail."
    remedy = "Send posten som link, eller giv afdelingen den på anden måde."


class NoPages(SubmitterError):
    code = "GW-344"
    title = "Ingen sider til links"
    sentence = "Afdelingen skal have et link, men der er ikke sat sider op til links."
    remedy = "Sæt [links] op, eller giv afdelingen leveringsmåden vedhaeft, og prøv igen."


class NoRuleMatched(SubmitterError):
    code = "GW-325"
    title = "Afventer"
    sentence = "Brevet venter, fordi ingen regel siger, hvor det skal hen."
    remedy = "En medarbejder ser på det under Ubehandlet. Du skal ikke gøre noget."


# ── somebody else ───────────────────────────────────────────────────────────


class RemoteError(GatewayError):
    """A party outside did not take what we offered. Temporary unless the class says otherwise."""

    code = "GW-400"
    title = "En anden part svarer ikke"
    sentence = "A remote party did not answer as expected."


class DigitalPostUnavailable(RemoteError):
    code = "GW-401"
    title = "Digital Post svarer ikke"
    sentence = "Digital Post svarer ikke ({reason})."
    remedy = "Vi prøver igen automatisk. Du skal ikke gøre noget."

    def __init__(self, *, retry_after_seconds: float | None = None, **facts: object) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(**facts)  # type: ignore[arg-type]


_ASK = "Send koden til den, der driver systemet."
_REFUSALS = {
    "memo.invalid": ("brevet har ikke den form, det skal have", _ASK),
    "file.extension.not.allowed": (
        "en fil har en type, som ikke tages imod", "Gem filen som PDF, og send mailen igen."
    ),
    "file.empty.not.allowed": (
        "en fil er tom", "Vedhæft filen igen, kontrollér, at den kan åbnes, og send mailen igen."
    ),
    "do.not.deliver.until.date.too.early": (
        "den dag, brevet skal leveres, er forbi",
        "Skriv en senere dag i [send:…], eller fjern mærket, og send mailen igen.",
    ),
    "do.not.deliver.until.date.too.late": (
        "den dag, brevet skal leveres, ligger for langt ude i fremtiden",
        "Skriv en tidligere dag i [send:…], eller fjern mærket, og send mailen igen.",
    ),
    "contact.point.id.format.not.allowed": (
        "kontaktpunktet, som brevet kan besvares til, er skrevet forkert", _ASK
    ),
    "empty.notification.not.allowed": ("beskeden til modtageren om brevet er tom", _ASK),
    "recipient.not.allowed": (
        "modtageren kan ikke få Digital Post", "Send brevet på papir, eller ret modtageren."
    ),
    "recipient.not.registered": (
        "modtageren er ikke tilmeldt Digital Post", "Send brevet på papir, eller ret modtageren."
    ),
}  # fmt: skip
"""Codes seen (reference, digital-post.md, section 2.7): what each means, and what to do about it."""


class DigitalPostRefused(RemoteError):
    """The sentence below is for codes not in the list; those in it are put in words."""

    code = "GW-402"
    title = "Digital Post afviste brevet"
    sentence = "Digital Post afviste brevet med koden {remote_code}."
    remedy = f"Brevet er ikke leveret. {_ASK}"
    temporary = False

    def text(self) -> str:
        known = _REFUSALS.get(str(self.facts["remote_code"]))
        if known is None:
            return super().text()
        return f"Digital Post afviste brevet: {known[0]} (koden {self.facts['remote_code']})."

    def action(self) -> str:
        known = _REFUSALS.get(str(self.facts["remote_code"]))
        return super().action() if known is None else f"Brevet er ikke leveret. {known[1]}"


class DigitalPostAccessDenied(RemoteError):
    """Certificate, token or IP range: every letter would fail alike, so the destination stops."""

    code = "GW-403"
    title = "Ingen adgang til Digital Post"
    sentence = "Digital Post accepts neither certificate nor token (HTTP {status})."
    remedy = "Sending is paused. Check certificate, token and address range with `gateway doctor`."


class ReceiptOverdue(RemoteError):
    code = "GW-404"
    title = "Kvittering mangler"
    sentence = "Brevet er afleveret, men Digital Post har ikke kvitteret inden for {hours} timer."
    remedy = "Brevet sendes ikke igen af sig selv. Spørg Digital Post, eller markér det håndteret."
    temporary = False


class GaveUp(RemoteError):
    code = "GW-405"
    title = "Ikke leveret i tide"
    sentence = "Brevet kunne ikke afleveres inden for {hours} timer (sidst: {last})."
    remedy = "Prøv igen fra Ubehandlet, når forbindelsen virker."
    temporary = False


class LookupFailed(RemoteError):
    code = "GW-406"
    title = "Opslag mislykkedes"
    sentence = "The look-up of a recipient failed ({reason}); this says nothing about the recipient."


class MailboxUnavailable(RemoteError):
    code = "GW-408"
    title = "Postkassen svarer ikke"
    sentence = "Postkassen svarer ikke ({reason})."
    remedy = "Vi prøver igen automatisk. Du skal ikke gøre noget."


class MemoUnreadable(RemoteError):
    """Post to us that is not MeMo; its bytes are kept for a person."""

    code = "GW-407"
    title = "Posten kan ikke læses"
    sentence = "En meddelelse fra Digital Post kan ikke læses ({what})."
    remedy = "Meddelelsen er gemt, som den kom. Se på den, og spørg afsenderen."
    temporary = False


class MailRelayUnavailable(RemoteError):
    code = "GW-411"
    title = "Mailserveren svarer ikke"
    sentence = "The mail relay did not take a mail ({reason})."


class MailNotEncrypted(MailRelayUnavailable):
    """Nothing was sent: a letter never travels in the clear."""

    code = "GW-414"
    title = "Kunne ikke sende krypteret"
    sentence = "The mail server offers no TLS that we can trust ({reason}), so nothing was sent to it."
    remedy = "Mend the server's TLS or certificate, then try again; or send the post as a link."


class MailRelayRefused(RemoteError):
    code = "GW-412"
    title = "Mailserveren afviste"
    sentence = "The mail relay refused a mail for good (reply {status})."
    remedy = "Check the [mail] settings and the receiver's address."
    temporary = False


class MailNotSendable(RemoteError):
    """Refused by ourselves, before a byte left: an address or a header that could mean two things."""

    code = "GW-413"
    title = "Mailen kan ikke sendes"
    sentence = "A mail was not offered to the relay: {reason}."
    remedy = "Check the submitter's address in the users file and the [mail] settings."
    temporary = False


class ArchiveUnavailable(RemoteError):
    code = "GW-421"
    title = "Arkivet svarer ikke"
    sentence = "The archive did not take a document ({reason})."


class ArchiveRefused(RemoteError):
    code = "GW-422"
    title = "Arkivet afviste"
    sentence = "The archive refused a document: {reason}."
    remedy = "Choose another case, then archive it again with `gateway retry`."
    temporary = False


# ── ours ────────────────────────────────────────────────────────────────────


class OurError(GatewayError):
    """A fault of ours; to the outside always temporary, and never quoted."""


class DiskFull(OurError):
    code = "GW-501"
    title = "Disken er fuld"
    sentence = "There is no room on the disk."
    remedy = "Free space; senders keep their post and try again by themselves."


class LedgerUnavailable(OurError):
    code = "GW-502"
    title = "Databasen svarer ikke"
    sentence = "The ledger did not answer ({reason})."
    remedy = "Check the database; senders keep their post and try again by themselves."


class VaultDamaged(OurError):
    code = "GW-503"
    title = "Et dokument er beskadiget på disken"
    sentence = "Bytes in the vault do not match their digest, or are gone."
    remedy = "Do not send it. Restore the vault from backup, then `gateway retry`."


class Poison(OurError):
    code = "GW-504"
    title = "Kunne ikke behandles"
    sentence = "Processing failed {count} times in a row ({where})."
    remedy = "It is held and nothing else waits for it. Report it, then `gateway retry` or `discard`."


class TooMuchInFlight(OurError):
    code = "GW-505"
    title = "Travlt"
    sentence = "Too much post is arriving at once."
    remedy = "Senders keep their post and try again by themselves."


class ReaderLimit(OurError):
    """The parsing process ran out of its time or memory; the same bytes would do so again."""

    code = "GW-506"
    title = "Kunne ikke læses"
    sentence = "Mailen kunne ikke læses inden for grænserne for tid og hukommelse."
    remedy = "Lav en ny, mindre mail med brevet som PDF, og send den."
    temporary = False


class NoticesLimited(OurError):
    """Not a fault: [mail] per_sender_and_hour. The notice waits until there is room."""

    code = "GW-507"
    title = "Mange beskeder"
    sentence = "One address has had its notices of this hour."
    remedy = "Nothing to do: the rest is sent as the hour passes."


# ── operator ────────────────────────────────────────────────────────────────


class OperatorError(GatewayError):
    """For the person at the terminal."""

    temporary = False


class ConfigError(OperatorError):
    """All faults of a configuration at once, each as its own line."""

    code = "GW-100"
    sentence = "{problems}"
    remedy = ""


class AddressTaken(ConfigError):
    """We cannot listen where the settings say."""

    code = "GW-102"


class UnsafeSecret(OperatorError):
    code = "GW-101"
    sentence = "The secret file {path} {what}."
    remedy = "{mend}."


class NotFound(OperatorError):
    code = "GW-701"
    sentence = "There is no {what} with that id."
    remedy = "List what there is with `gateway log list`."


class NotAllowedNow(OperatorError):
    code = "GW-702"
    sentence = "{what}"
    remedy = "Look at it with `gateway log show ID`."


class HomeInUse(NotAllowedNow):
    code = "GW-704"
    sentence = "Another gateway runs in this home already."
    remedy = "Stop it first, or give this one a home of its own with --home."


class FolderNotUsable(NotAllowedNow):
    code = "GW-703"
    sentence = "The folder {what}."
    remedy = "Choose a folder that does not exist yet, on a disk you may write to."


def every_error() -> list[type[GatewayError]]:
    """Every class that carries a code of its own, in order of code; for docs and tests."""
    found: list[type[GatewayError]] = []
    waiting: list[type[GatewayError]] = [GatewayError]
    while waiting:
        kind = waiting.pop()
        if "code" in vars(kind):
            found.append(kind)
        waiting.extend(kind.__subclasses__())
    return sorted(found, key=lambda kind: kind.code)
