"""Reads identity cards with a local OCR engine: picture in, texts as printed out. Knows no provider and no expected content.

`Reader.read(picture)` gives one `ReadCard` a card side that it recognises by its printed labels, and an empty list
for anything else; `OtherDocumentError` when the picture shows a document that bears the same labels or another name,
such as a passport. `ReadCard.fields` holds the texts as printed; a field that could not be read is absent.

| kind | fields (an example of the printed text) |
|---|---|
| `cn_portrait` | `name` (张样例) `sex` (男) `ethnicity` (汉) `birth` (1990年3月7日) `address` `id_number` |
| `cn_emblem` | `issuing_authority` `validity` (2019.06.06-2039.06.06 or 2019.06.06-长期) |
| `pe_dni_new_front` | `id_number` (99117410-2) `paternal_surname` `maternal_surname` `given_names` `sex` (MASCULINO) `marital_status` (Soltero) `birth_date` (16/05/1994) `birth_place` (990133) `issue_date` `expiry_date` (or NO CADUCA) `election_number` `organ_donor` (SI) |
| `pe_dni_new_back` | `region` (DEPARTAMENTO/PROVINCIA/DISTRITO) `address` |
| `pe_dni_old_front` | `id_number` `paternal_surname` `maternal_surname` `given_names` `sex` (M) `marital_status` (S) `birth_date` `birth_place` `registration_date` `issue_date` `expiry_date` |
| `pe_dni_old_back` | `department` `province` `district` `address` `election_number` `organ_donor` |
| `pe_foreigner_front` | `id_number` (990459912) `document_number` `surname` `given_names` `sex` (M) `marital_status` (S) `birth_date` (07 MAR 1991) `issue_date` `expiry_date` `nationality` `migratory_quality` |
"""  # noqa: E501  table

from local.kinds import Kind
from local.sandbox.reader.model import Box, OtherDocumentError, Point, Quad, ReadCard
from local.sandbox.reader.reading import Reader

__all__ = ["Box", "Kind", "OtherDocumentError", "Point", "Quad", "ReadCard", "Reader"]
