"""The fleet's graph in SQL: which files there are on which stores, what they rely on, and which domains need them. Only here is SQL.

SQLite for one desk, PostgreSQL for a fleet; the tables are the same. Needs SQLAlchemy (extra ``catalogue``), PostgreSQL also psycopg.
"""
