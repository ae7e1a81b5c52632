"""Changes of a backing chain that lose nothing, whatever instant is the last: planned, journalled, carried out, proven, resumed.

Two rules hold for every job. *Data, then flush, then the engine's exit 0, then proof, then the pointer, then the document, then rights,
then deletion*: no engine moves a pointer. And *nothing is deleted before the proof is recorded*: until then an overlay over its old
layers reads right, and putting the old pointer back undoes the job. Host code: which document names a chain comes in as values.
"""
