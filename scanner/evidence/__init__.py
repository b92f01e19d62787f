"""Evidence for people: clips and contact sheets of incidents, made from records and sources.

SegmentScored -> SegmentIndex                   (index)    which source shows which second
Opened, Extended, Closed -> ClipDue, SheetDue   (plan)     what is due; pure
ClipDue -> Clip, SheetDue -> Sheet              (cut, sheet)   one file each; can be retried
EvidenceStore                                   (store)    does all of it during a scan
"""
