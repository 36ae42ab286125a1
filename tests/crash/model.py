"""The fixer's model, which plays recorded answers, and the way to it, on which they can be held."""
import os
from urllib.parse import urlsplit

from api_proxy import ApiProxy
from emulator import write_key_file
from model_server import PATHS, ModelServer

_PATH = PATHS["openai"]


class Model:
    def __init__(self, directory):
        """directory: where its key is kept, for the server to read."""
        self.server = ModelServer()
        self.proxy = ApiProxy(urlsplit(self.server.url()).port, prefix="")
        key_file = os.path.join(directory, "model-key")
        write_key_file(key_file, self.server.key)
        self.settings = {"fixer_url": self.proxy.url + _PATH, "fixer_protocol": "openai",
                         "fixer_model": "recorded", "fixer_key_file": key_file}

    def hold(self, side):
        return self.proxy.hold("POST", _PATH, side)

    def close(self):
        self.proxy.close()
        self.server.close()
