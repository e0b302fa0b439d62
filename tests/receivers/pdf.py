"""Tells what is in a PDF, as pypdf reads it, which had no part in writing it.

Reads the file on standard input; prints its pages, fonts, pictures and metadata as JSON.
"""
import io
import json
import sys

from pypdf import PdfReader

reader = PdfReader(io.BytesIO(sys.stdin.buffer.read()), strict=True)


def font(one):
    below = one["/DescendantFonts"][0].get_object()
    program = below["/FontDescriptor"].get_object()["/FontFile2"].get_object()
    return {
        "name": one["/BaseFont"],
        "program_bytes": len(program.get_data()),
        "has_unicode": "/ToUnicode" in one,
    }


def picture(one):
    return {"width": one["/Width"], "height": one["/Height"], "filter": one["/Filter"], "has_mask": "/SMask" in one}


def resources(page, kind):
    return [one.get_object() for one in page["/Resources"].get(kind, {}).values()]


first = reader.pages[0]
told = {
    "pages": [page.extract_text().splitlines() for page in reader.pages],
    "fonts": [font(one) for one in resources(first, "/Font")],
    "pictures": [picture(one) for one in resources(first, "/XObject")],
    "about": {name: str(value) for name, value in reader.metadata.items()},
}
print(json.dumps(told))
