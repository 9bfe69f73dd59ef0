"""Any file to samples, samples to speech, speech to chunks."""
