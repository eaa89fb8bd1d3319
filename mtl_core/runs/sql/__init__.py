"""The run store in SQL: tables, versions of the schema, connection, reading and writing of rows."""
