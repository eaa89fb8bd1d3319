"""Cases of tables and folders, each with all of its labels."""

from tests.data.imports.table_cases.odd_cells import CELLS
from tests.data.imports.table_cases.other_tables import OTHER
from tests.data.imports.table_cases.reported_sets import REPORTED

CASES = {**REPORTED, **CELLS, **OTHER}
