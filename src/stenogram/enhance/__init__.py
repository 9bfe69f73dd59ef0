"""What language models do with a transcript: clean it up, translate it, say what it is about.

``chat`` and ``gguf`` speak with a model (behind ``protocols.Chat``; ``choose`` picks), ``prompt`` and ``kinds`` say
what is asked, ``parts`` cuts long transcripts, ``guard`` says which edits may stand (by ``reading``, ``numbers``,
``likeness``, ``vocabulary`` and ``remark``), ``diff`` makes changes of them, and ``run`` puts it together.
"""
