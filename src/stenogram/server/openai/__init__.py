"""The OpenAI audio API: requests as its clients send them, answers as they parse them."""
