"""An invoice as a PDF of one page, in the fonts that every reader has (ISO 32000-1, 9.6.2.2)."""

from datetime import UTC, datetime

from app.sandbox.stripe.store import Plain

TOP, LEFT, LINE = 780, 56, 18


def money(amount: int, currency: str) -> str:
    """Write an amount of minor units for people."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02} {currency.upper()}"


def invoice_lines(invoice: Plain) -> list[str]:
    """Write an invoice as lines of text."""
    currency, address = invoice["currency"], invoice["customer_address"] or {}
    day = datetime.fromtimestamp(invoice["created"], UTC).date()
    town = " ".join(filter(None, (address.get("postal_code"), address.get("city"))))
    buyer = [
        invoice["customer_name"],
        invoice["customer_email"],
        address.get("line1"),
        address.get("line2"),
        town,
        " ".join(filter(None, (address.get("state"), address.get("country")))),
        *(f"{one['type']} {one['value']}" for one in invoice["customer_tax_ids"]),
    ]
    tax = sum(one["amount"] for one in invoice["total_taxes"])
    discount = invoice["subtotal"] + tax - invoice["total"]
    sums = [("Subtotal", invoice["subtotal"]), ("Discount", -discount), ("Tax", tax)]
    return [
        f"Invoice {invoice['number']}",
        f"{day.isoformat()} - {invoice['status']}",
        "",
        "Bill to",
        *(line for line in buyer if line),
        "",
        *(
            f"{one['description']}   {money(one['amount'], currency)}"
            for one in invoice["lines"]["data"]
        ),
        "",
        *(f"{name}   {money(amount, currency)}" for name, amount in sums if amount),
        f"Total   {money(invoice['total'], currency)}",
        "",
        "Sandbox: a stand-in's invoice. Nothing here is real.",
    ]


def pdf_of(lines: list[str]) -> bytes:
    """Write lines of text on a page of A4; what Windows-1252 does not know becomes a question mark."""
    shown = b"\n".join(b"(%b) Tj T*" % _text(line) for line in lines)
    content = b"BT /F1 11 Tf %d TL %d %d Td\n%b\nET" % (LINE, LEFT, TOP, shown)
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            b"/Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
    ]
    whole, starts = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        starts.append(len(whole))
        whole += b"%d 0 obj\n%b\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(parts) + 1
    return whole + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(whole))
    )


def _text(line: str) -> bytes:
    plain = line.encode("cp1252", errors="replace")
    return plain.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
