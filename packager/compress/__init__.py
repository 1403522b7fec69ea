"""Steps that make a model smaller: each takes a student and gives a student.

A step is a function of `packager.compress.steps.STEPS`: it reads the student in one folder, writes a student
into another, and says what it did. What a later step must keep is in the student's description, under
`state` (`packager.compress.state`).
"""
