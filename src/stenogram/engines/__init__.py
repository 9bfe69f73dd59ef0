"""One module per speech-recognition library, behind ``protocols.Engine``."""
