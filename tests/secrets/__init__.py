# ruff: noqa: A005 (named for the package it tests, and found by path)
