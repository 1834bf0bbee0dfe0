"""Who a row is about: identifier rules, written forms, protected personal numbers, masks.

`codes` judges identifiers, `normal` brings texts into one written form, `persons` hashes and encrypts personal
numbers, `masking` hides them on the way out. The rules of `codes`, `normal` and `masking` exist in SQL too
(migration 0002, schema ops) with the same names and the same answers.
"""
