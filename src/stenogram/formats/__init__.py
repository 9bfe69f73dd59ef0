"""Transcript to text, json, verbose_json, srt, vtt, tsv: pure functions."""
