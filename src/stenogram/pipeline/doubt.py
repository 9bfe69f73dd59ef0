"""Is this the language that the model speaks? What an English-only model makes of other languages is rubbish."""
